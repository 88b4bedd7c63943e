// Stores, reads and lists many files at once where few can be open, and tells what came of it:
// node few-descriptors.mjs <root> <count>
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { openStorage } from '../../lib/drivers/open-storage.js';

const root = process.argv[2]!;
const keys = Array.from({ length: Number(process.argv[3]) }, (_, index) => `${index % 7}/${index}`);
const storage = await openStorage('files', { driver: 'local', root, durability: 'rename' });
const few = keys.slice(0, 100);
const [other, third] = await Promise.all(
  ['other', 'third'].map((name) =>
    openStorage(name, {
      driver: 'local',
      root: join(root, name),
      createRoot: true,
      durability: 'rename',
    }),
  ),
);
const storages = [storage, other!, third!];

/** A source that gives its bytes over several turns, as a client does. */
async function* slowly(key: string): AsyncGenerator<Uint8Array> {
  for (let turn = 0; turn < 5; turn++) {
    await setImmediate();
    yield Buffer.alloc(20_000, key);
  }
}

/** Everything at once, and every failure with how often it occurred. */
async function failuresOf(
  call: (key: string) => Promise<unknown>,
  of: readonly string[] = keys,
): Promise<string[]> {
  const results = await Promise.allSettled(of.map(call));
  return results
    .filter((result) => result.status === 'rejected')
    .map((result) => String(result.reason));
}

async function listAll(): Promise<void> {
  let count = 0;
  for await (const file of storage.list('bytes/')) if (file.size > 0) count++;
  if (count !== keys.length) throw new Error(`${count} files are listed`);
}

/** Each folder is looked into, whether it holds a file. */
async function listFolders(): Promise<void> {
  const { prefixes } = await storage.listPage({ prefix: 'bytes/', delimiter: '/' });
  if (prefixes.length !== 7) throw new Error(`${prefixes.length} folders are listed`);
}

const opened = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
const before = await opened();
const failures = {
  streams: await failuresOf((key) =>
    storage.put(key, Readable.from(slowly(key)), { metadata: { key } }),
  ),
  others: await failuresOf((key) => other!.put(key, key, { metadata: { key } }), few),
  bytes: await failuresOf((key) => storage.put(`bytes/${key}`, key, { metadata: { key } })),
  reads: await failuresOf(async (key) => {
    const download = await storage.get(key);
    if (download.file.metadata['key'] !== key) throw new Error('other metadata');
    const sent = Buffer.concat(Array.from({ length: 5 }, () => Buffer.alloc(20_000, key)));
    if (!sent.equals(await download.bytes())) throw new Error('torn');
  }),
  // Each holds what it reads and what it writes at once.
  copies: await failuresOf((key) => storage.copy(key, `copies/${key}`)),
  // Each holds two folders while its metadata is written, and a process may have several storages.
  moves: (
    await Promise.all([
      failuresOf((key) => storage.move(`copies/${key}`, `moved/${key}`), few),
      failuresOf((key) => other!.move(key, `moved/${key}`), few),
    ])
  ).flat(),
  // Each storage has as many calls under way as it would have by itself.
  apart: await failuresOf(async (key) => {
    const name = `apart/${key}`;
    const each = storages[Number(key.split('/')[1]) % storages.length]!;
    await each.put(name, key, { metadata: { key } });
    await each.copy(name, `${name}-copied`);
  }),
  deletions: await failuresOf((key) => storage.delete(`copies/${key}`)),
  // Every fifth call lists, with writes and reads beside it.
  listings: await failuresOf(async (key) => {
    const number = Number(key.split('/')[1]);
    if (number % 5 === 1) await storage.put(`beside/${key}`, key);
    else if (number % 5 > 1) await storage.getBytes(key);
    else if (number % 10 === 0) await listAll();
    else await listFolders();
  }),
};
// A file that was read to its end is closed a moment later.
const end = performance.now() + 60_000;
let held: number;
do {
  await setImmediate();
  held = (await opened()) - before;
} while (held > 0 && performance.now() < end);
await Promise.all(storages.map((each) => each.close()));
console.log(JSON.stringify({ failures, held }));
