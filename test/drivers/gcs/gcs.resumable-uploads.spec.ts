import {
  StorageConnectionError,
  StorageFileExistsError,
  StorageIntegrityError,
  StoragePermissionError,
  StoragePreconditionFailedError,
  StorageTooLargeError,
} from '../../../lib/core/errors.js';
import { parseRetryOptions, type RetryOptions } from '../../../lib/core/retry.js';
import { openBucket } from '../../../lib/drivers/gcs/gcs.client.js';
import { OBJECT_FIELDS } from '../../../lib/drivers/gcs/gcs.metadata.js';
import { bytesInChunks, ResumableUpload } from '../../../lib/drivers/gcs/gcs.resumable-uploads.js';
import type { GcsFaultEffect, GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import {
  CHUNK,
  chunks,
  clientOf,
  expectNothingLeft,
  MIB,
  openDriver,
  openGcs,
  type OpenGcs,
  openProxied,
  putOptions,
  randomBytes,
  rejection,
  signal,
  started,
} from './open-gcs.js';

const CHUNKED = { partSize: CHUNK };

/** What the chunks and queries said of themselves, and how they were answered. */
function ranges(server: GcsTestServer): string[] {
  return server.requests
    .filter(({ operation }) => operation === 'resumable.upload' || operation === 'resumable.query')
    .map(({ headers, status }) => `${headers['content-range']} ${status ?? 'lost'}`);
}

describe('a body that is larger than a chunk', () => {
  test.each([
    ['one byte more', 8 * MIB + 1, 8 * MIB],
    ['a whole number of chunks', 16 * MIB, 8 * MIB],
    ['some', 20 * MIB + 7, 8 * MIB],
  ])('of a stream goes up in chunks of 8 MiB: %s', async (_, size, chunkSize) => {
    await using gcs = await openGcs();
    const bytes = randomBytes(size);
    const file = await gcs.driver.put('key', chunks(bytes, 100_000), putOptions());
    expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
    expect(file).toEqual(await gcs.driver.info('key', { signal }));
    const expected: string[] = [];
    for (let start = 0; start < size; start += chunkSize) {
      const end = Math.min(start + chunkSize, size);
      const isLast = end === size;
      expected.push(`bytes ${start}-${end - 1}/${isLast ? size : '*'} ${isLast ? 200 : 308}`);
    }
    expect(ranges(gcs.server)).toEqual(expected);
    await expectNothingLeft(gcs.server);
  });

  test('of bytes in memory goes up without being copied, in chunks of 64 MiB', async () => {
    await using gcs = await openGcs();
    const bytes = randomBytes(65 * MIB);
    await gcs.driver.put('key', bytes, putOptions());
    expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
    expect(ranges(gcs.server)).toHaveLength(2);
  });

  test.each([
    [1, CHUNK],
    [CHUNK + 1, 2 * CHUNK],
  ])('takes a partSize of %i as the next multiple of 256 KiB', async (partSize, chunkSize) => {
    await using gcs = await openGcs();
    const bytes = randomBytes(3 * CHUNK);
    for (const body of [bytes, chunks(bytes)]) {
      gcs.server.clearRequests();
      await gcs.driver.put('key', body, putOptions({ partSize }));
      expect(ranges(gcs.server)[0]).toBe(`bytes 0-${chunkSize - 1}/* 308`);
      expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
    }
  });

  test('may come in chunks of any size', async () => {
    await using gcs = await openGcs();
    const bytes = randomBytes(5 * CHUNK + 17);
    for (const size of [1000, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, bytes.byteLength]) {
      await gcs.driver.put('key', chunks(bytes, size), putOptions(CHUNKED));
      expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
    }
  });

  test('tells type, length, condition and, at its end, the checksum', async () => {
    await using gcs = await openGcs();
    const bytes = randomBytes(CHUNK + 5);
    await gcs.driver.put(
      'key',
      chunks(bytes),
      putOptions({ ...CHUNKED, contentType: 'image/png', size: CHUNK + 5, ifNoneMatch: '*' }),
    );
    const [start, first, last] = gcs.server.requests.filter(({ operation }) =>
      operation?.startsWith('resumable.'),
    );
    expect(start!.query).toMatchObject({ ifGenerationMatch: '0', name: 'key' });
    expect(start!.headers).toMatchObject({
      'x-upload-content-type': 'image/png',
      'x-upload-content-length': String(CHUNK + 5),
    });
    expect(first!.headers['x-goog-hash']).toBeUndefined();
    expect(start!.query['fields']).toBe(OBJECT_FIELDS);
    expect(last!.headers['x-goog-hash']).toBe(
      `crc32c=${gcs.server.object('bucket', 'key')!.crc32c}`,
    );
  });

  test('replaces what another writer stored meanwhile, when it is unconditional', async () => {
    await using gcs = await openGcs();
    const bytes = randomBytes(2 * CHUNK);
    async function* body(): AsyncGenerator<Uint8Array, void> {
      yield* chunks(bytes);
      await gcs.server.putObject('bucket', 'key', 'theirs');
    }
    await gcs.driver.put('key', body(), putOptions(CHUNKED));
    expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
  });

  test('is refused at its end when its condition does not hold any more', async () => {
    await using gcs = await openGcs();
    const { etag } = await gcs.driver.put('old', Buffer.from('old'), putOptions());
    const put = (key: string, options: Parameters<typeof putOptions>[0]) => {
      async function* body(): AsyncGenerator<Uint8Array, void> {
        yield* chunks(randomBytes(2 * CHUNK));
        await gcs.server.putObject('bucket', key, 'theirs');
      }
      return gcs.driver.put(key, body(), putOptions({ ...CHUNKED, ...options }));
    };
    await expect(put('new', { ifNoneMatch: '*' })).rejects.toThrow(StorageFileExistsError);
    await expect(put('old', { ifMatch: etag! })).rejects.toThrow(StoragePreconditionFailedError);
    await expectNothingLeft(gcs.server);
    for (const key of ['new', 'old']) {
      expect(gcs.server.object('bucket', key)!.body.toString()).toBe('theirs');
    }
  });
});

describe('a chunk that fails', () => {
  const effects: GcsFaultEffect[] = [
    'reset',
    'reset-mid-body',
    'reset-after-commit',
    { status: 503, reason: 'backendError' },
    { status: 429, reason: 'rateLimitExceeded' },
    { persistOnly: CHUNK, answer: 'reset' },
    { persistOnly: CHUNK, answer: 'incomplete' },
    { persistOnly: 0, answer: 'reset' },
    { persistOnly: 0, answer: 'incomplete' },
  ];
  const cases = effects.flatMap((effect) =>
    [0, 1, 2].map((after) => [JSON.stringify(effect), after, effect] as const),
  );

  test.each(cases)(
    'by %s, as number %i, goes on from where the service is',
    async (_, after, effect) => {
      await using gcs = await openGcs();
      // Two quanta a chunk, so that half of one can be kept; the last chunk is shorter.
      const bytes = randomBytes(5 * CHUNK + 3);
      for (const body of [bytes, chunks(bytes)]) {
        const fault = gcs.server.fail({ operation: 'resumable.upload', after, with: effect });
        const file = await gcs.driver.put('key', body, putOptions({ partSize: 2 * CHUNK }));
        expect(fault.hits).toBe(1);
        fault.clear();
        expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
        expect(file).toEqual(await gcs.driver.info('key', { signal }));
        await expectNothingLeft(gcs.server);
      }
    },
  );

  test('is asked about, and not sent again when only the answer was lost', async () => {
    await using gcs = await openGcs();
    gcs.server.fail({ operation: 'resumable.upload', times: 3, with: 'reset-after-commit' });
    await gcs.driver.put('key', chunks(randomBytes(2 * CHUNK + 1)), putOptions(CHUNKED));
    const total = 2 * CHUNK + 1;
    const { crc32c } = gcs.server.object('bucket', 'key')!;
    // The query about the last chunk may be what finishes the upload.
    const hashes = gcs.server.requests
      .filter(({ operation }) => operation === 'resumable.query')
      .map(({ headers }) => headers['x-goog-hash']);
    expect(hashes).toEqual([undefined, undefined, `crc32c=${crc32c}`]);
    const started = gcs.server.requests.find(({ operation }) => operation === 'resumable.start')!;
    expect(started.headers['x-upload-content-length']).toBeUndefined();
    expect(ranges(gcs.server)).toEqual([
      `bytes 0-${CHUNK - 1}/* lost`,
      'bytes */* 308',
      `bytes ${CHUNK}-${2 * CHUNK - 1}/* lost`,
      'bytes */* 308',
      `bytes ${2 * CHUNK}-${2 * CHUNK}/${total} lost`,
      `bytes */${total} 200`,
    ]);
  });

  test('again and again, but keeps a little more each time, arrives in the end', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 1 } });
    const bytes = randomBytes(8 * CHUNK);
    gcs.server.fail({
      operation: 'resumable.upload',
      times: 6,
      with: { persistOnly: CHUNK, answer: 'reset' },
    });
    await gcs.driver.put('key', bytes, putOptions({ partSize: 4 * CHUNK }));
    expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
  });

  test.each([
    ['reset' as const, StorageConnectionError],
    [{ status: 503, reason: 'backendError' }, StorageConnectionError],
    [{ persistOnly: 0, answer: 'incomplete' } as const, StorageConnectionError],
    [{ status: 403, reason: 'forbidden' }, StoragePermissionError],
  ])('without end (%j) ends the upload, and leaves no session', async (effect, expected) => {
    await using gcs = await openGcs({ retry: { maxRetries: 2 } });
    await gcs.driver.put('key', Buffer.from('old'), putOptions());
    gcs.server.fail({ operation: 'resumable.upload', times: Infinity, with: effect });
    for (const body of [randomBytes(3 * CHUNK), chunks(randomBytes(3 * CHUNK))]) {
      await expect(gcs.driver.put('key', body, putOptions(CHUNKED))).rejects.toThrow(expected);
      await expectNothingLeft(gcs.server);
    }
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('old');
  });

  test('without progress, again and again, ends the upload after one attempt more', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 2 } });
    const effect = { persistOnly: 0, answer: 'incomplete' } as const;
    gcs.server.fail({ operation: 'resumable.upload', times: Infinity, with: effect });
    const put = gcs.driver.put('key', randomBytes(3 * CHUNK), putOptions(CHUNKED));
    expect(await rejection(put)).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'The service takes no further bytes of the upload',
    });
    expect(ranges(gcs.server)).toHaveLength(4);
    expect(gcs.operations()).not.toContain('objects.get');
  });

  test.each<[string, RetryOptions, object]>([
    ['later than the time for all', { totalTimeout: 60_000 }, {}],
    ['later than anybody waits', {}, { retryAfter: 86_400 }],
  ])('and would be sent again %s is not', async (_, retry, asked) => {
    const options = { maxRetries: 1, baseDelay: 600_000, maxDelay: 600_000, jitter: false };
    await using gcs = await openGcs({ retry: { ...options, ...retry } });
    const busy = { status: 503, reason: 'backendError', ...asked };
    gcs.server.fail({ operation: 'resumable.upload', with: busy });
    const put = gcs.driver.put('key', randomBytes(3 * CHUNK), putOptions(CHUNKED));
    expect(await rejection(put)).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(ranges(gcs.server)).toHaveLength(1);
  });

  test('last, of which the service has all but does not say that it is stored, is finished', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    const bytes = randomBytes(2 * CHUNK);
    const all = { status: 308, headers: { range: `bytes=0-${2 * CHUNK - 1}` } };
    proxied.proxy.fail({ url: /upload_id=/, after: 1, with: all });
    await proxied.driver.put('key', bytes, putOptions(CHUNKED));
    expect(ranges(gcs.server)).toEqual([
      `bytes 0-${CHUNK - 1}/* 308`,
      `bytes */${2 * CHUNK} 308`,
      `bytes ${CHUNK}-${2 * CHUNK - 1}/${2 * CHUNK} 200`,
    ]);
    expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
  });

  test('last, with no retry left, is a success when the object is stored', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    const bytes = randomBytes(2 * CHUNK);
    gcs.server.fail({ operation: 'resumable.upload', after: 1, with: 'reset-after-commit' });
    const file = await gcs.driver.put(
      'key',
      chunks(bytes),
      putOptions({ ...CHUNKED, ifNoneMatch: '*' }),
    );
    expect(file).toEqual(await gcs.driver.info('key', { signal }));
    await expectNothingLeft(gcs.server);
  });

  test('last, with no retry left, is none of somebody else', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    gcs.server.fail({ operation: 'resumable.upload', after: 1, with: 'reset' });
    await gcs.driver.put('key', Buffer.from('theirs'), putOptions());
    const put = gcs.driver.put('key', chunks(randomBytes(2 * CHUNK)), putOptions(CHUNKED));
    await expect(put).rejects.toThrow(StorageConnectionError);
    await expectNothingLeft(gcs.server);
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('theirs');
  });
});

