// Files on the local disk, against bare Node and against other storages.
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { STORAGES } from '../peers/local.js';

const MEBIBYTE = 1024 ** 2;
const SMALL = Buffer.alloc(4096, 1);
const AT_ONCE = 32;
const CHUNK = Buffer.alloc(64 * 1024, 3);

/** Where a row may be behind a peer, by no more than this. */
const BEHIND = 4;

export const title = 'files on the local disk';

/** @param {boolean} quick whether less is to be done, for ratios that are less sure */
export function rows(quick) {
  const size = quick ? 256 : 1024;
  const count = quick ? 2000 : 10_000;
  const listed = quick ? 20_000 : 100_000;
  const keys = Array.from({ length: count }, (_, index) => `file-${index}.bin`);
  const warm = Array.from({ length: 500 }, (_, index) => `warm-${index}.bin`);
  return [
    {
      name: `put ${size} MiB as a stream`,
      limit: 'pipeline at 1 MiB, rename',
      wanted: { limit: 1 / 0.9, best: 0.5 },
      bounds: { limit: 3, best: 1.3 },
      why: 'Large files on disk',
      guard: 5,
      cases: [
        'limit',
        'ours',
        'ours, durability full',
        'FlyDrive',
        'Flystorage',
        'files-sdk',
        'OpenDAL',
      ],
      prepare: prepared(({ storage, folder }) => async () => {
        await storage.putStream('large.bin', chunks(size));
        check(statSync(join(folder, 'large.bin')).size === size * MEBIBYTE);
      }),
    },
    {
      name: `put ${count} files of 4 KiB`,
      limit: 'writeFile in place',
      wanted: { FlyDrive: 1, best: 1 },
      bounds: { FlyDrive: 2, best: BEHIND },
      why: 'Small files on disk',
      guard: 9,
      cases: [
        'limit',
        'ours',
        'ours, durability full',
        'FlyDrive',
        'Flystorage',
        'files-sdk',
        'unstorage',
        'OpenDAL',
      ],
      prepare: prepared(
        ({ storage, folder }) =>
          async () => {
            await each(keys, (key) => storage.put(key, SMALL));
            check(existsSync(join(folder, keys.at(-1))));
          },
        { warmUp: (storage) => each(warm, (key) => storage.put(key, SMALL)) },
      ),
    },
    {
      name: `read ${count} files of 4 KiB`,
      limit: 'readFile',
      wanted: { FlyDrive: 0.5, best: 1 },
      bounds: { FlyDrive: 2, best: BEHIND },
      why: 'Small files on disk',
      guard: 9,
      cases: ['limit', 'ours', 'FlyDrive', 'Flystorage', 'files-sdk', 'unstorage', 'OpenDAL'],
      files: (folder) => keys.forEach((key) => writeFileSync(join(folder, key), SMALL)),
      prepare: prepared(
        ({ storage }) =>
          () =>
            each(keys, async (key) => check((await storage.read(key)).length === SMALL.length)),
        { inFiles: true, warmUp: (storage) => each(keys.slice(0, 500), storage.read) },
      ),
    },
    {
      name: `read ${size} MiB as a stream`,
      limit: 'read() into one buffer of 1 MiB',
      wanted: { best: 0.5 },
      bounds: { best: 1 },
      why: 'Large files on disk',
      guard: 7,
      cases: ['limit', 'ours', 'FlyDrive', 'Flystorage', 'files-sdk', 'OpenDAL'],
      files: (folder) => writeLarge(folder, size),
      prepare: prepared(
        ({ storage }) => {
          let bytes;
          return {
            run: async () => void (bytes = await storage.readStream('large.bin')),
            verify: () => check(bytes === size * MEBIBYTE),
          };
        },
        { inFiles: true },
      ),
    },
    {
      // Not Flystorage: on Node 20 its listing leaves most of them out.
      name: `list ${listed} files`,
      limit: 'readdir and stat',
      wanted: { limit: 2 },
      bounds: { limit: 6 },
      why: 'Listings',
      guard: 9,
      cases: ['limit', 'ours', 'FlyDrive', 'files-sdk', 'unstorage', 'OpenDAL'],
      files: (folder) => writeMany(folder, listed),
      prepare: prepared(
        ({ storage }) =>
          async () => {
            check((await storage.list()) === listed);
          },
        { inFiles: true },
      ),
    },
    {
      name: `copy ${size} MiB`,
      limit: 'copyFile',
      // One call of the system each, which takes now half as long and now twice as long as the last.
      rounds: quick ? 3 : 15,
      wanted: { limit: 1 / 0.9, best: 1 },
      why: 'One copy, one move',
      cases: ['limit', 'ours', 'FlyDrive', 'Flystorage', 'files-sdk', 'OpenDAL'],
      prepare: prepared(
        ({ storage, folder }) => ({
          run: async () => void (await storage.copy('large.bin', 'copy.bin')),
          verify: () => check(statSync(join(folder, 'copy.bin')).size === size * MEBIBYTE),
        }),
        { withLarge: size },
      ),
    },
    {
      name: `move ${size} MiB`,
      limit: 'rename',
      wanted: { best: 1 },
      bounds: { best: 2 * BEHIND },
      why: 'One copy, one move',
      cases: ['limit', 'ours', 'FlyDrive', 'Flystorage', 'files-sdk', 'OpenDAL'],
      prepare: prepared(
        ({ storage, folder }) => ({
          run: async () => void (await storage.move('large.bin', 'moved.bin')),
          verify() {
            check(statSync(join(folder, 'moved.bin')).size === size * MEBIBYTE);
            check(!existsSync(join(folder, 'large.bin')));
          },
        }),
        { withLarge: size },
      ),
    },
  ];
}

function prepared(runOf, { inFiles = false, withLarge, warmUp } = {}) {
  return async (name, { folder, files }) => {
    const root = inFiles ? files : folder;
    if (withLarge !== undefined) await writeLarge(root, withLarge);
    const storage = await STORAGES[name](root);
    // Small calls are made by code that is compiled; what begins cold has a suite of its own.
    await warmUp?.(storage);
    const made = runOf({ storage, folder: root });
    return {
      ...(typeof made === 'function' ? { run: made } : made),
      close: () => storage.close?.(),
    };
  };
}

/** As a socket hands them on. */
function chunks(mebibytes) {
  let left = mebibytes * 16;
  return new Readable({
    read() {
      this.push(left-- > 0 ? CHUNK : null);
    },
  });
}

async function writeLarge(folder, mebibytes) {
  const path = join(folder, 'large.bin');
  const chunk = Buffer.alloc(16 * MEBIBYTE, 3);
  for (let written = 0; written < mebibytes; written += 16) await appendFile(path, chunk);
}

async function writeMany(folder, count) {
  for (let start = 0; start < count; start += 1000) {
    const inner = join(folder, `folder-${start / 1000}`);
    await mkdir(inner);
    for (let index = 0; index < 1000; index++) writeFileSync(join(inner, `file-${index}.bin`), '');
  }
}

async function each(keys, call) {
  let next = 0;
  const work = async () => {
    while (next < keys.length) await call(keys[next++]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function check(holds) {
  if (!holds) throw new Error('The case did not do what is measured');
}
