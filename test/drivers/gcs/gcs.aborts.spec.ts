import { setImmediate } from 'node:timers/promises';
import { StorageAbortedError, StorageTimeoutError } from '../../../lib/core/errors.js';
import {
  CHUNK,
  chunks,
  expectNothingLeft,
  openGcs,
  putOptions,
  randomBytes,
  rejection,
  signal,
  started,
} from './open-gcs.js';

const CHUNKED = { partSize: CHUNK };

describe('a put that is aborted', () => {
  test('during an insert leaves what was there', async () => {
    // So long is the answer awaited to what has gone out.
    await using gcs = await openGcs({ timeout: 300 });
    await gcs.driver.put('key', Buffer.from('old'), putOptions());
    gcs.server.fail({ operation: 'objects.insert', with: 'stall' });
    const abort = new AbortController();
    const put = gcs.driver.put('key', Buffer.from('new'), putOptions({ signal: abort.signal }));
    await started(gcs.server, 'objects.insert', 2);
    const reason = new Error('enough');
    abort.abort(reason);
    const error = await rejection(put);
    expect(error).toBeInstanceOf(StorageAbortedError);
    expect((error as Error).cause).toBe(reason);
    await expectNothingLeft(gcs.server);
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('old');
  });

  test('before it begins sends nothing', async () => {
    await using gcs = await openGcs();
    const put = gcs.driver.put(
      'key',
      Buffer.from('x'),
      putOptions({ signal: AbortSignal.abort() }),
    );
    await expect(put).rejects.toThrow(StorageAbortedError);
    expect(gcs.server.requests).toHaveLength(0);
  });

  test('while it waits for a token does not wait for it', async () => {
    await using gcs = await openGcs();
    gcs.server.fail({ operation: 'auth.token', with: 'stall' });
    const abort = new AbortController();
    const put = gcs.driver.put('key', Buffer.from('x'), putOptions({ signal: abort.signal }));
    await started(gcs.server, 'auth.token');
    abort.abort();
    await expect(put).rejects.toThrow(StorageAbortedError);
    expect(gcs.operations()).toEqual([]);
  });

  test('between two attempts does not make the second', async () => {
    await using gcs = await openGcs({ retry: { baseDelay: 60_000, jitter: false } });
    gcs.server.fail({ operation: 'objects.insert', with: { status: 503, reason: 'backendError' } });
    const abort = new AbortController();
    const put = gcs.driver.put('key', Buffer.from('x'), putOptions({ signal: abort.signal }));
    await gcs.server.until(({ requests }) => requests.some(({ status }) => status === 503));
    abort.abort();
    await expect(put).rejects.toThrow(StorageAbortedError);
    expect(gcs.operations().filter((operation) => operation === 'objects.insert')).toHaveLength(1);
  });

  test.each(['bytes', 'a stream'])(
    'while the session of %s is opened leaves none',
    async (kind) => {
      await using gcs = await openGcs({
        server: { latency: ({ operation }) => (operation === 'resumable.start' ? 50 : 0) },
      });
      const abort = new AbortController();
      const bytes = randomBytes(3 * CHUNK);
      const put = gcs.driver.put(
        'key',
        kind === 'bytes' ? bytes : chunks(bytes),
        putOptions({ ...CHUNKED, signal: abort.signal }),
      );
      await started(gcs.server, 'resumable.start');
      abort.abort();
      await expect(put).rejects.toThrow(StorageAbortedError);
      await expectNothingLeft(gcs.server);
      expect(gcs.operations()).not.toContain('resumable.upload');
    },
  );

  test.each([1, 2, 3])('during chunk %i cuts it and cancels the session', async (count) => {
    // So long is the answer awaited to the last chunk.
    await using gcs = await openGcs({ timeout: 300 });
    await gcs.driver.put('key', Buffer.from('old'), putOptions());
    gcs.server.fail({ operation: 'resumable.upload', after: count - 1, with: 'stall' });
    const abort = new AbortController();
    const put = gcs.driver.put(
      'key',
      chunks(randomBytes(3 * CHUNK)),
      putOptions({ ...CHUNKED, signal: abort.signal }),
    );
    await started(gcs.server, 'resumable.upload', count);
    abort.abort();
    await expect(put).rejects.toThrow(StorageAbortedError);
    await expectNothingLeft(gcs.server);
    expect(gcs.operations()).toContain('resumable.cancel');
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('old');
    const sent = gcs.server.requests.length;
    await setImmediate();
    expect(gcs.server.requests).toHaveLength(sent);
  });

  test('while its source is silent lets go of the source', async () => {
    await using gcs = await openGcs();
    const abort = new AbortController();
    let left = false;
    async function* silent(): AsyncGenerator<Uint8Array, void> {
      try {
        yield* chunks(randomBytes(2 * CHUNK + 1));
        await new Promise((_, reject) =>
          abort.signal.addEventListener('abort', () => reject(new Error('cut'))),
        );
      } finally {
        left = true;
      }
    }
    const put = gcs.driver.put('key', silent(), putOptions({ ...CHUNKED, signal: abort.signal }));
    await gcs.server.until(({ requests }) =>
      requests.some(({ operation, status }) => operation === 'resumable.upload' && status === 308),
    );
    abort.abort();
    await expect(put).rejects.toThrow(StorageAbortedError);
    await expectNothingLeft(gcs.server);
    await setImmediate();
    expect(left).toBe(true);
  });

  test('after the service had it all succeeds, because it took place', async () => {
    await using gcs = await openGcs({ retry: { baseDelay: 60_000, jitter: false } });
    const abort = new AbortController();
    gcs.server.fail({ operation: 'resumable.upload', after: 1, with: 'reset-after-commit' });
    const put = gcs.driver.put(
      'key',
      chunks(randomBytes(2 * CHUNK)),
      putOptions({ ...CHUNKED, signal: abort.signal }),
    );
    await gcs.server.until(() => gcs.server.object('bucket', 'key') !== undefined);
    await gcs.server.until(({ inFlight }) => inFlight === 0);
    abort.abort();
    expect(await put).toEqual(await gcs.driver.info('key', { signal }));
  });
});