describe('a session that the service has lost', () => {
  test.each([404, 410])('(%i) is opened anew for a body in memory', async (status) => {
    await using gcs = await openGcs();
    const bytes = randomBytes(3 * CHUNK);
    gcs.server.fail({
      operation: 'resumable.upload',
      after: 1,
      with: { status, reason: 'uploadSessionExpired' },
    });
    await gcs.driver.put('key', bytes, putOptions(CHUNKED));
    expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
    expect(gcs.operations().filter((operation) => operation === 'resumable.start')).toHaveLength(2);
  });

  test('again and again fails', async () => {
    await using gcs = await openGcs();
    gcs.server.fail({
      operation: 'resumable.upload',
      times: Infinity,
      with: { status: 410, reason: 'uploadSessionExpired' },
    });
    const put = gcs.driver.put('key', randomBytes(3 * CHUNK), putOptions(CHUNKED));
    await expect(put).rejects.toThrow(StorageConnectionError);
    expect(gcs.operations().filter((operation) => operation === 'resumable.start')).toHaveLength(3);
  });

  test('fails for a stream, which cannot be read again', async () => {
    await using gcs = await openGcs({ server: { sessionLifetime: 0 } });
    const put = gcs.driver.put('key', chunks(randomBytes(3 * CHUNK)), putOptions(CHUNKED));
    await expect(put).rejects.toThrow(StorageConnectionError);
    expect(gcs.server.objects('bucket').size).toBe(0);
  });
});

