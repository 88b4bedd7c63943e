import type { WriteConditions } from '../../core/conditions.js';
import type { DriverCopyOptions } from '../../core/storage-driver.js';
import { type FileAttributes, pickAttributes, type StoredFile } from '../../core/stored-file.js';
import { attributesOf, toRecord, type Recorded } from './local.metadata.js';
import { openVersion, type OpenVersion } from './local.reads.js';
import type { Slot } from './local.slots.js';
import { O_RDONLY, chmod, close, copyFile, open, unlinkIfThere } from './local.system-calls.js';
import { finish, publish, type LocalContext, type StagedFile } from './local.writes.js';

/** A copy of its own: the file system may share blocks until one of the two changes, never the file. */
export async function copyVersion(
  context: LocalContext,
  slot: Slot,
  from: string,
  to: string,
  options: DriverCopyOptions,
): Promise<StoredFile> {
  const source = await openVersion(context, from, options.signal);
  let staged: StagedFile;
  try {
    staged = await stageCopy(context, source, from, to);
  } finally {
    await close(source.descriptor);
  }
  const recorded = recordOf(from, to, source.recorded, options);
  return publish(context, slot, to, staged, recorded, {
    ...conditionsOf(options),
    signal: options.signal,
  });
}

async function stageCopy(
  { options, root, temporary }: LocalContext,
  source: OpenVersion,
  from: string,
  to: string,
): Promise<StagedFile> {
  const path = temporary.next(to);
  let version: StagedFile['version'] | undefined;
  try {
    await temporary.use(() => copyFile(root.pathOfOpen(source.descriptor, from), path));
    // It has the source's mode, which may keep its owner out.
    await chmod(path, options.permissions);
    const descriptor = await open(path, O_RDONLY);
    try {
      version = await finish(descriptor, options, root.openFiles);
    } finally {
      await close(descriptor);
    }
  } finally {
    if (version === undefined) await unlinkIfThere(path);
  }
  return { path, version };
}

/** The source's attributes, where none are given, as they have to be recorded under the new name. */
export function recordOf(
  from: string,
  to: string,
  recorded: Recorded | undefined,
  given: FileAttributes,
): Recorded | undefined {
  return toRecord(to, {
    ...attributesOf(from, recorded),
    ...pickAttributes(given),
  });
}

export function conditionsOf({ ifNoneMatch }: DriverCopyOptions): WriteConditions {
  return ifNoneMatch === undefined ? {} : { ifNoneMatch };
}
