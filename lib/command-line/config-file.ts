import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { NamedStorages } from './address.js';
import { UsageError } from './usage-error.js';

/**
 * The storages of a `.json` file or a module: an object by name, alone or as `storages`, as `StorageModule.forRoot` takes it.
 *
 * @throws UsageError when it cannot be read
 */
export async function readConfigFile(path: string): Promise<NamedStorages> {
  let read: unknown;
  try {
    read =
      extname(path).toLowerCase() === '.json'
        ? parseJson(await readFile(path, 'utf8'))
        : exported((await import(pathToFileURL(resolve(path)).href)) as Module);
  } catch (error) {
    // What JSON.parse() says quotes the text, which may hold a secret.
    const reason = error instanceof SyntaxError ? 'it is not well-formed' : String(error);
    throw new UsageError(`--config ${path} cannot be read: ${reason}`, { cause: error });
  }
  const storages = isRecord(read) && isRecord(read['storages']) ? read['storages'] : read;
  if (isRecord(storages) && Object.values(storages).every(isRecord)) {
    return storages as NamedStorages;
  }
  throw new UsageError(
    `--config ${path} must hold an object of storages by name: as JSON, or by "export default", "export const storages" or "module.exports ="`,
  );
}

type Module = Readonly<Record<string, unknown>>;

/** Some editors on Windows put a byte order mark at the beginning. */
function parseJson(text: string): unknown {
  return JSON.parse(text.replace(/^\uFEFF/, ''));
}

function exported({ default: exports, storages }: Module): unknown {
  if (isRecord(storages)) return storages;
  if (!isRecord(exports)) return undefined;
  // All that a CommonJS module exports, `exports.default` included. A storage that is called "default" has a driver.
  const { default: inner } = exports;
  return isRecord(inner) && !Object.hasOwn(inner, 'driver') ? inner : exports;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