describe('an upload that may have been stored before its session was lost', () => {
  /** Puts what is stored while the answer is lost, and is replaced by somebody else before the session is asked. */
  async function putLost(gcs: OpenGcs, options: object): Promise<unknown> {
    gcs.server.fail({ operation: 'resumable.upload', after: 1, with: 'reset-after-commit' });
    gcs.server.fail({
      operation: 'resumable.query',
      with: { status: 410, reason: 'uploadSessionExpired' },
    });
    const body = randomBytes(2 * CHUNK);
    const put = gcs.driver.put('key', body, putOptions({ ...CHUNKED, ...options }));
    const outcome = put.then(
      () => 'stored',
      (error: unknown) => error,
    );
    await gcs.server.until(() => gcs.server.object('bucket', 'key')?.size === body.byteLength);
    await gcs.server.putObject('bucket', 'key', 'theirs');
    return outcome;
  }
  const retry = { maxRetries: 1, baseDelay: 200, jitter: false };

  test.each(['ifNoneMatch', 'ifMatch'])(
    'is left open where it has a condition: %s',
    async (name) => {
      await using gcs = await openGcs({ retry });
      const old = name === 'ifMatch' && (await gcs.server.putObject('bucket', 'key', 'old'));
      const value = old ? `"${old.generation}"` : '*';
      expect(await putLost(gcs, { [name]: value })).toMatchObject({
        name: StorageConnectionError.name,
        retryable: false,
      });
      expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('theirs');
    },
  );

  test('is made again without one', async () => {
    await using gcs = await openGcs({ retry });
    expect(await putLost(gcs, {})).toBe('stored');
    expect(gcs.server.object('bucket', 'key')!.size).toBe(2 * CHUNK);
  });
});

