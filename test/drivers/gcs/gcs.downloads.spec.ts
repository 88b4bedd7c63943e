import { once } from 'node:events';
import { Readable } from 'node:stream';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import {
  StorageAbortedError,
  StorageConnectionError,
  StorageFileNotFoundError,
  StorageIntegrityError,
  StorageNotModifiedError,
  StoragePermissionError,
  StoragePreconditionFailedError,
  StorageRangeNotSatisfiableError,
  StorageRateLimitedError,
  StorageTimeoutError,
} from '../../../lib/core/errors.js';
import type { DriverGetOptions } from '../../../lib/core/storage-driver.js';
import {
  CHUNK,
  MIB,
  openGcs,
  openProxied,
  putOptions,
  randomBytes,
  read,
  rejection,
  signal,
} from './open-gcs.js';

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
    await using gcs = await openGcs();
    await gcs.driver.put('key', TEN_BYTES, putOptions());
    const download = await gcs.driver.get('key', { range, signal });
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
    await using gcs = await openGcs();
    await gcs.driver.put('key', TEN_BYTES.subarray(0, size), putOptions());
    const error = await rejection(gcs.driver.get('key', { range, signal }));
    expect(error).toBeInstanceOf(StorageRangeNotSatisfiableError);
    expect((error as StorageRangeNotSatisfiableError).size).toBe(size);
    await gcs.server.until(({ inFlight }) => inFlight === 0);
  });

  test('judges conditions before there is a body', async () => {
    await using gcs = await openGcs();
    const { etag, lastModified } = await gcs.driver.put('key', TEN_BYTES, putOptions());
    const past = new Date(lastModified!.getTime() - 60_000);
    const get = (options: Omit<DriverGetOptions, 'signal'>) =>
      gcs.driver.get('key', { ...options, signal });
    await expect(get({ ifNoneMatch: etag! })).rejects.toThrow(StorageNotModifiedError);
    await expect(get({ ifNoneMatch: '*' })).rejects.toThrow(StorageNotModifiedError);
    await expect(get({ ifMatch: '"1"' })).rejects.toThrow(StoragePreconditionFailedError);
    await expect(get({ ifMatch: '"other"' })).rejects.toThrow(StoragePreconditionFailedError);
    await expect(get({ ifModifiedSince: lastModified! })).rejects.toThrow(StorageNotModifiedError);
    await expect(get({ ifUnmodifiedSince: past })).rejects.toThrow(StoragePreconditionFailedError);
    for (const holds of [
      { ifMatch: etag! },
      { ifMatch: '*' },
      { ifNoneMatch: '"1"' },
      { ifNoneMatch: '"other"' },
      { ifModifiedSince: past },
      { ifUnmodifiedSince: lastModified! },
    ]) {
      expect(await read(await get(holds))).toEqual(TEN_BYTES);
    }
  });

  test.each([
    ['no condition', {}, undefined, undefined],
    ['ifMatch', {}, 'generation', undefined],
    ['ifNoneMatch', { ifNoneMatch: '"1"' }, undefined, '1'],
    ['any version', { ifMatch: '*' }, undefined, undefined],
    ['the end of the file', { range: { suffix: 4 } }, undefined, undefined],
    ['a range', { range: { start: 0 } }, undefined, undefined],
  ])('takes two requests at once with %s', async (_, conditions, match, notMatch) => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    const { proxy, driver } = proxied;
    const { etag, version } = await gcs.driver.put('key', TEN_BYTES, putOptions());
    gcs.server.clearRequests();
    // Neither is through before both have come.
    const both = (): Promise<void> => proxy.until(({ requests }) => requests.length === 2);
    proxy.fail({ times: 2, with: { before: both } });
    const reading = driver.get('key', {
      signal,
      ...(conditions as object),
      ...(match !== undefined && { ifMatch: etag! }),
    });
    await read(await reading);
    expect(new Set(gcs.operations())).toEqual(new Set(['objects.download', 'objects.get']));
    expect(gcs.operations()).toHaveLength(2);
    const media = gcs.server.requests.find(({ operation }) => operation === 'objects.download')!;
    expect(media.query['ifGenerationMatch']).toBe(match && version);
    expect(media.query['ifGenerationNotMatch']).toBe(notMatch);
    expect(media.headers['accept-encoding']).toBe('gzip');
  });

  test.each([
    ['ifModifiedSince', { ifModifiedSince: new Date(0) }],
    ['ifUnmodifiedSince', { ifUnmodifiedSince: new Date(Date.now() + 60_000) }],
  ])(
    'asks for the attributes first when a time decides, and pins the bytes to them: %s',
    async (_, condition) => {
      await using gcs = await openGcs();
      const { version } = await gcs.driver.put('key', TEN_BYTES, putOptions());
      gcs.server.clearRequests();
      await read(await gcs.driver.get('key', { ...condition, signal }));
      expect(gcs.operations()).toEqual(['objects.get', 'objects.download']);
      expect(gcs.server.requests[1]!.query['ifGenerationMatch']).toBe(version);
    },
  );

  test.each([{ ifNoneMatch: '*' }, { ifMatch: '"other"' }, { range: { suffix: 0 } }])(
    'asks for no bytes that cannot be wanted: %j',
    async (options) => {
      await using gcs = await openGcs();
      await using proxied = await openProxied(gcs.server);
      await gcs.driver.put('key', TEN_BYTES, putOptions());
      await rejection(proxied.driver.get('key', { ...options, signal }));
      expect(proxied.proxy.requests).toHaveLength(1);
    },
  );

  test.each([undefined, { start: 0 }])(
    'never mixes two versions, of the range %j',
    async (range) => {
      // The attributes come late, so that they are those of another version than the bytes.
      let slow = true;
      await using gcs = await openGcs({
        server: { latency: ({ operation }) => (slow && operation === 'objects.get' ? 200 : 0) },
      });
      await gcs.driver.put('key', TEN_BYTES, putOptions());
      gcs.server.clearRequests();
      const reading = gcs.driver.get('key', { signal, ...(range && { range }) });
      await gcs.server.until(({ requests }) =>
        requests.some(({ operation, status }) => operation === 'objects.download' && status),
      );
      const newer = await gcs.server.putObject('bucket', 'key', 'another version');
      slow = false;
      const download = await reading;
      expect(download.file.version).toBe(newer.generation);
      expect((await read(download)).toString()).toBe('another version');
      await gcs.server.until(({ inFlight }) => inFlight === 0);
    },
  );

  test('gives up a file that is replaced whenever it is read', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', TEN_BYTES, putOptions());
    gcs.server.fail({
      operation: 'objects.download',
      times: Infinity,
      with: { status: 412, reason: 'conditionNotMet' },
    });
    expect(await rejection(gcs.driver.get('key', { signal }))).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'The file was replaced, or its connection broke, each time it was opened',
    });
    expect(gcs.operations().filter((operation) => operation === 'objects.download')).toHaveLength(
      20,
    );
  });

  test.each([
    [304, 'notModified'],
    [404, 'notFound'],
    [412, 'conditionNotMet'],
    [416, 'requestedRangeNotSatisfiable'],
  ])(
    'looks again when the bytes are of another version than the attributes (%i)',
    async (status, reason) => {
      await using gcs = await openGcs();
      await gcs.driver.put('key', TEN_BYTES, putOptions());
      gcs.server.fail({ operation: 'objects.download', with: { status, reason } });
      expect(await read(await gcs.driver.get('key', { signal }))).toEqual(TEN_BYTES);
    },
  );

  test('does not look again when the bytes are refused', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', TEN_BYTES, putOptions());
    gcs.server.clearRequests();
    gcs.server.fail({ operation: 'objects.download', with: { status: 400, reason: 'invalid' } });
    const refused = await rejection(gcs.driver.get('key', { signal }));
    expect(refused).toMatchObject({
      code: 'INVALID_ARGUMENT',
      cause: { httpStatus: 400 },
    });
    expect(gcs.operations()).toHaveLength(2);
  });

  test('opens the file anew when its bytes were cut while the attributes were on their way', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    const { proxy, driver } = proxied;
    await gcs.driver.put('key', TEN_BYTES, putOptions());
    proxy.fail({ url: /alt=media/, with: { truncateAnswerAt: 3 } });
    const cut = async (): Promise<void> => {
      // The connection of these attributes is the only one that is left.
      await proxy.until(({ requests, connections }) => requests.length > 1 && connections === 1);
      // The other side of it, which is in this process, hears so.
      for (let turn = 0; turn < 20; turn++) await setImmediate();
    };
    proxy.fail({ url: /fields=/, with: { before: cut } });
    expect(await read(await driver.get('key', { signal }))).toEqual(TEN_BYTES);
    expect(proxy.seen('GET', /alt=media/)).toHaveLength(2);
  });

  test('is cut by its abort, with the reason of that', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    proxied.proxy.fail({ times: 2, with: 'stall' });
    const abort = new AbortController();
    const getting = rejection(proxied.driver.get('key', { signal: abort.signal }));
    await proxied.proxy.until(({ requests }) => requests.length === 2);
    const reason = new Error('enough');
    abort.abort(reason);
    expect(await getting).toMatchObject({ code: 'ABORTED', cause: reason });
  });

  test('gets through although the file is replaced many times while it is opened', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', TEN_BYTES, putOptions());
    gcs.server.fail({
      operation: 'objects.download',
      times: 8,
      with: { status: 412, reason: 'conditionNotMet' },
    });
    expect(await read(await gcs.driver.get('key', { signal }))).toEqual(TEN_BYTES);
  });

  test('is repeated when the service throttles by 403, and tells so in the end', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 1 } });
    await gcs.driver.put('key', TEN_BYTES, putOptions());
    const throttled = { status: 403, reason: 'rateLimitExceeded' };
    gcs.server.fail({ operation: 'objects.download', with: throttled });
    expect(await read(await gcs.driver.get('key', { signal }))).toEqual(TEN_BYTES);
    gcs.server.fail({ operation: 'objects.download', times: 2, with: throttled });
    await expect(gcs.driver.get('key', { signal })).rejects.toThrow(StorageRateLimitedError);
    gcs.server.clearRequests();
    gcs.server.fail({ operation: 'objects.download', with: { status: 403, reason: 'forbidden' } });
    await expect(gcs.driver.get('key', { signal })).rejects.toThrow(StoragePermissionError);
    expect(gcs.operations()).toHaveLength(2);
  });

  test('tells what info tells', async () => {
    await using gcs = await openGcs();
    const options = putOptions({ contentType: 'image/png', metadata: { name: 'Ωmega' } });
    const file = await gcs.driver.put('key', TEN_BYTES, options);
    const download = await gcs.driver.get('key', { signal });
    expect(download.file).toEqual(file);
    expect(await gcs.driver.info('key', { signal })).toEqual(file);
    expect(download.range).toBeUndefined();
    await read(download);
  });

  test('delivers the bytes as they are stored, gzipped ones and ranges of them', async () => {
    await using gcs = await openGcs();
    const bytes = gzipSync(randomBytes(1000));
    await gcs.driver.put('key', bytes, { ...putOptions(), contentEncoding: 'gzip' });
    const whole = await gcs.driver.get('key', { signal });
    expect(whole.file.contentEncoding).toBe('gzip');
    expect((await read(whole)).equals(bytes)).toBe(true);
    const part = await gcs.driver.get('key', { range: { start: 10, end: 19 }, signal });
    expect((await read(part)).equals(bytes.subarray(10, 20))).toBe(true);
  });

  test('says of a missing file that it is not there, whatever is asked of it', async () => {
    await using gcs = await openGcs();
    for (const options of [{}, { ifMatch: '"1"' }, { ifNoneMatch: '*' }, { range: { start: 3 } }]) {
      const get = gcs.driver.get('none', { ...options, signal });
      await expect(get).rejects.toThrow(StorageFileNotFoundError);
    }
    await gcs.server.until(({ inFlight }) => inFlight === 0);
  });

  test('fails when the attributes come and the bytes do not', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    await gcs.driver.put('key', TEN_BYTES, putOptions());
    const denied = { status: 403, reason: 'forbidden' };
    gcs.server.fail({ operation: 'objects.download', with: denied });
    await expect(gcs.driver.get('key', { signal })).rejects.toThrow(StoragePermissionError);
    gcs.server.fail({ operation: 'objects.download', with: 'reset' });
    await expect(gcs.driver.get('key', { signal })).rejects.toThrow(StorageConnectionError);
    gcs.server.fail({ operation: 'objects.get', with: denied });
    await expect(gcs.driver.get('key', { signal })).rejects.toThrow(StoragePermissionError);
    await gcs.server.until(({ inFlight }) => inFlight === 0);
  });
});

