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
const REFUSALS: readonly [
  name: string,
  without: Partial<Capabilities>,
  call: Call,
  what: string,
][] = [
  [
    'put',
    { createOnly: false },
    (storage) => storage.put(key, '', { ifNoneMatch: '*' }),
    "writes with ifNoneMatch: '*'",
  ],
  [
    'put',
    { compareAndSet: false },
    (storage) => storage.put(key, '', { ifMatch: '"1"' }),
    'writes with ifMatch',
  ],
  [
    'delete',
    { conditionalDelete: false },
    (storage) => storage.delete(key, { ifMatch: '"1"' }),
    'deletions with ifMatch',
  ],
  [
    'put',
    { metadata: false },
    (storage) => storage.put(key, '', { metadata: { a: 'b' } }),
    'metadata',
  ],
  [
    'put',
    { headers: false },
    (storage) => storage.put(key, '', { cacheControl: 'no-store' }),
    'cacheControl, contentDisposition, contentEncoding, contentLanguage',
  ],
  [
    'put',
    { headers: false },
    (storage) => storage.put(key, '', { contentLanguage: 'de' }),
    'cacheControl, contentDisposition, contentEncoding, contentLanguage',
  ],
  [
    'copy',
    { createOnlyCopy: false },
    (storage) => storage.copy(key, 'b', { ifNoneMatch: '*' }),
    "copies with ifNoneMatch: '*'",
  ],
  [
    'move',
    { createOnlyCopy: false },
    (storage) => storage.move(key, 'b', { ifNoneMatch: '*' }),
    "copies with ifNoneMatch: '*'",
  ],
  [
    'get',
    { conditionalGet: false },
    (storage) => storage.get(key, { ifNoneMatch: '"1"' }),
    'reads with conditions',
  ],
  ['get', { ranges: false }, (storage) => storage.get(key, { range: { start: 1 } }), 'ranges'],
  ['get', { checksums: [] }, (storage) => storage.get(key, { verify: true }), 'checksums'],
  [
    'listPage',
    { delimiters: 'none' },
    (storage) => storage.listPage({ delimiter: '/' }),
    'the delimiter "/"',
  ],
  [
    'listPage',
    { delimiters: 'slash' },
    (storage) => storage.listPage({ delimiter: '-' }),
    'the delimiter "-"',
  ],
  ['url', { signedUrls: false }, (storage) => storage.url(key), 'cannot sign URLs: '],
  [
    'uploadUrl',
    { signedUrls: true, signedUploads: { PUT: ['createOnly'], POST: false } },
    (storage) => storage.uploadUrl(key, { method: 'POST' }),
    'cannot sign POST uploads (uploadUrl',
  ],
  [
    'url',
    { signedUrls: true, signedCacheControl: false },
    (storage) => storage.url(key, { cacheControl: 'no-store' }),
    'signed URLs that are bound to a Cache-Control',
  ],
  [
    'uploadUrl',
    { signedUploads: { PUT: false, POST: false } },
    (storage) => storage.uploadUrl(key),
    'cannot sign PUT uploads: ',
  ],
  [
    'uploadUrl',
    { signedUploads: { PUT: ['contentType'], POST: false } },
    (storage) => storage.uploadUrl(key, { size: 1 }),
    'enforcing size on a signed PUT upload',
  ],
  [
    'startMultipartUpload',
    { multipart: false },
    (storage) => storage.startMultipartUpload(key),
    'multipart uploads',
  ],
  [
    'listMultipartUploads',
    { multipartListing: false },
    (storage) => storage.listMultipartUploads()[Symbol.asyncIterator]().next(),
    'listing the multipart uploads under way',
  ],
  [
    'uploadPartUrl',
    { signedParts: ['size'] },
    async (storage) => {
      const upload = { key, uploadId: '1', partSize: 1 };
      await storage.uploadPartUrl(upload, 1, { checksum });
    },
    'enforcing checksum on the signed URL of a part',
  ],
];

test.each(REFUSALS)(
  '%s refuses what takes more than %j before the driver is asked',
  async (...row) => {
    const [, without, call, what] = row;
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
    const refused = await call(storage).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StorageUnsupportedError);
    const told = what.startsWith('cannot') ? what : `as configured, does not support ${what} (`;
    expect((refused as Error).message).toContain(told);
    expect(asked).toEqual([]);
  },
);