test('a conditional upload whose session is lost before its last chunk is made again', async () => {
  await using gcs = await openGcs();
  const lost = { status: 410, reason: 'uploadSessionExpired' };
  gcs.server.fail({ operation: 'resumable.upload', with: lost });
  const bytes = randomBytes(2 * CHUNK);
  await gcs.driver.put('key', bytes, putOptions({ ...CHUNKED, ifNoneMatch: '*' }));
  expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
});

describe('a resumable upload', () => {
  test('whose bytes change on the way is refused by the service, and keeps what was there', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', Buffer.from('old'), putOptions());
    const bytes = randomBytes(2 * CHUNK);
    const client = clientOf(gcs.server);
    const { authClient } = client;
    const headers = authClient.getRequestHeaders.bind(authClient);
    authClient.getRequestHeaders = () => {
      bytes[bytes.byteLength - 1]! ^= 1;
      return headers();
    };
    const driver = await openDriver(gcs.server, { client });
    const put = driver.put('key', bytes, putOptions(CHUNKED));
    await expect(put).rejects.toThrow(StorageIntegrityError);
    await expectNothingLeft(gcs.server);
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('old');
    await driver.close();
  });

  test.each([
    ['at once', 0],
    ['in the first chunk', 1000],
    ['in a later chunk', 2 * CHUNK + 1000],
    ['after the last chunk', 3 * CHUNK],
  ])('whose body fails %s rejects with that very error', async (_, size) => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', Buffer.from('old'), putOptions());
    for (const failure of [
      new StorageTooLargeError(),
      Object.assign(new Error('mine'), { code: 'ECONNRESET' }),
    ]) {
      async function* body(): AsyncGenerator<Uint8Array, void> {
        yield* chunks(randomBytes(size));
        throw failure;
      }
      expect(await rejection(gcs.driver.put('key', body(), putOptions(CHUNKED)))).toBe(failure);
      await expectNothingLeft(gcs.server);
    }
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('old');
  });

  test('whose body fails while a chunk is under way does not wait for that', async () => {
    await using gcs = await openGcs();
    gcs.server.fail({ operation: 'resumable.upload', with: 'stall' });
    const failure = new Error('mine');
    async function* body(): AsyncGenerator<Uint8Array, void> {
      yield* chunks(randomBytes(CHUNK + 1));
      await started(gcs.server, 'resumable.upload');
      throw failure;
    }
    expect(await rejection(gcs.driver.put('key', body(), putOptions(CHUNKED)))).toBe(failure);
    await expectNothingLeft(gcs.server);
  });

  test('holds two chunks in memory, however slow the service is', async () => {
    await using gcs = await openGcs({ server: { latency: 20 } });
    let ahead = 0;
    let most = 0;
    async function* body(): AsyncGenerator<Uint8Array, void> {
      for (let count = 0; count < 40; count++) {
        ahead += CHUNK / 4;
        const arrived = gcs.server.requests
          .filter(({ operation }) => operation === 'resumable.upload')
          .reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
        most = Math.max(most, ahead - arrived);
        yield randomBytes(CHUNK / 4);
      }
    }
    await gcs.driver.put('key', body(), putOptions(CHUNKED));
    expect(most).toBeLessThanOrEqual(3 * CHUNK);
  });

  test('that cannot be started fails', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 1 } });
    for (const effect of ['reset', { status: 500, reason: 'backendError' }] as const) {
      gcs.server.fail({ operation: 'resumable.start', times: 2, with: effect });
      const put = gcs.driver.put('key', randomBytes(2 * CHUNK), putOptions(CHUNKED));
      await expect(put).rejects.toThrow(StorageConnectionError);
    }
    await expectNothingLeft(gcs.server);
  });

  test('is cancelled with several attempts, also where nothing else is repeated', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    gcs.server.fail({ operation: 'resumable.upload', with: { status: 403, reason: 'forbidden' } });
    gcs.server.fail({ operation: 'resumable.cancel', times: 3, with: 'reset' });
    const put = gcs.driver.put('key', randomBytes(2 * CHUNK), putOptions(CHUNKED));
    await expect(put).rejects.toThrow(StoragePermissionError);
    await expectNothingLeft(gcs.server);
  });

  test('tells why it failed even when its session cannot be cancelled', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    gcs.server.fail({ operation: 'resumable.upload', with: { status: 403, reason: 'forbidden' } });
    gcs.server.fail({ operation: 'resumable.cancel', times: Infinity, with: 'reset' });
    const put = gcs.driver.put('key', randomBytes(2 * CHUNK), putOptions(CHUNKED));
    await expect(put).rejects.toThrow(StoragePermissionError);
    const cancelled = gcs.operations().filter((operation) => operation === 'resumable.cancel');
    expect(cancelled).toHaveLength(4);
  });

  test('has what was announced of its bytes checked', async () => {
    await using gcs = await openGcs();
    const bytes = randomBytes(2 * CHUNK);
    const put = (algorithm: 'crc32c' | 'md5') => {
      const checksum = { algorithm, value: 'AAAAAA==' };
      return gcs.driver.put('key', bytes, putOptions({ ...CHUNKED, checksum }));
    };
    expect(await rejection(put('crc32c'))).toMatchObject({ code: 'INTEGRITY' });
    await put('md5');
    expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
  });

  test('of an answer about another object says so', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    await using proxied = await openProxied(gcs.server, { retry: { maxRetries: 0 } });
    const other = JSON.stringify({ name: 'other', generation: '1', size: '1' });
    const headers = { 'content-type': 'application/json' };
    proxied.proxy.fail({ url: /upload_id=/, with: { status: 200, headers, body: other } });
    const put = proxied.driver.put('key', randomBytes(2 * CHUNK), putOptions(CHUNKED));
    expect(await rejection(put)).toMatchObject({
      code: 'CONNECTION_FAILED',
      retryable: true,
      message: 'The service answered about another object',
    });
  });

  test('whose body ends without a last chunk fails', async () => {
    await using gcs = await openGcs();
    const bucket = await openBucket(
      { bucket: 'bucket', client: clientOf(gcs.server) },
      { storage: 'files', retry: parseRetryOptions(), concurrency: 1 },
    );
    const upload = new ResumableUpload(bucket, 'key', putOptions(), new AbortController());
    const running = upload.run(bytesInChunks(new Uint8Array(0), CHUNK));
    expect(await rejection(running)).toMatchObject({
      message: 'The body ended without a last chunk',
    });
    await expectNothingLeft(gcs.server);
    bucket.close();
  });
});