describe('the body', () => {
  test('that is abandoned gives its connection back, twenty times', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', randomBytes(8 * MIB), putOptions());
    for (let round = 0; round < 20; round++) {
      const { body } = await gcs.driver.get('key', { signal });
      if (round % 2 === 0) await once(body as Readable, 'readable');
      (body as Readable).destroy();
    }
    await gcs.server.until(({ inFlight, connections }) => inFlight === 0 && connections <= 1);
    const { body } = await gcs.driver.get('key', { range: { suffix: 3 }, signal });
    expect(await read({ file: undefined as never, body })).toHaveLength(3);
    await gcs.driver.close();
    await gcs.server.until(({ connections }) => connections === 0);
  });

  test('ends with an error when it is aborted', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', randomBytes(8 * MIB), putOptions());
    const abort = new AbortController();
    const download = await gcs.driver.get('key', { signal: abort.signal });
    await once(download.body as Readable, 'readable');
    const reason = new Error('enough');
    abort.abort(reason);
    const error = await rejection(read(download));
    expect(error).toBeInstanceOf(StorageAbortedError);
    expect((error as Error).cause).toBe(reason);
    await gcs.server.until(({ inFlight }) => inFlight === 0);
  });

  test.each([{ truncateBodyAt: 0 }, { truncateBodyAt: 1000 }, 'reset-mid-body' as const])(
    'never ends as if it were whole when it is cut (%j)',
    async (effect) => {
      await using gcs = await openGcs();
      await gcs.driver.put('key', randomBytes(MIB), putOptions());
      for (const range of [undefined, { start: 10 }]) {
        gcs.server.fail({ operation: 'objects.download', times: Infinity, with: effect });
        const get = gcs.driver.get('key', { signal, ...(range && { range }) });
        await expect(get.then(read)).rejects.toThrow(StorageConnectionError);
      }
    },
  );

  test('is found out when bytes were changed on the way', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', randomBytes(MIB), putOptions());
    gcs.server.fail({ operation: 'objects.download', with: { corruptBodyAt: 5000 } });
    const download = await gcs.driver.get('key', { signal });
    await expect(read(download)).rejects.toThrow(StorageIntegrityError);
  });

  test('is given up when the server falls silent, before and within', async () => {
    await using gcs = await openGcs({ timeout: 1000, retry: { maxRetries: 0 } });
    await gcs.driver.put('key', randomBytes(4 * MIB), putOptions());
    for (const operation of ['objects.get', 'objects.download'] as const) {
      gcs.server.fail({ operation, with: 'stall' });
      await expect(gcs.driver.get('key', { signal })).rejects.toThrow(StorageTimeoutError);
    }
    gcs.server.fail({ operation: 'objects.download', with: 'stall-mid-body' });
    const download = await gcs.driver.get('key', { signal });
    await expect(read(download)).rejects.toThrow(StorageTimeoutError);
  });

  test('waits for a reader that begins late, and for one that pauses', async () => {
    await using gcs = await openGcs({ timeout: 1000 });
    const bytes = randomBytes(8 * MIB);
    await gcs.driver.put('key', bytes, putOptions());
    const download = await gcs.driver.get('key', { signal });
    const body = download.body as Readable;
    await sleep(1500);
    const parts: Buffer[] = [];
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (parts.length === 3) await sleep(1500);
      parts.push(chunk);
    }
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  });

  test('keeps its connection for the next request when it was read to its end', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', randomBytes(CHUNK), putOptions());
    for (let round = 0; round < 5; round++) await read(await gcs.driver.get('key', { signal }));
    const { connection } = gcs.server.requests.find(
      ({ operation }) => operation === 'objects.insert',
    )!;
    const used = new Set(
      gcs.server.requests
        .filter(({ operation }) => operation !== 'auth.token')
        .map((request) => request.connection),
    );
    expect(used.has(connection)).toBe(true);
    expect(used.size).toBe(2);
  });
});

test('tries again until there is an answer', async () => {
  await using gcs = await openGcs();
  await gcs.driver.put('key', TEN_BYTES, putOptions());
  const busy = { status: 503, reason: 'backendError' };
  gcs.server.fail({ operation: 'objects.download', times: 2, with: busy });
  gcs.server.fail({ operation: 'objects.download', with: 'reset' });
  gcs.server.fail({ operation: 'objects.get', times: 3, with: busy });
  expect(await read(await gcs.driver.get('key', { signal }))).toEqual(TEN_BYTES);
});
