import { Storage } from '../../lib/core/storage.js';
import type { DriverListOptions, StorageDriver, UploadUrl } from '../../lib/core/storage-driver.js';
import { createStorage } from '../../lib/drivers/open-storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

const CHECKSUM = { algorithm: 'md5', value: 'kAFQmDzST7DWlj99KOF/cg==' } as const;
const SIGNED: UploadUrl = {
  method: 'PUT',
  url: 'https://files.example/a',
  headers: {},
  expiresAt: new Date(),
};
const HOUR = 3600;

type Given = Record<string, unknown>;

/** A storage that can sign, and what its driver was given last, without the signal. */
async function open() {
  let last: Given = {};
  const note = (options: Given): void => {
    const { signal: _, ...others } = options;
    last = others;
  };
  const { driver } = await recordingDriver((memory) => ({
    capabilities: {
      ...memory.capabilities,
      signedUrls: true,
      signedCacheControl: true,
      signedUploads: {
        PUT: ['contentType', 'size', 'maxSize', 'checksum', 'createOnly'],
        POST: false,
      },
      signedParts: ['size', 'checksum'],
    } satisfies StorageDriver['capabilities'],
    async url(_key, options) {
      note({ ...options });
      return 'https://files.example/a';
    },
    async uploadUrl(_key, options) {
      note({ ...options });
      return SIGNED;
    },
    async uploadPartUrl(_upload, _partNumber, options) {
      note({ ...options });
      return SIGNED;
    },
    async *list(options: DriverListOptions) {
      note({ ...options });
      yield* memory.list(options);
    },
  }));
  return {
    storage: new Storage(driver),
    given: async (call: Promise<unknown>): Promise<Given> => {
      await call;
      return last;
    },
  };
}

describe('a driver is given what was asked for, and nothing of the rest', () => {
  test('of a URL', async () => {
    const { storage, given } = await open();
    expect(await given(storage.url('a'))).toStrictEqual({ expiresIn: HOUR });
    const asked = { expiresIn: 60, contentType: 'text/css', cacheControl: 'no-store' };
    expect(await given(storage.url('a', { ...asked, disposition: 'inline' }))).toStrictEqual({
      ...asked,
      contentDisposition: 'inline',
    });
    await expect(storage.url('a', { cacheControl: '' })).rejects.toThrow(
      'cacheControl must not be empty',
    );
    await storage.close();
  });

  test('of a signed upload', async () => {
    const { storage, given } = await open();
    expect(await given(storage.uploadUrl('a'))).toStrictEqual({ method: 'PUT', expiresIn: HOUR });
    const asked = {
      expiresIn: 60,
      contentType: 'text/css',
      maxSize: 5,
      checksum: CHECKSUM,
      ifNoneMatch: '*',
    } as const;
    expect(await given(storage.uploadUrl('a', asked))).toStrictEqual({ method: 'PUT', ...asked });
    expect(await given(storage.uploadUrl('a', { size: 3 }))).toStrictEqual({
      method: 'PUT',
      expiresIn: HOUR,
      size: 3,
    });
    await storage.close();
  });

  test('of the URL of a part', async () => {
    const { storage, given } = await open();
    const upload = await storage.startMultipartUpload('a');
    expect(await given(storage.uploadPartUrl(upload, 1))).toStrictEqual({ expiresIn: HOUR });
    const asked = { expiresIn: 60, size: 3, checksum: CHECKSUM };
    expect(await given(storage.uploadPartUrl(upload, 1, asked))).toStrictEqual(asked);
    await storage.close();
  });

  test('of a listing', async () => {
    const { storage, given } = await open();
    expect(await given(storage.listPage())).toStrictEqual({ prefix: '', pageSize: 1000 });
    const asked = { prefix: 'a/', delimiter: '/', startAfter: 'a/b' };
    expect(await given(storage.listPage({ ...asked, limit: 5 }))).toStrictEqual({
      ...asked,
      pageSize: 5,
    });
    await storage.close();
  });
});

test('many keys are not taken from a string, nor from what has none', async () => {
  const { storage } = await open();
  for (const keys of ['abc', null, 5, {}]) {
    await expect(storage.deleteMany(keys as string[])).rejects.toThrow(
      'deleteMany() takes an array, or iterable, of keys',
    );
  }
  await storage.close();
});

test('what only the driver knows is not there before it is open, and the error says how to open it', async () => {
  await using storage = createStorage('files', { driver: 'memory' });
  expect(() => storage.capabilities).toThrow(
    'The storage is not open yet: await storage.open(), or any other of its methods, first',
  );
});
