import { setImmediate } from 'node:timers/promises';
import {
  StorageAbortedError,
  StorageConnectionError,
  StorageError,
  StoragePermissionError,
  StorageTimeoutError,
  StorageTooLargeError,
} from '../../../lib/core/errors.js';
import type { S3OperationName, S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { chunks, openS3, PART, putOptions, randomBytes, signal } from './open-s3.js';

/**
 * What must hold at the very moment at which a write has failed: no upload is left, and no request comes any more. The
 * server may still have to notice connections that were cut, with what was in their buffers.
 */
async function expectNothingLeft(server: S3TestServer): Promise<void> {
  expect(server.multipartUploads('bucket')).toEqual([]);
  const count = server.requests.length;
  await server.until(({ inFlight }) => inFlight === 0);
  expect(server.multipartUploads('bucket')).toEqual([]);
  expect(server.requests).toHaveLength(count);
}

function started(server: S3TestServer, operation: S3OperationName, count = 1): Promise<void> {
  return server.until(
    ({ requests }) => requests.filter((request) => request.operation === operation).length >= count,
  );
}

describe('a put that is aborted', () => {
  test('during a single request leaves what was there', async () => {
    // So long is the answer awaited to what has gone out.
    await using s3 = await openS3({ timeout: 300 });
    await s3.driver.put('key', Buffer.from('old'), putOptions());
    s3.server.fail({ operation: 'PutObject', with: 'stall' });
    const abort = new AbortController();
    const put = s3.driver.put('key', Buffer.from('new'), putOptions({ signal: abort.signal }));
    await s3.server.until(({ requests }) => requests.length === 2);
    const reason = new Error('enough');
    abort.abort(reason);
    const error = await put.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageAbortedError);
    expect((error as Error).cause).toBe(reason);
    await expectNothingLeft(s3.server);
    expect(s3.server.objects('bucket').get('key')?.body.toString()).toBe('old');
  });

  test('while the upload is being started leaves no upload', async () => {
    await using s3 = await openS3({ server: { latency: 30 } });
    const abort = new AbortController();
    const put = s3.driver.put(
      'key',
      chunks(randomBytes(3 * PART)),
      putOptions({ partSize: PART, signal: abort.signal }),
    );
    await started(s3.server, 'CreateMultipartUpload');
    abort.abort();
    await expect(put).rejects.toThrow(StorageAbortedError);
    await expectNothingLeft(s3.server);
    expect(s3.server.requests.map(({ operation }) => operation)).not.toContain('UploadPart');
  });

  test('before the upload could be started does not start it in a later attempt', async () => {
    await using s3 = await openS3({ retry: { baseDelay: 60_000, jitter: false } });
    s3.server.fail({ operation: 'CreateMultipartUpload', with: { status: 503, code: 'SlowDown' } });
    const abort = new AbortController();
    const put = s3.driver.put(
      'key',
      chunks(randomBytes(3 * PART)),
      putOptions({ partSize: PART, signal: abort.signal }),
    );
    await s3.server.until(({ requests }) => requests.some(({ status }) => status === 503));
    abort.abort();
    await expect(put).rejects.toThrow(StorageAbortedError);
    expect(s3.server.requests).toHaveLength(1);
  });

  test.each([1, 3])(
    'with %i parts under way cuts them, waits for them and removes the upload',
    async (parts) => {
      await using s3 = await openS3();
      const abort = new AbortController();
      const put = s3.driver.put(
        'key',
        chunks(randomBytes(6 * PART)),
        putOptions({ partSize: PART, concurrency: parts, signal: abort.signal }),
      );
      await started(s3.server, 'UploadPart', parts);
      abort.abort();
      await expect(put).rejects.toThrow(StorageAbortedError);
      await expectNothingLeft(s3.server);
      expect(s3.server.requests.some(({ aborted }) => aborted)).toBe(true);
      expect(s3.server.objects('bucket').size).toBe(0);
      const count = s3.server.requests.length;
      await setImmediate();
      expect(s3.server.requests).toHaveLength(count);
    },
  );

  test('while it is being completed leaves no upload and what was there', async () => {
    await using s3 = await openS3({ timeout: 300 });
    await s3.driver.put('key', Buffer.from('old'), putOptions());
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: 'stall' });
    const abort = new AbortController();
    const put = s3.driver.put(
      'key',
      chunks(randomBytes(2 * PART)),
      putOptions({ partSize: PART, signal: abort.signal }),
    );
    await started(s3.server, 'CompleteMultipartUpload');
    abort.abort();
    await expect(put).rejects.toThrow(StorageAbortedError);
    await expectNothingLeft(s3.server);
    expect(s3.server.objects('bucket').get('key')?.body.toString()).toBe('old');
  });

  test('while its source is silent lets go of the source', async () => {
    await using s3 = await openS3();
    const abort = new AbortController();
    let left = false;
    async function* silent(): AsyncGenerator<Uint8Array, void> {
      try {
        yield* chunks(randomBytes(2 * PART));
        await new Promise((_, reject) =>
          abort.signal.addEventListener('abort', () => reject(new Error('cut'))),
        );
      } finally {
        left = true;
      }
    }
    const put = s3.driver.put(
      'key',
      silent(),
      putOptions({ partSize: PART, signal: abort.signal }),
    );
    await s3.server.until(({ requests }) =>
      requests.some((r) => r.operation === 'UploadPart' && r.status === 200),
    );
    abort.abort();
    await expect(put).rejects.toThrow(StorageAbortedError);
    await expectNothingLeft(s3.server);
    await setImmediate();
    expect(left).toBe(true);
  });

  test('leaves the handlers of the signal that it was given alone', async () => {
    await using s3 = await openS3();
    const abort = new AbortController();
    const handler = (): void => {};
    abort.signal.onabort = handler;
    await s3.driver.put(
      'key',
      chunks(randomBytes(PART + 1)),
      putOptions({ partSize: PART, signal: abort.signal }),
    );
    expect(abort.signal.onabort).toBe(handler);
  });

  test('before it begins sends nothing', async () => {
    await using s3 = await openS3();
    const put = s3.driver.put('key', Buffer.from('x'), putOptions({ signal: AbortSignal.abort() }));
    await expect(put).rejects.toThrow(StorageAbortedError);
    expect(s3.server.requests).toHaveLength(0);
  });
});

