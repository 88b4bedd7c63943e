import { StorageConnectionError } from '../../lib/core/errors.js';
import { Storage } from '../../lib/core/storage.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import { recordingDriver } from '../nest/recording-driver.js';

const storages: Storage[] = [];
afterEach(async () => {
  for (const storage of storages.splice(0)) await storage.close();
});

type Replace = Parameters<typeof recordingDriver>[0];

async function open(replace: NonNullable<Replace>, maxRetries = 1) {
  const recorded = await recordingDriver((memory) => ({
    capabilities: { ...memory.capabilities, retries: false },
    ...replace(memory),
  }));
  const retry = { maxRetries, baseDelay: 0 };
  const storage = new Storage(recorded.driver, { retry });
  storages.push(storage);
  return { storage, ...recorded };
}

/** Lets the first call of each of the driver's methods fail, when it is begun or, of a listing, when a page is asked for. */
function failingOnce(
  capabilities: Partial<StorageDriver['capabilities']> = {},
): NonNullable<Replace> {
  const failed = new Set<string>();
  return (memory) => {
    const fail = (name: string): void => {
      if (failed.has(name)) return;
      failed.add(name);
      throw new StorageConnectionError('down');
    };
    return {
      capabilities: { ...memory.capabilities, ...SIGNING, ...capabilities, retries: false },
      async *list(options) {
        fail('list');
        yield* memory.list(options);
      },
      async *listMultipartUploads(options) {
        fail('listMultipartUploads');
        yield* memory.listMultipartUploads(options);
      },
      async copy(...call) {
        fail('copy');
        return memory.copy(...call);
      },
      async startMultipartUpload(...call) {
        fail('startMultipartUpload');
        return memory.startMultipartUpload(...call);
      },
      async completeMultipartUpload(...call) {
        fail('completeMultipartUpload');
        return memory.completeMultipartUpload(...call);
      },
      async url() {
        fail('url');
        return 'https://files.example/a';
      },
      async uploadUrl() {
        fail('uploadUrl');
        return UPLOAD_URL;
      },
      async uploadPartUrl() {
        fail('uploadPartUrl');
        return UPLOAD_URL;
      },
    };
  };
}

const SIGNING = {
  signedUrls: true,
  signedUploads: { PUT: [], POST: [] },
  signedParts: [],
} as const;
const UPLOAD_URL = {
  method: 'PUT',
  url: 'https://files.example/a',
  headers: {},
  expiresAt: new Date(0),
} as const;

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

const anUpload = { key: 'a', uploadId: 'u', partSize: 1 };

test.each<[string, keyof StorageDriver, (storage: Storage) => Promise<unknown>]>([
  ['list', 'list', (storage) => drain(storage.list())],
  ['deletePrefix', 'list', (storage) => storage.deletePrefix('a')],
  ['sweepStaged', 'list', (storage) => storage.sweepStaged()],
  ['sweep, of files', 'list', (storage) => storage.sweep()],
  [
    'listMultipartUploads',
    'listMultipartUploads',
    (storage) => drain(storage.listMultipartUploads()),
  ],
  ['copy', 'copy', (storage) => storage.copy('a', 'b')],
  ['move, by a copy', 'copy', (storage) => storage.move('a', 'b')],
  ['commit, by a copy', 'copy', async (storage) => (await storage.stage('x')).commit('b')],
  ['startMultipartUpload', 'startMultipartUpload', (storage) => storage.startMultipartUpload('a')],
  ['url', 'url', (storage) => storage.url('a')],
  ['uploadUrl', 'uploadUrl', (storage) => storage.uploadUrl('a')],
  ['uploadPartUrl', 'uploadPartUrl', (storage) => storage.uploadPartUrl(anUpload, 1)],
])('%s is tried again by the storage', async (_name, method, call) => {
  const { storage, count } = await open(failingOnce({ atomicMove: false }));
  await storage.put('a', 'a');
  await call(storage);
  expect(count(method)).toBeGreaterThanOrEqual(2);
});

test.each<[string, keyof StorageDriver, (storage: Storage) => Promise<unknown>]>([
  ['a copy that is to create', 'copy', (storage) => storage.copy('a', 'b', { ifNoneMatch: '*' })],
  ['a move in one step', 'copy', (storage) => storage.move('a', 'b')],
  ['a commit in one step', 'copy', async (storage) => (await storage.stage('x')).commit('b')],
  [
    'the completion of an upload',
    'completeMultipartUpload',
    async (storage) => {
      const upload = await storage.startMultipartUpload('c');
      return storage.completeMultipartUpload(upload, [await storage.uploadPart(upload, 1, 'x')]);
    },
  ],
])('%s is not, since the first may have taken place', async (_name, method, call) => {
  const { storage, count } = await open(failingOnce());
  await storage.put('a', 'a');
  await expect(call(storage)).rejects.toThrow('down');
  expect(count(method)).toBe(1);
});

/** A listing in pages of two, of which the one that begins with the key fails as often as told. */
function failingPage(key: string, failures: number, hasCursors = true) {
  let left = failures;
  return (memory: StorageDriver): Partial<StorageDriver> => ({
    async *list(options) {
      for await (const page of memory.list({ ...options, pageSize: 2 })) {
        if (page.files[0]?.key === key && left-- > 0) throw new StorageConnectionError('down');
        const { files, prefixes } = page;
        yield hasCursors ? page : { files, prefixes };
      }
    },
  });
}

const KEYS = ['a', 'b', 'c', 'd', 'e'];

async function keysOf(storage: Storage): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list()) keys.push(key);
  return keys;
}

test.each(['a', 'c', 'e'])('a listing whose page from %s on fails goes on there', async (key) => {
  const { storage, count } = await open(failingPage(key, 1));
  for (const each of KEYS) await storage.put(each, each);
  expect(await keysOf(storage)).toEqual(KEYS);
  expect(count('list')).toBe(2);
});

test('a listing that goes on to fail ends with the error', async () => {
  const { storage, count } = await open(failingPage('c', Infinity), 2);
  for (const key of KEYS) await storage.put(key, key);
  await expect(keysOf(storage)).rejects.toThrow('down');
  expect(count('list')).toBe(3);
});

test('a page to which no cursor leads is not asked for again, nor taken for the end', async () => {
  const { storage } = await open(failingPage('c', 1, false), 3);
  for (const key of KEYS) await storage.put(key, key);
  await expect(keysOf(storage)).rejects.toThrow('down');
});

test('a deletion of what is listed loses no file when a page fails', async () => {
  const { storage, keys } = await open(failingPage('c', 1));
  for (const key of KEYS) await storage.put(key, key);
  expect(await storage.deletePrefix('', { all: true })).toEqual({ deleted: 5, failed: [] });
  expect(await keys()).toEqual([]);
});

test('uploads under way are asked for again only before their first page', async () => {
  let pages = 0;
  const { storage } = await open((memory) => ({
    async *listMultipartUploads(options) {
      for await (const page of memory.listMultipartUploads(options)) {
        yield page;
        pages += 1;
        throw new StorageConnectionError('down');
      }
    },
  }));
  await storage.startMultipartUpload('a');
  await expect(drain(storage.listMultipartUploads())).rejects.toThrow('down');
  expect(pages).toBe(1);
});

test('a listing that is left is left at the driver, too', async () => {
  let isLeft = false;
  const { storage } = await open((memory) => ({
    async *list(options) {
      try {
        yield* memory.list(options);
      } finally {
        isLeft = true;
      }
    },
  }));
  for (const key of KEYS) await storage.put(key, key);
  for await (const _ of storage.list()) break;
  expect(isLeft).toBe(true);
});
