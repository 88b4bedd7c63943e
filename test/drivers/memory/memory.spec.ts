import {
  StorageInvalidArgumentError,
  StorageQuotaExceededError,
  StorageUnsupportedError,
} from '../../../lib/core/errors.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import { createMemoryDriver } from '../../../lib/drivers/memory/memory.driver.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';

const KiB = 1024;

describe('the memory driver', () => {
  it('can do everything but sign, for which it needs keys', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory' });
    expect(storage.capabilities).toMatchObject({
      createOnly: true,
      compareAndSet: true,
      createOnlyCopy: true,
      conditionalGet: true,
      ranges: true,
      metadata: true,
      headers: true,
      delimiters: 'any',
      atomicMove: true,
      multipart: true,
      multipartListing: true,
      signedUrls: false,
      signedCacheControl: false,
      signedUploads: { PUT: false, POST: false },
    });
  });

  it('holds no more than maxSize, and keeps what was there', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory', maxSize: '4kb' });
    await storage.put('a', Buffer.alloc(3 * KiB));
    await expect(storage.put('b', Buffer.alloc(KiB + 1))).rejects.toThrow(
      StorageQuotaExceededError,
    );
    await expect(storage.put('b', [Buffer.alloc(KiB), 'x'])).rejects.toThrow(
      StorageQuotaExceededError,
    );
    await expect(storage.copy('a', 'b')).rejects.toThrow(StorageQuotaExceededError);
    expect((await storage.info('a')).size).toBe(3 * KiB);
    expect(await storage.exists('b')).toBe(false);
    await storage.put('b', Buffer.alloc(KiB));
  });

  it('keeps the old file when the new one does not fit', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory', maxSize: 10 });
    await storage.put('a', 'before');
    await expect(storage.put('a', 'eleven byte')).rejects.toThrow(StorageQuotaExceededError);
    await expect(storage.put('a', ['eleven ', 'byte'])).rejects.toThrow(StorageQuotaExceededError);
    expect(await storage.getBytes('a')).toEqual(Buffer.from('before'));
  });

  it('takes the room of a file for the one that replaces it, and for one that it is moved to', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory', maxSize: 10 });
    await storage.put('a', '1234567890');
    await storage.put('a', '0987654321');
    await storage.move('a', 'b');
    await storage.delete('b');
    await storage.put('c', 'abcdefghij');
    expect((await storage.getBytes('c')).toString()).toBe('abcdefghij');
  });

  it('counts the parts of uploads, until they are completed or aborted', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory', maxSize: 10 });
    const upload = await storage.startMultipartUpload('a');
    await storage.uploadPart(upload, 1, '12345678');
    await storage.uploadPart(upload, 1, '123456');
    await expect(storage.put('b', '12345')).rejects.toThrow(StorageQuotaExceededError);
    await expect(storage.uploadPart(upload, 2, '12345')).rejects.toThrow(StorageQuotaExceededError);
    await storage.completeMultipartUpload(upload);
    await storage.put('b', '1234');
    await storage.delete('a');
    const other = await storage.startMultipartUpload('c');
    await storage.uploadPart(other, 1, '123456');
    await storage.abortMultipartUpload(other);
    await storage.put('c', '123456');
  });

  it('keeps the part of an upload whose bytes the caller changes', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory' });
    const upload = await storage.startMultipartUpload('a');
    const bytes = Buffer.from('before');
    await storage.uploadPart(upload, 1, bytes);
    bytes.fill('x');
    await storage.completeMultipartUpload(upload);
    (await storage.getBytes('a')).fill('x');
    expect((await storage.getBytes('a')).toString()).toBe('before');
  });

  it('keeps the time and the checksum of a file whose description the caller changes', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory' });
    const checksum = { algorithm: 'crc32', value: 'mouDFg==' } as const;
    const put = await storage.put('a', 'hello', { checksum: { ...checksum, value: 'NhCmhg==' } });
    const { file } = await storage.get('a');
    const { files } = await storage.listPage();
    const copied = await storage.copy('a', 'b');
    for (const each of [put, file, files[0]!, copied, await storage.info('a')]) {
      each.lastModified!.setTime(0);
      expect(() => Object.assign(each.checksum!, checksum)).toThrow(TypeError);
    }
    for (const key of ['a', 'b']) {
      const { lastModified } = await storage.info(key);
      expect(lastModified!.getTime()).toBeGreaterThan(Date.now() - 60_000);
    }
  });

  it('keeps none of the chunks of a body, which may be single bytes', async () => {
    const driver = await createMemoryDriver(
      {},
      { storage: 'scratch', retry: parseRetryOptions(), concurrency: 1 },
    );
    const size = 1_000_000;
    const before = process.memoryUsage().heapUsed;
    let after = before;
    async function* bytes(): AsyncGenerator<Uint8Array, void> {
      for (let index = 0; index < size; index++) yield new Uint8Array(1);
      after = process.memoryUsage().heapUsed;
    }
    const { signal } = new AbortController();
    const attributes = { contentType: 'text/plain', metadata: {} };
    expect(await driver.put('a', bytes(), { signal, ...attributes })).toMatchObject({ size });
    expect(after - before).toBeLessThan(64 * KiB * KiB);
  });

  it('signs nothing without baseUrl and signingKeys', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory' });
    expect(storage.capabilities.signedUrls).toBe(false);
    await expect(storage.url('a')).rejects.toThrow(StorageUnsupportedError);
    await expect(storage.uploadUrl('a')).rejects.toThrow(StorageUnsupportedError);
  });

  it('gives two storages etags of their own', async () => {
    await using one = await openStorage('one', { driver: 'memory' });
    await using two = await openStorage('two', { driver: 'memory' });
    expect((await one.put('a', 'a')).etag).not.toBe((await two.put('a', 'a')).etag);
  });

  it('refuses a cursor that no page gave', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory' });
    await expect(storage.listPage({ cursor: 'YWZ0ZQ' })).rejects.toThrow(
      StorageInvalidArgumentError,
    );
  });

  it('lists no more of a file than other backends do', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory' });
    const { key, size, etag, lastModified } = await storage.put('a.png', 'a', {
      metadata: { a: 'b' },
    });
    const { files } = await storage.listPage();
    expect(files).toEqual([{ key, size, etag, lastModified, metadata: {} }]);
  });

  it('lists 20,000 files in pages, each once', async () => {
    await using storage = await openStorage('scratch', { driver: 'memory' });
    for (let index = 0; index < 20_000; index++) await storage.put(`f${index}`, '');
    const seen = new Set<string>();
    for await (const { key } of storage.list()) seen.add(key);
    expect(seen.size).toBe(20_000);
  });
});