describe('a put that fails', () => {
  test.each([
    ['at once', 0],
    ['in the first part', 1000],
    ['in a later part', 2 * PART + 1000],
  ])(
    'because its body fails %s rejects with that very error and leaves the old bytes',
    async (_, size) => {
      await using s3 = await openS3();
      await s3.driver.put('key', Buffer.from('old'), putOptions());
      for (const failure of [
        new StorageTooLargeError(),
        Object.assign(new Error('mine'), { code: 'ECONNRESET' }),
      ]) {
        async function* body(): AsyncGenerator<Uint8Array, void> {
          yield* chunks(randomBytes(size));
          throw failure;
        }
        await expect(s3.driver.put('key', body(), putOptions({ partSize: PART }))).rejects.toBe(
          failure,
        );
        await expectNothingLeft(s3.server);
      }
      expect(s3.server.objects('bucket').get('key')?.body.toString()).toBe('old');
    },
  );

  test('because a part is refused stops the other parts and the body', async () => {
    await using s3 = await openS3();
    s3.server.fail({
      operation: 'UploadPart',
      after: 1,
      with: { status: 403, code: 'AccessDenied' },
    });
    let returned = false;
    async function* endless(): AsyncGenerator<Uint8Array, void> {
      try {
        for (;;) yield* chunks(randomBytes(PART));
      } finally {
        returned = true;
      }
    }
    const put = s3.driver.put('key', endless(), putOptions({ partSize: PART, concurrency: 2 }));
    await expect(put).rejects.toThrow(StoragePermissionError);
    await expectNothingLeft(s3.server);
    await setImmediate();
    expect(returned).toBe(true);
  });

  test('to be completed leaves no upload', async () => {
    await using s3 = await openS3();
    s3.server.fail({
      operation: 'CompleteMultipartUpload',
      times: Infinity,
      with: '200-with-error',
    });
    const put = s3.driver.put('key', chunks(randomBytes(2 * PART)), putOptions({ partSize: PART }));
    await expect(put).rejects.toThrow(StorageConnectionError);
    await expectNothingLeft(s3.server);
    expect(s3.server.objects('bucket').size).toBe(0);
  });

  test.each([
    ['with retries', 3, 5],
    ['without retries', 0, 3],
  ])('removes its upload although attempts to do so fail, %s', async (_, maxRetries, times) => {
    await using s3 = await openS3({ retry: { maxRetries } });
    s3.server.fail({
      operation: 'UploadPart',
      times: Infinity,
      with: { status: 403, code: 'AccessDenied' },
    });
    s3.server.fail({
      operation: 'AbortMultipartUpload',
      times,
      with: { status: 503, code: 'SlowDown' },
    });
    const put = s3.driver.put('key', chunks(randomBytes(2 * PART)), putOptions({ partSize: PART }));
    await expect(put).rejects.toThrow(StoragePermissionError);
    await expectNothingLeft(s3.server);
  });

  test('does not wait for a silent service any more often than it was told to', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 1 }, timeout: 300 });
    s3.server.fail({ operation: 'CompleteMultipartUpload', times: Infinity, with: 'stall' });
    const abort = s3.server.fail({
      operation: 'AbortMultipartUpload',
      times: Infinity,
      with: 'stall',
    });
    const put = s3.driver.put('key', chunks(randomBytes(2 * PART)), putOptions({ partSize: PART }));
    await expect(put).rejects.toThrow(StorageTimeoutError);
    expect(abort.hits).toBe(2);
  });

  test('tells why it failed even when its upload cannot be removed', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    s3.server.fail({
      operation: 'UploadPart',
      times: Infinity,
      with: { status: 403, code: 'AccessDenied' },
    });
    s3.server.fail({
      operation: 'AbortMultipartUpload',
      times: Infinity,
      with: { status: 403, code: 'AccessDenied' },
    });
    const put = s3.driver.put('key', chunks(randomBytes(2 * PART)), putOptions({ partSize: PART }));
    await expect(put).rejects.toThrow(StoragePermissionError);
  });
});

