import { once } from 'node:events';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  StorageAbortedError,
  StorageConfigurationError,
  StorageConnectionError,
  StorageFileNotFoundError,
  StorageIntegrityError,
  StorageNotModifiedError,
  StoragePreconditionFailedError,
  StorageRangeNotSatisfiableError,
  StorageTimeoutError,
} from '../../../lib/core/errors.js';
import type { DriverGetOptions } from '../../../lib/core/storage-driver.js';
import { MIB, openDriver, openS3, putOptions, randomBytes, read, signal } from './open-s3.js';

const TEN_BYTES = Buffer.from('0123456789');

describe('get', () => {
  test.each([
    [{ start: 0 }, '0123456789', { start: 0, end: 9, size: 10 }],
    [{ start: 3 }, '3456789', { start: 3, end: 9, size: 10 }],
    [{ start: 3, end: 5 }, '345', { start: 3, end: 5, size: 10 }],
    [{ start: 8, end: 99 }, '89', { start: 8, end: 9, size: 10 }],
    [{ suffix: 4 }, '6789', { start: 6, end: 9, size: 10 }],
    [{ suffix: 99 }, '0123456789', { start: 0, end: 9, size: 10 }],
  ])('delivers the range %j', async (range, content, delivered) => {
    await using s3 = await openS3();
    await s3.driver.put('key', TEN_BYTES, putOptions());
    const download = await s3.driver.get('key', { range, signal });
    expect(download.range).toEqual(delivered);
    expect(download.file.size).toBe(10);
    expect((await read(download)).toString()).toBe(content);
  });

  test.each([
    [10, { start: 10 }],
    [10, { start: 99, end: 100 }],
    [10, { suffix: 0 }],
    [0, { start: 0 }],
    [0, { suffix: 5 }],
  ])('refuses, of %i bytes, the range %j, and tells the size', async (size, range) => {
    await using s3 = await openS3();
    await s3.driver.put('key', TEN_BYTES.subarray(0, size), putOptions());
    const error = await s3.driver.get('key', { range, signal }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageRangeNotSatisfiableError);
    expect((error as StorageRangeNotSatisfiableError).size).toBe(size);
  });

  test('judges conditions before there is a body', async () => {
    await using s3 = await openS3();
    const { etag, lastModified } = await s3.driver.put('key', TEN_BYTES, putOptions());
    const past = new Date(lastModified!.getTime() - 60_000);
    const get = (options: Omit<DriverGetOptions, 'signal'>) =>
      s3.driver.get('key', { ...options, signal });
    await expect(get({ ifNoneMatch: '*' })).rejects.toThrow(StorageNotModifiedError);
    await expect(get({ ifNoneMatch: etag! })).rejects.toThrow(StorageNotModifiedError);
    await expect(get({ ifMatch: '"other"' })).rejects.toThrow(StoragePreconditionFailedError);
    await expect(get({ ifModifiedSince: lastModified! })).rejects.toThrow(StorageNotModifiedError);
    await expect(get({ ifUnmodifiedSince: past })).rejects.toThrow(StoragePreconditionFailedError);
    for (const holds of [
      { ifMatch: '*' },
      { ifMatch: etag! },
      { ifNoneMatch: '"other"' },
      { ifModifiedSince: past },
      { ifUnmodifiedSince: lastModified! },
    ]) {
      expect(await read(await get(holds))).toEqual(TEN_BYTES);
    }
  });

  test('never sends the etag "*", which some services take for one, nor what it outdoes', async () => {
    await using s3 = await openS3();
    const { lastModified } = await s3.driver.put('key', TEN_BYTES, putOptions());
    const past = new Date(lastModified!.getTime() - 60_000);
    const future = new Date(lastModified!.getTime() + 60_000);
    s3.server.clearRequests();
    const any = await s3.driver.get('key', { ifMatch: '*', ifUnmodifiedSince: past, signal });
    expect(await read(any)).toEqual(TEN_BYTES);
    for (const range of [undefined, { suffix: 0 }]) {
      const none = s3.driver.get('key', {
        ifNoneMatch: '*',
        ifModifiedSince: future,
        signal,
        ...(range && { range }),
      });
      await expect(none).rejects.toThrow(StorageNotModifiedError);
    }
    const missing = s3.driver.get('missing', { ifNoneMatch: '*', signal });
    await expect(missing).rejects.toThrow(StorageFileNotFoundError);
    for (const { headers } of s3.server.requests) {
      expect(Object.keys(headers).filter((name) => name.startsWith('if-'))).toEqual([]);
    }
  });

  test('sends each other condition', async () => {
    await using s3 = await openS3();
    const { etag, lastModified } = await s3.driver.put('key', TEN_BYTES, putOptions());
    const past = new Date(lastModified!.getTime() - 60_000);
    s3.server.clearRequests();
    const download = await s3.driver.get('key', {
      ifMatch: etag!,
      ifUnmodifiedSince: lastModified!,
      ifNoneMatch: '"other"',
      ifModifiedSince: past,
      signal,
    });
    await read(download);
    expect(s3.server.requests[0]!.headers).toMatchObject({
      'if-match': etag,
      'if-unmodified-since': lastModified!.toUTCString(),
      'if-none-match': '"other"',
      'if-modified-since': past.toUTCString(),
    });
  });

  test('tells a missing file from a missing bucket', async () => {
    await using s3 = await openS3();
    await expect(s3.driver.get('none', { signal })).rejects.toThrow(StorageFileNotFoundError);
    await expect(s3.driver.info('none', { signal })).rejects.toThrow(StorageFileNotFoundError);
    const elsewhere = await openDriver(s3.server, { bucket: 'nowhere' });
    await expect(elsewhere.get('key', { signal })).rejects.toThrow(StorageConfigurationError);
    await expect(elsewhere.info('key', { signal })).rejects.toThrow(StorageConfigurationError);
    await expect(elsewhere.put('key', TEN_BYTES, putOptions())).rejects.toThrow(/"nowhere"/);
    await elsewhere.close();
  });

  test('tells what info tells', async () => {
    await using s3 = await openS3();
    const options = putOptions({ contentType: 'image/png', metadata: { name: 'Ωmega' } });
    await s3.driver.put('key', TEN_BYTES, options);
    const download = await s3.driver.get('key', { signal });
    expect(download.file).toEqual(await s3.driver.info('key', { signal }));
    expect(download.range).toBeUndefined();
    await read(download);
  });

  test('delivers an empty file', async () => {
    await using s3 = await openS3();
    await s3.driver.put('key', Buffer.alloc(0), putOptions());
    expect(await read(await s3.driver.get('key', { signal }))).toHaveLength(0);
  });

  test('gives the connections of a hundred abandoned downloads back', async () => {
    await using s3 = await openS3({ maxSockets: 4 });
    await s3.driver.put('key', randomBytes(10 * MIB), putOptions({ partSize: 16 * MIB }));
    for (let round = 0; round < 100; round++) {
      const { body } = await s3.driver.get('key', { signal });
      if (round % 2 === 0) await once(body as Readable, 'readable');
      (body as Readable).destroy();
    }
    expect(await read(await s3.driver.get('key', { range: { suffix: 3 }, signal }))).toHaveLength(
      3,
    );
    await s3.server.until(({ inFlight, connections }) => inFlight === 0 && connections <= 4);
  });

  test('ends the body with an error when it is aborted', async () => {
    await using s3 = await openS3();
    await s3.driver.put('key', randomBytes(10 * MIB), putOptions({ partSize: 16 * MIB }));
    const abort = new AbortController();
    const download = await s3.driver.get('key', { signal: abort.signal });
    await once(download.body as Readable, 'readable');
    abort.abort(new Error('enough'));
    await expect(read(download)).rejects.toThrow(StorageAbortedError);
    await s3.server.until(({ inFlight }) => inFlight === 0);
  });

  test.each(['aws', 'generic'] as const)(
    'never ends a truncated body as if it were whole (%s)',
    async (provider) => {
      await using s3 = await openS3({ provider });
      await s3.driver.put('key', randomBytes(MIB), putOptions());
      for (const effect of [
        { truncateBodyAt: 0 },
        { truncateBodyAt: 1000 },
        'reset-mid-body',
      ] as const) {
        s3.server.fail({ operation: 'GetObject', with: effect });
        const download = await s3.driver.get('key', { signal });
        await expect(read(download)).rejects.toThrow(StorageConnectionError);
      }
    },
  );

  test('lets a body be read again that breaks for a reason nobody knows, and tells the reason', async () => {
    await using s3 = await openS3();
    await s3.driver.put('key', randomBytes(MIB), putOptions());
    const { body } = await s3.driver.get('key', { signal });
    const reason = new Error('odd');
    const failed = once(body as Readable, 'error');
    (body as Readable).destroy(reason);
    const [error] = (await failed) as [StorageConnectionError];
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(error).toMatchObject({ retryable: true, cause: reason });
  });

  test('finds out when bytes were changed on the way', async () => {
    await using s3 = await openS3();
    await s3.driver.put('key', randomBytes(MIB), putOptions());
    s3.server.fail({ operation: 'GetObject', with: { corruptBodyAt: 5000 } });
    await expect(read(await s3.driver.get('key', { signal }))).rejects.toThrow(
      StorageIntegrityError,
    );
  });

  test('gives up a server that falls silent, before and within the body', async () => {
    await using s3 = await openS3({ timeout: 1000, retry: { maxRetries: 0 } });
    await s3.driver.put('key', randomBytes(4 * MIB), putOptions());
    s3.server.fail({ operation: 'GetObject', with: 'stall' });
    await expect(s3.driver.get('key', { signal })).rejects.toThrow(StorageTimeoutError);
    s3.server.fail({ operation: 'GetObject', with: 'stall-mid-body' });
    const download = await s3.driver.get('key', { signal });
    await expect(read(download)).rejects.toThrow(StorageTimeoutError);
  });

  test.each(['aws', 'generic'] as const)(
    'waits for a reader that pauses (%s)',
    async (provider) => {
      await using s3 = await openS3({ provider, timeout: 800 });
      const bytes = randomBytes(20 * MIB);
      await s3.driver.put('key', bytes, putOptions({ partSize: 32 * MIB }));
      const { body } = await s3.driver.get('key', { signal });
      await once(body as Readable, 'readable');
      await sleep(2000);
      expect(
        (await read({ file: await s3.driver.info('key', { signal }), body })).equals(bytes),
      ).toBe(true);
    },
  );

  test('tries again until there is an answer', async () => {
    await using s3 = await openS3();
    await s3.driver.put('key', TEN_BYTES, putOptions());
    s3.server.fail({ operation: 'GetObject', times: 2, with: { status: 503, code: 'SlowDown' } });
    s3.server.fail({ operation: 'GetObject', times: 1, with: 'reset' });
    expect(await read(await s3.driver.get('key', { signal }))).toEqual(TEN_BYTES);
  });
});
