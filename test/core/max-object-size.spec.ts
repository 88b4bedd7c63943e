import { StorageTooLargeError, StorageUnsupportedError } from '../../lib/core/errors.js';
import { parseRetryOptions } from '../../lib/core/retry.js';
import { Storage } from '../../lib/core/storage.js';
import type { DriverUploadUrlOptions, StorageDriver } from '../../lib/core/storage-driver.js';
import type { StorageOptions } from '../../lib/core/storage-options.js';
import { createMemoryDriver } from '../../lib/drivers/memory/memory.driver.js';

const SIGNING = {
  baseUrl: 'https://example.com/files',
  signingKeys: [{ id: 'one', secret: 's'.repeat(32) }],
};

/** A storage that notes what its upload URLs are bound to, and how often it lists parts. */
async function open(
  options: StorageOptions,
  enforced: readonly ('size' | 'maxSize')[] = ['size', 'maxSize'],
): Promise<{ storage: Storage; asked: DriverUploadUrlOptions[]; listings: () => number }> {
  const settings = { storage: 'uploads', retry: parseRetryOptions(), concurrency: 4 };
  const memory: StorageDriver = await createMemoryDriver(SIGNING, settings);
  const asked: DriverUploadUrlOptions[] = [];
  let listings = 0;
  const changes: Partial<StorageDriver> = {
    capabilities: { ...memory.capabilities, signedUploads: { PUT: enforced, POST: false } },
    uploadUrl(key, urlOptions) {
      asked.push(urlOptions);
      return memory.uploadUrl(key, urlOptions);
    },
    listParts(upload, listOptions) {
      listings++;
      return memory.listParts(upload, listOptions);
    },
  };
  const driver = new Proxy(memory, {
    get(target, name: keyof StorageDriver) {
      const value = changes[name] ?? target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { storage: new Storage(driver, options), asked, listings: () => listings };
}

describe('maxObjectSize', () => {
  it('refuses a multipart upload that is announced to be larger', async () => {
    const { storage } = await open({ maxObjectSize: 10 });
    await storage.startMultipartUpload('a', { size: 10 });
    const start = storage.startMultipartUpload('a', { size: 11 });
    await expect(start).rejects.toThrow(StorageTooLargeError);
  });

  it('refuses a part that is larger by itself', async () => {
    const { storage } = await open({ maxObjectSize: 10 });
    const upload = await storage.startMultipartUpload('a');
    await expect(storage.uploadPart(upload, 1, '12345678901')).rejects.toThrow(
      StorageTooLargeError,
    );
    expect(await storage.listParts(upload)).toEqual([]);
  });

  it('refuses the URL of a part that is larger by itself', async () => {
    const { storage } = await open({ maxObjectSize: 10 });
    const upload = await storage.startMultipartUpload('a');
    await storage.uploadPartUrl(upload, 1, { size: 10 });
    const url = storage.uploadPartUrl(upload, 1, { size: 11 });
    await expect(url).rejects.toThrow(StorageTooLargeError);
  });

  it('refuses to complete parts that are larger together, named or not', async () => {
    const { storage } = await open({ maxObjectSize: 10 });
    const upload = await storage.startMultipartUpload('a');
    const parts = [
      await storage.uploadPart(upload, 1, '123456'),
      await storage.uploadPart(upload, 2, '12345'),
    ];
    for (const named of [undefined, parts]) {
      const complete = storage.completeMultipartUpload(upload, named);
      await expect(complete).rejects.toThrow(StorageTooLargeError);
    }
    expect(await storage.exists('a')).toBe(false);
    await expect(storage.completeMultipartUpload(upload, [parts[0]!])).resolves.toMatchObject({
      size: 6,
    });
  });

  it('costs no listing of parts where it is not set', async () => {
    const { storage, listings } = await open({});
    const upload = await storage.startMultipartUpload('a');
    await storage.completeMultipartUpload(upload, [await storage.uploadPart(upload, 1, 'a')]);
    expect(listings()).toBe(0);
  });

  it('binds an upload URL, unless less is asked', async () => {
    const { storage, asked } = await open({ maxObjectSize: 10 });
    await storage.uploadUrl('a');
    await storage.uploadUrl('a', { maxSize: 11 });
    await storage.uploadUrl('a', { maxSize: 9 });
    await storage.uploadUrl('a', { size: 10 });
    expect(asked.map(({ size, maxSize }) => ({ size, maxSize }))).toEqual([
      { maxSize: 10 },
      { maxSize: 10 },
      { maxSize: 9 },
      { size: 10, maxSize: 10 },
    ]);
    await expect(storage.uploadUrl('a', { size: 11 })).rejects.toThrow(StorageTooLargeError);
  });

  it('refuses an upload URL that the backend could only bind to an exact size', async () => {
    const { storage, asked } = await open({ maxObjectSize: 10 }, ['size']);
    const url = storage.uploadUrl('a');
    await expect(url).rejects.toThrow(StorageUnsupportedError);
    await expect(url).rejects.toThrow('maxObjectSize');
    await storage.uploadUrl('a', { size: 10 });
    expect(asked).toMatchObject([{ size: 10 }]);
    await expect(storage.uploadUrl('a', { size: 11 })).rejects.toThrow(StorageTooLargeError);
  });

  it('asks nothing of upload URLs where it is not set', async () => {
    const { storage, asked } = await open({}, []);
    await storage.uploadUrl('a');
    expect(asked[0]).not.toHaveProperty('maxSize');
  });
});
