import {
  StorageAbortedError,
  StorageConnectionError,
  StoragePermissionError,
} from '../../../lib/core/errors.js';
import { ODD_KEYS, openS3, putOptions, signal } from './open-s3.js';

describe('deleteMany', () => {
  test.each(['aws', 'generic'] as const)(
    'deletes odd keys, and those that are not there (%s)',
    async (provider) => {
      await using s3 = await openS3({ provider });
      for (const key of ODD_KEYS) await s3.driver.put(key, Buffer.from('x'), putOptions());
      expect(await s3.driver.deleteMany([...ODD_KEYS, 'absent'], { signal })).toEqual({
        failed: [],
      });
      expect(s3.server.objects('bucket').size).toBe(0);
      expect(await s3.driver.deleteMany(['absent'], { signal })).toEqual({ failed: [] });
      expect(await s3.driver.deleteMany([], { signal })).toEqual({ failed: [] });
    },
  );

  test('deletes a full batch in one request', async () => {
    await using s3 = await openS3();
    const keys = Array.from(
      { length: s3.driver.capabilities.limits.deleteBatch },
      (_, n) => `k${n}`,
    );
    await s3.driver.deleteMany(keys, { signal });
    expect(s3.server.requests.map(({ operation }) => operation)).toEqual(['DeleteObjects']);
  });

  test('reports exactly the keys that failed', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 1 } });
    const keys = ['a', 'b&<>"', 'c', 'd'];
    for (const key of keys) await s3.driver.put(key, Buffer.from('x'), putOptions());
    s3.server.failKeys({ operation: 'DeleteObjects', keys: ['b&<>"'], code: 'AccessDenied' });
    s3.server.failKeys({ operation: 'DeleteObjects', keys: ['d'], code: 'InternalError' });
    const { failed } = await s3.driver.deleteMany(keys, { signal });
    expect(failed.map(({ key }) => key).sort()).toEqual(['b&<>"', 'd']);
    const errors = Object.fromEntries(failed.map(({ key, error }) => [key, error]));
    expect(errors['b&<>"']).toBeInstanceOf(StoragePermissionError);
    expect(errors['d']).toBeInstanceOf(StorageConnectionError);
    expect([...s3.server.objects('bucket').keys()].sort()).toEqual(['b&<>"', 'd']);
  });

  test('reports exactly the three of a thousand that failed', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 1 } });
    const keys = Array.from({ length: 1000 }, (_, n) => `folder/key ${n}`);
    await Promise.all(keys.map((key) => s3.driver.put(key, Buffer.from('x'), putOptions())));
    const planted = {
      'folder/key 0': 'AccessDenied',
      'folder/key 500': 'InternalError',
      'folder/key 999': 'SlowDown',
    };
    for (const [key, code] of Object.entries(planted)) {
      s3.server.failKeys({ operation: 'DeleteObjects', keys: [key], code });
    }
    const { failed } = await s3.driver.deleteMany(keys, { signal });
    expect(Object.fromEntries(failed.map(({ key, error }) => [key, error.code]))).toEqual({
      'folder/key 0': 'PERMISSION_DENIED',
      'folder/key 500': 'CONNECTION_FAILED',
      'folder/key 999': 'RATE_LIMITED',
    });
    expect(failed).toHaveLength(3);
    expect([...s3.server.objects('bucket').keys()].sort()).toEqual(Object.keys(planted).sort());
  });

  test('tries keys again that failed in passing', async () => {
    await using s3 = await openS3();
    for (const key of ['a', 'b']) await s3.driver.put(key, Buffer.from('x'), putOptions());
    const fault = s3.server.failKeys({ operation: 'DeleteObjects', keys: ['b'], code: 'SlowDown' });
    const deleting = s3.driver.deleteMany(['a', 'b'], { signal });
    await s3.server.until(
      ({ requests }) =>
        requests.at(-1)?.operation === 'DeleteObjects' && requests.at(-1)?.status === 200,
    );
    fault.clear();
    expect(await deleting).toEqual({ failed: [] });
    expect(s3.server.objects('bucket').size).toBe(0);
  });

  test('tries no key again later than the total timeout', async () => {
    const retry = { baseDelay: 600_000, jitter: false, totalTimeout: 60_000 };
    await using s3 = await openS3({ retry });
    s3.server.failKeys({ operation: 'DeleteObjects', keys: ['b'], code: 'SlowDown' });
    const { failed } = await s3.driver.deleteMany(['a', 'b'], { signal });
    expect(failed.map(({ key }) => key)).toEqual(['b']);
    expect(s3.server.requests).toHaveLength(1);
  });

  test('rejects when the call fails as a whole', async () => {
    await using s3 = await openS3();
    s3.server.fail({ operation: 'DeleteObjects', with: { status: 403, code: 'AccessDenied' } });
    await expect(s3.driver.deleteMany(['a', 'b'], { signal })).rejects.toThrow(
      StoragePermissionError,
    );
    await expect(s3.driver.deleteMany(['a', 'b'], { signal: AbortSignal.abort() })).rejects.toThrow(
      StorageAbortedError,
    );
  });

  test('reports the refusal of a single key, and rejects what is wrong with all of them', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    const deleting = (status: number, code: string) => {
      s3.server.fail({ operation: 'DeleteObject', with: { status, code } });
      return s3.driver.deleteMany(['a'], { signal });
    };
    for (const [status, code] of [
      [403, 'AccessDenied'],
      [400, 'KeyTooLongError'],
      [409, 'ObjectLocked'],
    ] as const) {
      const { failed } = await deleting(status, code);
      expect(failed.map(({ key }) => key)).toEqual(['a']);
    }
    for (const [status, name, code] of [
      [404, 'NoSuchBucket', 'CONFIGURATION'],
      [403, 'InvalidAccessKeyId', 'PERMISSION_DENIED'],
      [403, 'SignatureDoesNotMatch', 'PERMISSION_DENIED'],
      [403, 'RequestTimeTooSkewed', 'PERMISSION_DENIED'],
      [503, 'SlowDown', 'RATE_LIMITED'],
      [500, 'InternalError', 'CONNECTION_FAILED'],
    ] as const) {
      await expect(deleting(status, name)).rejects.toMatchObject({ code });
    }
    expect(await deleting(404, 'NoSuchKey')).toEqual({ failed: [] });
  });

  test('sends Content-MD5 and no x-amz-checksum header to services that are not AWS', async () => {
    await using s3 = await openS3({ provider: 'generic' });
    await s3.driver.deleteMany(['a', 'b'], { signal });
    const { headers } = s3.server.requests[0]!;
    expect(headers['content-md5']).toBeDefined();
    expect(Object.keys(headers).filter((name) => name.includes('checksum'))).toEqual([]);
  });
});
