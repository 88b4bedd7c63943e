import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { StoragePermissionError } from '../core/errors.js';
import type { StorageConfiguration } from '../drivers/driver-options.js';
import { realFolder } from './file-system.js';
import type { Place } from './place.js';

/** Whether two addresses lead to one storage, which then copies and moves by itself. Those that are spelled otherwise count as two. */
export function isSameStorage(from: Place, to: Place): boolean {
  return (
    from.storage.name === to.storage.name && isDeepStrictEqual(from.configuration, to.configuration)
  );
}

/**
 * Whether a file that is there at the one address is the one at the other: a file that is moved onto itself would be deleted. Where
 * the other has no file, nothing is written to find it out.
 */
export async function isSameFile(from: Place, to: Place, signal: AbortSignal): Promise<boolean> {
  return (await mayBeThere(to, signal)) && isSamePlace(from, to, signal);
}

async function mayBeThere({ storage, path }: Place, signal: AbortSignal): Promise<boolean> {
  try {
    return await storage.exists(path, { signal });
  } catch (error) {
    if (error instanceof StoragePermissionError) return true;
    throw error;
  }
}

/**
 * Whether what is stored at the one place is found at the other: addresses of one place can be spelled in many ways, those of two
 * drivers included, such as of S3 and of Google Cloud Storage.
 */
async function isSamePlace(from: Place, to: Place, signal: AbortSignal): Promise<boolean> {
  // In place of the name, which may be as long as a name can be. A prefix may end within it: the one path then has less of it.
  const length = Math.min(nameOf(from).length, nameOf(to).length);
  const [fromEnd, toEnd] = [from, to].map(({ path }) => path.slice(path.length - length));
  if (fromEnd!.toLowerCase() !== toEnd!.toLowerCase()) return false;
  const name = `.file-${randomUUID()}`;
  // Names in other letters are of one file on some disks.
  const otherName = fromEnd === toEnd ? name : name.toUpperCase();
  const probe = to.path.slice(0, to.path.length - length) + name;
  await to.storage.put(probe, '', { signal });
  try {
    const found = from.path.slice(0, from.path.length - length) + otherName;
    return await from.storage.exists(found, { signal });
  } finally {
    await to.storage.delete(probe);
  }
}

function nameOf({ path }: Place): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/**
 * Whether what is written to a folder comes up in the other one, or replaces what is read there: the one is the other, or lies in it.
 */
export async function isNested(
  from: Place,
  to: Place,
  options: { prefix: string; mayWrite: boolean; signal: AbortSignal },
): Promise<boolean> {
  const { prefix, mayWrite, signal } = options;
  const roots = [from, to].map(({ configuration }) => rootOf(configuration));
  const [source, target] = [from, to].map(
    ({ storage }, index) => `${roots[index]}/${storage.prefix}${prefix}`,
  ) as [string, string];
  if (roots.includes(undefined) || !(source.startsWith(target) || target.startsWith(source))) {
    return false;
  }
  if (from.configuration.driver === 'local') return true;
  if (isDeepStrictEqual(from.configuration, to.configuration)) return true;
  // Buckets of one name: of one service that is spelled in two ways or has two drivers, or of two services.
  if (!mayWrite) return false;
  const inner = (source.length > target.length ? from : to).storage.prefix;
  const at = ({ storage }: Place): Place => ({
    ...to,
    storage,
    path: inner.slice(storage.prefix.length) + prefix,
  });
  return isSamePlace(at(from), at(to), signal);
}

/** What keys are below; nothing where nobody can tell. */
function rootOf(configuration: StorageConfiguration): string | undefined {
  if ('container' in configuration) return configuration.container;
  if ('bucket' in configuration) return configuration.bucket;
  if (configuration.driver !== 'local') return undefined;
  return realFolder(resolve(configuration.root)).replace(/[/\\]$/, '');
}