test('a server that falls silent is given up, and no session is left', async () => {
  await using gcs = await openGcs({ timeout: 1000, retry: { maxRetries: 0 } });
  gcs.server.fail({ operation: 'objects.insert', with: 'stall' });
  const small = gcs.driver.put('key', Buffer.from('x'), putOptions());
  await expect(small).rejects.toThrow(StorageTimeoutError);
  gcs.server.fail({ operation: 'resumable.upload', after: 1, with: 'stall' });
  const large = gcs.driver.put('key', chunks(randomBytes(3 * CHUNK)), putOptions(CHUNKED));
  await expect(large).rejects.toThrow(StorageTimeoutError);
  await expectNothingLeft(gcs.server);
  expect(gcs.server.objects('bucket').size).toBe(0);
});

test('calls leave no listener on the signal that they share', async () => {
  await using gcs = await openGcs();
  const added: unknown[] = [];
  const { signal: shared } = new AbortController();
  const add = shared.addEventListener.bind(shared);
  const remove = shared.removeEventListener.bind(shared);
  shared.addEventListener = (...args: Parameters<typeof add>) => {
    added.push(args[1]);
    add(...args);
  };
  shared.removeEventListener = (...args: Parameters<typeof remove>) => {
    if (added.includes(args[1])) added.splice(added.indexOf(args[1]), 1);
    remove(...args);
  };
  const bytes = randomBytes(2 * CHUNK);
  await gcs.driver.put('key', chunks(bytes), putOptions({ ...CHUNKED, signal: shared }));
  await gcs.driver.info('key', { signal: shared });
  await gcs.driver.copy('key', 'copy', { signal: shared });
  await gcs.driver.deleteMany(['key', 'copy'], { signal: shared });
  await gcs.server.until(({ inFlight }) => inFlight === 0);
  await setImmediate();
  expect(added).toEqual([]);
});
