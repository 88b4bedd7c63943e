import { setMaxListeners } from 'node:events';
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { Readable } from 'node:stream';
import type { DriverPutOptions, StorageDriver } from '../../../lib/core/storage-driver.js';
import { contentTypeOf } from '../../../lib/core/attributes.js';
import { StorageError } from '../../../lib/core/errors.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import type { StoredFile } from '../../../lib/core/stored-file.js';
import { createLocalDriver } from '../../../lib/drivers/local/local.driver.js';
import type { LocalStorageOptions } from '../../../lib/drivers/local/local.options.js';

export const signal = new AbortController().signal;
setMaxListeners(0, signal);
export const RESERVED = '.nestjs-storages';

/** For what Windows does not have: modes, other users, FIFOs, symbolic links that anyone may make, `\\` and line ends in names. */
export const posix =
  process.platform === 'win32' ? { describe: describe.skip, it: it.skip } : { describe, it };

const opened: StorageDriver[] = [];
const folders: string[] = [];

/** A folder below the system's temporary one, removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'nestjs-storages-local-')));
  folders.push(folder);
  return folder;
}

/** Without fsync, which the tests do not need and which takes most of their time. */
export async function openDriver(
  options: Partial<LocalStorageOptions> = {},
): Promise<{ root: string; driver: StorageDriver }> {
  const root = options.root ?? (await temporaryFolder());
  const driver = await createLocalDriver(
    { durability: 'rename', ...options, root },
    { storage: 'files', retry: parseRetryOptions(), concurrency: 4 },
  );
  opened.push(driver);
  return { root, driver };
}

/** A storage that makes the calls of another system. */
export async function openAs(
  value: string,
  options: Partial<LocalStorageOptions>,
): Promise<StorageDriver> {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform')!;
  Object.defineProperty(process, 'platform', { ...platform, value });
  const { driver } = await openDriver(options).finally(() => {
    Object.defineProperty(process, 'platform', platform);
  });
  return driver;
}

export async function cleanUp(): Promise<void> {
  for (const driver of opened.splice(0)) await driver.close();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
}

export function put(
  driver: StorageDriver,
  key: string,
  body: string | Uint8Array | AsyncIterable<Uint8Array> = key,
  options: Partial<DriverPutOptions> = {},
): Promise<StoredFile> {
  return driver.put(key, typeof body === 'string' ? Buffer.from(body) : body, {
    signal,
    contentType: contentTypeOf(key),
    metadata: {},
    ...options,
  });
}

export async function text(driver: StorageDriver, key: string): Promise<string> {
  const { body } = await driver.get(key, { signal });
  return (await bytesOf(body)).toString();
}

export async function bytesOf(body: Uint8Array | Readable): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  return Buffer.concat((await body.toArray()) as Uint8Array[]);
}

/** The error that a call rejects with, so that a test can look at all of it. */
export async function failure(call: Promise<unknown>): Promise<StorageError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof StorageError) return error;
    throw error;
  }
  throw new Error('The call was expected to reject');
}

/** Every file below the folder, as paths relative to it, with `/`. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .map((path) => path.replaceAll(sep, '/'))
    .sort();
}

/** The unpublished files of whichever owner; `owner` is the record that locks are linked to. */
export async function temporaryFiles(root: string): Promise<string[]> {
  const files = await filesBelow(join(root, RESERVED, 'tmp'));
  return files.filter((file) => !file.endsWith('/owner'));
}

export async function* chunks(...parts: (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}

export async function listAll(
  driver: StorageDriver,
  options: Partial<Parameters<StorageDriver['list']>[0]> = {},
): Promise<string[]> {
  const found: string[] = [];
  for await (const page of driver.list({ signal, prefix: '', pageSize: 1000, ...options })) {
    found.push(...page.files.map(({ key }) => key), ...page.prefixes);
  }
  return found;
}

/** Root may do everything: what the system forbids shows only as somebody else. */
export async function asNobody<T>(task: () => Promise<T>): Promise<T> {
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  try {
    return await task();
  } finally {
    if (root) process.seteuid?.(0);
  }
}
