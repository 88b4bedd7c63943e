import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { NamedStorages } from './address.js';
import { UsageError } from './usage-error.js';

/**
 * The storages of a `.json`, `.js` or `.mjs` file: an object by name, alone or as `storages`, as `StorageModule.forRoot` takes it.
 *
 * @throws UsageError when it cannot be read
 */
export async function readConfigFile(path: string): Promise<NamedStorages> {
  let read: unknown;
  try {
    read =
      extname(path) === '.json'
        ? JSON.parse(await readFile(path, 'utf8'))
        : ((await import(pathToFileURL(resolve(path)).href)) as { default: unknown }).default;
  } catch (error) {
    // What JSON.parse() says quotes the text, which may hold a secret.
    const reason = error instanceof SyntaxError ? 'it is not well-formed' : String(error);
    throw new UsageError(`--config ${path} cannot be read: ${reason}`, { cause: error });
  }
  const storages = isRecord(read) && isRecord(read['storages']) ? read['storages'] : read;
  if (isRecord(storages) && Object.values(storages).every(isRecord)) {
    return storages as NamedStorages;
  }
  throw new UsageError(`--config ${path} must hold an object of storages by name`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
