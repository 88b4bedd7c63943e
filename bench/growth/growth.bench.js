// What calls take as a file grows, as there are more files, and as more calls are made at once. Of this library alone: on the local
// disk, and against an S3 that answers at once.
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { each } from '../http/requests.js';
import { storageOn, withSink } from '../s3/sink.js';

const MEBIBYTE = 1024 ** 2;
const SMALL = Buffer.alloc(4096, 1);
const CHUNK = Buffer.alloc(64 * 1024, 3);
const BOTH = ['local disk', 'S3'];
const BARE = 'bare Node';
const SYNC_AT_ONCE = 8;

export const title = 'what calls take as there is more to do';

/**
 * What the rows are drawn against. Where `isFlat`, time is to be linear and memory level; a case that has a limit may be as much
 * steeper as that is.
 */
export const curves = {
  size: { axis: 'MiB in the file', isFlat: true, limits: { 'local disk': BARE } },
  count: { axis: 'files', isFlat: true },
  concurrency: { axis: 'calls at once', isFlat: false },
};

/** @param {boolean} quick whether the largest are left out */
export function rows(quick) {
  const sizes = [1, 8, 64, 512, ...(quick ? [] : [2048, 8192])];
  const counts = [100, 1000, 10_000, ...(quick ? [] : [100_000, 1_000_000])];
  const copied = counts.filter((count) => count <= 100_000);
  const concurrencies = quick ? [1, 10, 100, 1000] : [1, 3, 10, 30, 100, 300, 1000];
  const calls = quick ? 2000 : 5000;
  return [
    // Memory that a system has not yet given out may cost more than all the rest: bare Node shows what it does.
    ...sizes.map((size) =>
      row('size', 'put', size, { cases: [...BOTH, BARE], prepare: putting(size) }),
    ),
    ...sizes.map((size) =>
      row('size', 'get', size, {
        // With nothing in it: reading costs the same.
        files: (folder) => writeHole(join(folder, 'large.bin'), size * MEBIBYTE),
        prepare: getting(size),
      }),
    ),
    ...counts.map((count) =>
      row('count', 'list', count, {
        files: (folder) => writeMany(folder, count),
        prepare: listing(count),
      }),
    ),
    ...counts.map((count) =>
      row('count', 'deletePrefix', count, {
        cases: ['local disk'],
        usesUpFiles: true,
        files: (folder) => writeMany(folder, count),
        prepare: deleting(count),
      }),
    ),
    ...counts.map((count) =>
      row('count', 'deletePrefix', count, { cases: ['S3'], prepare: deleting(count) }),
    ),
    ...copied.map((count) =>
      row('count', 'sync with a journal, of 4 KiB each', count, {
        files: (folder) => writeMany(folder, count, SMALL),
        prepare: syncing(count),
      }),
    ),
    ...counts.map((count) =>
      row('count', 'sync of what is there already', count, {
        cases: ['S3'],
        prepare: syncingAgain(count),
      }),
    ),
    ...concurrencies.map((atOnce) =>
      row('concurrency', 'put of 4 KiB', atOnce, {
        prepare: calling(calls, atOnce, (storage, key) => storage.put(key, SMALL), 'folder'),
      }),
    ),
    ...concurrencies.map((atOnce) =>
      row('concurrency', 'getBytes of 4 KiB', atOnce, {
        files: (folder) => writeMany(folder, calls, SMALL),
        prepare: calling(calls, atOnce, (storage, key) => storage.getBytes(key), 'files'),
      }),
    ),
  ];
}

function row(curve, operation, at, { cases = BOTH, ...rest }) {
  // Of what takes many seconds, one round says enough.
  const isLong = curve === 'count' && at >= 100_000;
  const name = `${operation}, ${at} ${curves[curve].axis}, ${cases.join(' and ')}`;
  return { curve, operation, at, name, cases, ...(isLong && { rounds: 1 }), ...rest };
}

function putting(mebibytes) {
  return async (name, places) => {
    if (name === BARE) return { run: () => writeBare(join(places.folder, 'large.bin'), mebibytes) };
    const { storage, close } = await opened(name, places.folder);
    return {
      async run() {
        const { size } = await storage.put('large.bin', chunks(mebibytes));
        check(size === mebibytes * MEBIBYTE);
      },
      close,
    };
  };
}

function getting(mebibytes) {
  return async (name, { files }) => {
    const { storage, close } = await opened(name, files, { mebibytes });
    return {
      async run() {
        let size = 0;
        const { stream } = await storage.get(name === 'S3' ? 'large' : 'large.bin');
        for await (const chunk of stream) size += chunk.length;
        check(size === mebibytes * MEBIBYTE);
      },
      close,
    };
  };
}

