import {
  StorageConnectionError,
  StorageFileExistsError,
  StorageIntegrityError,
  StoragePermissionError,
  StoragePreconditionFailedError,
  StorageTooLargeError,
} from '../../../lib/core/errors.js';
import type { GcsFaultEffect, GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import {
  CHUNK,
  chunks,
  clientOf,
  expectNothingLeft,
  MIB,
  openDriver,
  openGcs,
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

test('a conditional upload that may have been stored before its session was lost is left open', async () => {
  await using gcs = await openGcs({ retry: { maxRetries: 1, baseDelay: 200, jitter: false } });
  gcs.server.fail({ operation: 'resumable.upload', after: 1, with: 'reset-after-commit' });
  gcs.server.fail({
    operation: 'resumable.query',
    with: { status: 410, reason: 'uploadSessionExpired' },
  });
  const put = rejection(
    gcs.driver.put('key', randomBytes(2 * CHUNK), putOptions({ ...CHUNKED, ifNoneMatch: '*' })),
  );
  await gcs.server.until(() => gcs.server.object('bucket', 'key') !== undefined);
  await gcs.server.putObject('bucket', 'key', 'theirs');
  expect(await put).toMatchObject({ name: StorageConnectionError.name, retryable: false });
  expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('theirs');
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
  });
});