describe('a put whose answer is lost', () => {
  test('after the upload was completed succeeds', async () => {
    await using s3 = await openS3();
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: 'reset-after-commit' });
    const bytes = randomBytes(2 * PART);
    const file = await s3.driver.put(
      'key',
      chunks(bytes),
      putOptions({ partSize: PART, ifNoneMatch: '*' }),
    );
    expect(file).toEqual(await s3.driver.info('key', { signal }));
    await expectNothingLeft(s3.server);
  });

  test('after the upload was completed, with no retry left, succeeds', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: 'reset-after-commit' });
    const file = await s3.driver.put(
      'key',
      chunks(randomBytes(2 * PART)),
      putOptions({ partSize: PART }),
    );
    expect(file.size).toBe(2 * PART);
    await expectNothingLeft(s3.server);
  });

  test('before the upload was completed fails, and the upload is gone', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: 'reset' });
    const put = s3.driver.put('key', chunks(randomBytes(2 * PART)), putOptions({ partSize: PART }));
    await expect(put).rejects.toThrow(StorageConnectionError);
    await expectNothingLeft(s3.server);
    expect(s3.server.objects('bucket').size).toBe(0);
  });

  test('does not take another writer for itself', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    await s3.driver.put('key', Buffer.from('theirs'), putOptions());
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: 'reset' });
    const put = s3.driver.put('key', chunks(randomBytes(2 * PART)), putOptions({ partSize: PART }));
    await expect(put).rejects.toThrow(StorageConnectionError);
    expect(s3.server.objects('bucket').get('key')?.body.toString()).toBe('theirs');
  });

  test('of a single create-only request knows its own file from another', async () => {
    await using s3 = await openS3();
    s3.server.fail({ operation: 'PutObject', with: 'reset-after-commit' });
    const file = await s3.driver.put('key', Buffer.from('mine'), putOptions({ ifNoneMatch: '*' }));
    expect(file).toEqual(await s3.driver.info('key', { signal }));
    s3.server.fail({ operation: 'PutObject', with: 'reset' });
    const other = s3.driver.put('key', Buffer.from('other'), putOptions({ ifNoneMatch: '*' }));
    await expect(other).rejects.toMatchObject({ code: 'CONNECTION_FAILED', retryable: false });
  });

  test('of an explicit upload succeeds, too', async () => {
    await using s3 = await openS3();
    const uploadId = await s3.driver.startMultipartUpload('key', putOptions());
    const upload = { key: 'key', uploadId };
    const part = await s3.driver.uploadPart(upload, 1, randomBytes(10), { signal });
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: 'reset-after-commit' });
    const file = await s3.driver.completeMultipartUpload(upload, [part], { signal });
    expect(file).toEqual(await s3.driver.info('key', { signal }));
  });
});

test('every rejection is a StorageError, whatever breaks', async () => {
  const operations = ['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'] as const;
  const effects = [
    'reset',
    '200-with-error',
    'reset-mid-body',
    { status: 500, code: 'InternalError' },
  ] as const;
  for (const operation of operations) {
    for (const effect of effects) {
      // The id of the upload is lost with the answer, and nobody can remove what has no name.
      if (operation === 'CreateMultipartUpload' && effect === 'reset-mid-body') continue;
      await using s3 = await openS3({ retry: { maxRetries: 1 } });
      s3.server.fail({ operation, times: Infinity, with: effect });
      const put = s3.driver.put(
        'key',
        chunks(randomBytes(PART + 1)),
        putOptions({ partSize: PART }),
      );
      const outcome = await put.catch((error: unknown) => error);
      expect({ operation, effect, failed: outcome instanceof StorageError }).toMatchObject({
        failed: true,
      });
      await expectNothingLeft(s3.server);
      expect(s3.server.objects('bucket').size).toBe(0);
    }
  }
});
