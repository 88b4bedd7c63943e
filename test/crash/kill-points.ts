// Ends a writer before each of its changes of the disk in turn, and tells what the next start finds:
// node kill-points.mjs <folder> <pid of a process that is gone>
//
// The end is played: from one change on all fail, so that nothing is tidied up. What is left belongs to a process that is
// gone, as the writer is opened under such a number.
import fs from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import { parseRetryOptions } from '../../lib/core/retry.js';
import { createLocalDriver } from '../../lib/drivers/local/local.driver.js';
import { hashOf } from '../../lib/drivers/local/local.metadata.js';

const [folder, gone] = process.argv.slice(2) as [string, string];
const signal = new AbortController().signal;

const CHANGES = [
  'open',
  'write',
  'writev',
  'fchmod',
  'chmod',
  'futimes',
  'rename',
  'link',
  'unlink',
  'rmdir',
  'mkdir',
  'copyFile',
  'rm',
] as const;

/** How many changes are made until the end. */
let left = Infinity;

function isOver(): boolean {
  return left-- <= 0;
}

for (const name of CHANGES) {
  const change = fs[name] as (...args: unknown[]) => void;
  const endable = (...args: unknown[]): void => {
    if ((name === 'open' && args[1] !== 'wx') || !isOver()) {
      change(...args);
      return;
    }
    const done = args.at(-1) as (error: Error) => void;
    setImmediate(done, Object.assign(new Error('The process has ended'), { code: 'EIO' }));
  };
  Object.assign(fs, { [name]: endable });
}
syncBuiltinESMExports();

interface Attributes {
  readonly metadata: Record<string, string>;
}

const OLD: Attributes = { metadata: { version: 'old' } };
const NEW: Attributes = { metadata: { version: 'new' } };

function put(
  driver: StorageDriver,
  key: string,
  bytes: string,
  options: Partial<Parameters<StorageDriver['put']>[2]> = {},
): Promise<unknown> {
  return driver.put(key, Buffer.from(bytes), {
    signal,
    contentType: 'text/plain',
    metadata: {},
    ...options,
  });
}

async function completeOnePart(driver: StorageDriver): Promise<void> {
  const uploadId = await driver.startMultipartUpload('k.txt', {
    signal,
    contentType: 'text/plain',
    ...NEW,
  });
  const upload = { key: 'k.txt', uploadId };
  const part = await driver.uploadPart(upload, 1, Buffer.from('new'), { signal });
  await driver.completeMultipartUpload(upload, [part], { signal });
}

/** What is done where `k.txt` and `other.txt` are stored with metadata. */
const WRITES: Readonly<Record<string, (driver: StorageDriver) => Promise<unknown>>> = {
  'put with metadata': (driver) => put(driver, 'k.txt', 'new', NEW),
  'put without metadata': (driver) => put(driver, 'k.txt', 'plain'),
  'compare and set': (driver) => put(driver, 'k.txt', 'new', { ...NEW, ifMatch: '*' }),
  'create only': (driver) => put(driver, 'new/k.txt', 'new', { ...NEW, ifNoneMatch: '*' }),
  delete: (driver) => driver.deleteMany(['k.txt'], { signal }),
  'delete that version': (driver) => driver.deleteMany(['k.txt'], { signal, ifMatch: '*' }),
  copy: (driver) => driver.copy('other.txt', 'k.txt', { signal, move: false }),
  move: (driver) => driver.copy('k.txt', 'moved/k.bin', { signal, move: true }),
  'move with metadata': (driver) =>
    driver.copy('k.txt', 'moved/k.txt', { signal, move: true, ...NEW }),
  'move over another': (driver) => driver.copy('other.txt', 'k.txt', { signal, move: true }),
  'move, create only': (driver) =>
    driver.copy('k.txt', 'moved/k.txt', { signal, move: true, ifNoneMatch: '*' }),
  'complete an upload': completeOnePart,
};

function open(root: string, pid = process.pid): Promise<StorageDriver> {
  const own = Object.getOwnPropertyDescriptor(process, 'pid')!;
  Object.defineProperty(process, 'pid', { ...own, value: pid });
  return createLocalDriver(
    { root, durability: 'rename' },
    { storage: 'files', retry: parseRetryOptions(), concurrency: 4 },
  ).finally(() => Object.defineProperty(process, 'pid', own));
}

async function below(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1));
}

/** What is wrong after the next start: with what is stored, and with what is left beside it. */
async function problemsIn(root: string): Promise<string[]> {
  const driver = await open(root);
  await driver.close();
  const reader = await open(root);
  const problems: string[] = [];
  const wanted = new Set<string>();
  for await (const { files } of reader.list({ signal, prefix: '', pageSize: 100 })) {
    for (const { key } of files) {
      const { body, file } = await reader.get(key, { signal });
      const version = file.metadata['version'] ?? 'plain';
      const bytes = Buffer.from(body as Uint8Array).toString();
      const changedOnly = key === 'moved/k.txt' && bytes === 'old' && version === 'new';
      if (bytes !== version && !changedOnly) problems.push(`${key}: ${bytes} is ${version}`);
      const { size, mtimeNs, ino } = await stat(join(root, key), { bigint: true });
      const hash = hashOf(key);
      wanted.add(`${hash.slice(0, 2)}/${hash.slice(2)}/${size}-${mtimeNs}-${ino}.json`);
    }
  }
  await reader.close();
  const own = join(root, '.nestjs-storages');
  // Folders of two characters stay: there are 256 of them at most.
  const records = (await below(join(own, 'meta'))).filter((path) => path.length > 2);
  for (const path of records) {
    if (![...wanted].some((record) => `${record}/`.startsWith(`${path}/`))) {
      problems.push(`left: meta/${path}`);
    }
  }
  for (const name of ['tmp', 'locks']) {
    for (const path of await below(join(own, name))) problems.push(`left: ${name}/${path}`);
  }
  return problems;
}

/** Answers whether it came to its end. */
async function runUntil(
  changes: number,
  root: string,
  write: (driver: StorageDriver) => Promise<unknown>,
): Promise<boolean> {
  await mkdir(root);
  const driver = await open(root, Number(gone));
  await put(driver, 'k.txt', 'old', OLD);
  await put(driver, 'other.txt', 'old', OLD);
  left = changes;
  await write(driver).catch(() => {});
  const wasEnded = left < 0;
  left = 0;
  await driver.close().catch(() => {});
  left = Infinity;
  return !wasEnded;
}

const results: Record<string, { points: number; problems: string[] }> = {};
for (const [name, write] of Object.entries(WRITES)) {
  const result = { points: 0, problems: [] as string[] };
  for (let changes = 0; ; changes++) {
    const root = join(folder, `${name}-${changes}`);
    const ended = await runUntil(changes, root, write);
    for (const problem of await problemsIn(root)) {
      result.problems.push(`before change ${changes + 1}: ${problem}`);
    }
    if (ended) break;
    result.points++;
  }
  results[name] = result;
}
console.log(JSON.stringify(results));