function listing(count) {
  return async (name, { files }) => {
    const { storage, close } = await opened(name, files, { keys: count });
    return {
      async run() {
        let listed = 0;
        for await (const _file of storage.list()) listed++;
        check(listed === count);
      },
      close,
    };
  };
}

function deleting(count) {
  return async (name, { files }) => {
    const { storage, close } = await opened(name, files, { keys: count });
    return {
      async run() {
        const { deleted, failed } = await storage.deletePrefix('', { all: true });
        check(deleted === count && failed.length === 0);
      },
      close,
    };
  };
}

function syncing(count) {
  return async (name, { folder, files }) => {
    await mkdir(join(folder, 'target'));
    const from = await opened(name, files, { keys: count, prefix: 'files/' });
    const to = await opened(name, join(folder, 'target'), { keys: count, prefix: 'none/' });
    return running(from, to, { copy: count }, join(folder, 'journal'));
  };
}

function syncingAgain(count) {
  return async (name, { folder }) => {
    const from = await opened(name, folder, { keys: count, prefix: 'files/' });
    const to = await opened(name, folder, { keys: count, prefix: 'later/' });
    return running(from, to, { same: count }, join(folder, 'journal'));
  };
}

async function running(from, to, wanted, path) {
  // What the command line runs, without its process.
  const { sync } = await import('../../dist/command-line/sync.js');
  const { Journal } = await import('../../dist/command-line/journal.js');
  return {
    async run() {
      const journal = await Journal.open(path, 'bench');
      const counted = {};
      await sync(from.storage, to.storage, {
        prefix: '',
        signal: new AbortController().signal,
        concurrency: SYNC_AT_ONCE,
        dryRun: false,
        delete: false,
        checksum: false,
        journal,
        report: async ({ action }) => void (counted[action] = (counted[action] ?? 0) + 1),
      });
      journal.close(true);
      check(JSON.stringify(counted) === JSON.stringify(wanted));
    },
    close: () => Promise.all([from.close(), to.close()]),
  };
}

/** So many calls, so many of them at once, and how long each of them took. */
function calling(calls, atOnce, call, place) {
  return async (name, places) => {
    const { storage, close } = await opened(name, places[place]);
    await each(500, 32, (index) => storage.put(`warm/${index}`, SMALL));
    await each(500, 32, (index) => storage.getBytes(`warm/${index}`));
    return {
      async run() {
        const took = [];
        const started = performance.now();
        await each(calls, atOnce, async (index) => {
          const began = performance.now();
          await call(storage, keyOf(index));
          took.push(performance.now() - began);
        });
        const seconds = (performance.now() - started) / 1000;
        took.sort((a, b) => a - b);
        const percentile = (share) => took[Math.min(calls - 1, Math.floor(calls * share))];
        return {
          perSecond: calls / seconds,
          p50: percentile(0.5),
          p95: percentile(0.95),
          p99: percentile(0.99),
        };
      },
      close,
    };
  };
}

async function opened(name, root, { prefix, ...server } = {}) {
  const { openStorage } = await import('nestjs-storages');
  if (name !== 'S3') {
    const storage = await openStorage('bench', { driver: 'local', root, durability: 'rename' });
    return { storage, close: () => storage.close() };
  }
  return withSink(async (sink) => {
    const storage = await openStorage('bench', {
      ...storageOn(sink),
      ...(prefix !== undefined && { prefix }),
    });
    // The SDK is loaded before anything is measured.
    await storage.open();
    return { storage, close: () => storage.close() };
  }, server);
}

/** As a socket hands them on. */
function* chunks(mebibytes) {
  for (let left = mebibytes * 16; left > 0; left--) yield CHUNK;
}

/** In pieces like those of the local driver. */
async function writeBare(path, mebibytes) {
  const file = await open(path, 'w');
  const piece = Buffer.concat(Array.from({ length: 8 }, () => CHUNK));
  for (let left = mebibytes * 2; left > 0; left--) await file.write(piece);
  await file.close();
}

async function writeHole(path, size) {
  const file = await open(path, 'w');
  await file.truncate(size);
  await file.close();
}

function keyOf(index) {
  return `folder-${String(Math.floor(index / 1000)).padStart(4, '0')}/file-${String(index).padStart(7, '0')}.bin`;
}

async function writeMany(folder, count, bytes = '') {
  for (let start = 0; start < count; start += 1000) {
    await mkdir(join(folder, keyOf(start), '..'));
    const names = Array.from({ length: Math.min(1000, count - start) }, (_, index) =>
      keyOf(start + index),
    );
    await Promise.all(names.map((name) => writeFile(join(folder, name), bytes)));
  }
}

function check(holds) {
  if (!holds) throw new Error('The case did not do what is measured');
}
