import type { Capabilities } from '../../lib/core/capabilities.js';
import { StorageUnsupportedError } from '../../lib/core/errors.js';
import { parseRetryOptions } from '../../lib/core/retry.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import { Storage } from '../../lib/core/storage.js';
import { createMemoryDriver } from '../../lib/drivers/memory/memory.driver.js';

type Call = (storage: Storage) => Promise<unknown>;

const key = 'a';
const checksum = { algorithm: 'md5', value: 'XUFAKrxLKna5cZ2REBfFkg==' } as const;

/** What a backend without the capability is not asked for. */
const REFUSALS: readonly [name: string, without: Partial<Capabilities>, call: Call][] = [
  ['put', { createOnly: false }, (storage) => storage.put(key, '', { ifNoneMatch: '*' })],
  ['put', { compareAndSet: false }, (storage) => storage.put(key, '', { ifMatch: '"1"' })],
  ['delete', { conditionalDelete: false }, (storage) => storage.delete(key, { ifMatch: '"1"' })],
  ['put', { metadata: false }, (storage) => storage.put(key, '', { metadata: { a: 'b' } })],
  ['put', { headers: false }, (storage) => storage.put(key, '', { cacheControl: 'no-store' })],
  ['put', { headers: false }, (storage) => storage.put(key, '', { contentLanguage: 'de' })],
  ['copy', { createOnlyCopy: false }, (storage) => storage.copy(key, 'b', { ifNoneMatch: '*' })],
  ['move', { createOnlyCopy: false }, (storage) => storage.move(key, 'b', { ifNoneMatch: '*' })],
  ['get', { conditionalGet: false }, (storage) => storage.get(key, { ifNoneMatch: '"1"' })],
  ['get', { ranges: false }, (storage) => storage.get(key, { range: { start: 1 } })],
  ['get', { checksums: [] }, (storage) => storage.get(key, { verify: true })],
  ['listPage', { delimiters: 'none' }, (storage) => storage.listPage({ delimiter: '/' })],
  ['listPage', { delimiters: 'slash' }, (storage) => storage.listPage({ delimiter: '-' })],
  ['url', { signedUrls: false }, (storage) => storage.url(key)],
  [
    'url',
    { signedUrls: true, signedCacheControl: false },
    (storage) => storage.url(key, { cacheControl: 'no-store' }),
  ],
  [
    'uploadUrl',
    { signedUploads: { PUT: false, POST: false } },
    (storage) => storage.uploadUrl(key),
  ],
  [
    'uploadUrl',
    { signedUploads: { PUT: ['contentType'], POST: false } },
    (storage) => storage.uploadUrl(key, { size: 1 }),
  ],
  ['startMultipartUpload', { multipart: false }, (storage) => storage.startMultipartUpload(key)],
  [
    'listMultipartUploads',
    { multipartListing: false },
    (storage) => storage.listMultipartUploads()[Symbol.asyncIterator]().next(),
  ],
  [
    'uploadPartUrl',
    { signedParts: ['size'] },
    async (storage) => {
      const upload = { key, uploadId: '1', partSize: 1 };
      await storage.uploadPartUrl(upload, 1, { checksum });
    },
  ],
];

test.each(REFUSALS)(
  '%s refuses what takes more than %j before the driver is asked',
  async (...row) => {
    const [, without, call] = row;
    const asked: string[] = [];
    const driver: StorageDriver = await createMemoryDriver(
      {},
      { storage: 'files', retry: parseRetryOptions(), concurrency: 4 },
    );
    const lacking = new Proxy(driver, {
      get(target, name: keyof StorageDriver) {
        if (name === 'capabilities') return { ...target.capabilities, ...without };
        const value = target[name];
        if (typeof value !== 'function') return value;
        return (...args: never[]) => {
          asked.push(name);
          return (value as (...given: never[]) => unknown).apply(target, args);
        };
      },
    });
    const storage = new Storage(lacking, { name: 'files' });
    await expect(call(storage)).rejects.toThrow(StorageUnsupportedError);
    expect(asked).toEqual([]);
  },
);
