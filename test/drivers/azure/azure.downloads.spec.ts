import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  StorageAbortedError,
  StorageConfigurationError,
  StorageConnectionError,
  StorageFileNotFoundError,
  StorageNotModifiedError,
  StoragePreconditionFailedError,
  StorageRangeNotSatisfiableError,
  StorageTimeoutError,
} from '../../../lib/core/errors.js';
import type { DriverDownload } from '../../../lib/core/storage-driver.js';
import { MIB, putOptions, read, signal, until, useAzurite, rejected } from './open-azure.js';

const fixture = useAzurite();
const { open } = fixture;

/** Of the service itself. */
const ANSWER = { 'x-ms-request-id': 'id', etag: '"0x1"' };

function stream({ body }: DriverDownload): Readable {
  expect(body).toBeInstanceOf(Readable);
  return body as Readable;
}

describe('a download', () => {
  test('tells what info tells, of a range, too', async () => {
    await using azure = await open();
    const options = { metadata: { 'user-id': '42' }, contentType: 'image/png' };
    await azure.driver.put('key', Buffer.from('hello'), putOptions(options));
    const info = await azure.driver.info('key', { signal });
    const whole = await azure.driver.get('key', { signal });
    expect(whole.file).toEqual(info);
    expect(String(await read(whole))).toBe('hello');
    const part = await azure.driver.get('key', { signal, range: { start: 1, end: 2 } });
    expect(part.file).toEqual(info);
    expect(part.range).toEqual({ start: 1, end: 2, size: 5 });
    expect(String(await read(part))).toBe('el');
  });

  test('takes one request, and two where the range counts from the end', async () => {
    await using azure = await open();
    await azure.driver.put('key', Buffer.from('hello'), putOptions());
    const count = azure.proxy.requests.length;
    await read(await azure.driver.get('key', { signal, range: { start: 1 } }));
    expect(azure.proxy.requests).toHaveLength(count + 1);
    const last = await azure.driver.get('key', { signal, range: { suffix: 2 } });
    expect(String(await read(last))).toBe('lo');
    expect(azure.proxy.requests).toHaveLength(count + 3);
  });

  test('of the last bytes is of one version, also when the file is replaced between the requests', async () => {
    await using azure = await open();
    await azure.driver.put('key', Buffer.from('the first one'), putOptions());
    azure.proxy.fail({
      method: 'GET',
      with: {
        before: async () => {
          await azure.other.put('key', Buffer.from('another'), putOptions());
        },
      },
    });
    const download = await azure.driver.get('key', { signal, range: { suffix: 5 } });
    expect(download.file.size).toBe(7);
    expect(String(await read(download))).toBe('other');
  });

  test('is judged by the service under each condition', async () => {
    await using azure = await open();
    const { etag } = await azure.driver.put('key', Buffer.from('hello'), putOptions());
    const past = new Date(Date.now() - 86_400_000);
    const future = new Date(Date.now() + 86_400_000);
    const refused = [
      [{ ifMatch: '"other"' }, StoragePreconditionFailedError],
      [{ ifNoneMatch: etag! }, StorageNotModifiedError],
      [{ ifModifiedSince: future }, StorageNotModifiedError],
      [{ ifUnmodifiedSince: past }, StoragePreconditionFailedError],
      [{ ifMatch: etag!, ifNoneMatch: etag! }, StorageNotModifiedError],
      [{ ifMatch: '"other"', ifNoneMatch: etag! }, StoragePreconditionFailedError],
    ] as const;
    for (const [conditions, kind] of refused) {
      expect(await rejected(azure.driver.get('key', { signal, ...conditions }))).toBeInstanceOf(
        kind,
      );
    }
    const held = [
      { ifMatch: etag! },
      { ifNoneMatch: '"other"' },
      { ifModifiedSince: past },
      { ifUnmodifiedSince: future },
      { ifMatch: etag!, ifNoneMatch: '"other"' },
      { ifMatch: etag!, ifUnmodifiedSince: past },
      { ifNoneMatch: '"other"', ifModifiedSince: future },
    ];
    for (const conditions of held) {
      expect(String(await read(await azure.driver.get('key', { signal, ...conditions })))).toBe(
        'hello',
      );
    }
  });

  test('tells the size of the file when the range lies outside', async () => {
    await using azure = await open();
    await azure.driver.put('key', Buffer.from('hello'), putOptions());
    await azure.driver.put('empty', Buffer.alloc(0), putOptions());
    for (const [key, range, size] of [
      ['key', { start: 5 }, 5],
      ['key', { suffix: 0 }, 5],
      ['empty', { start: 0 }, 0],
      ['empty', { start: 0, end: 5 }, 0],
      ['empty', { suffix: 5 }, 0],
    ] as const) {
      const error = await rejected(azure.driver.get(key, { signal, range }));
      expect(error).toBeInstanceOf(StorageRangeNotSatisfiableError);
      expect((error as StorageRangeNotSatisfiableError).size).toBe(size);
    }
  });

  test.each([
    [
      'ignores the range, and sends the whole file',
      200,
      undefined,
      'UNSUPPORTED',
      'The service ignored the range',
    ],
    ['sends another range', 206, 'bytes 0-9/100', 'CONNECTION_FAILED', 'answered another range'],
  ])('is refused by what %s', async (_, status, range, code, message) => {
    await using azure = await open();
    azure.proxy.fail({
      method: 'GET',
      with: {
        status,
        headers: {
          etag: '"0x1"',
          'x-ms-request-id': 'id',
          'content-length': range ? '10' : '100',
          ...(range !== undefined && { 'content-range': range }),
        },
        body: 'x'.repeat(range ? 10 : 100),
      },
    });
    const download = azure.driver.get('key', { signal, range: { start: 10, end: 19 } });
    expect(await rejected(download)).toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  test('of one version is not answered with the bytes of another', async () => {
    await using azure = await open();
    await azure.driver.put('key', Buffer.from('hello'), putOptions());
    azure.proxy.fail({
      method: 'GET',
      with: {
        status: 206,
        headers: { ...ANSWER, 'content-length': '2', 'content-range': 'bytes 0-1/5' },
        body: 'XX',
      },
    });
    const part = { range: { start: 0, end: 1 }, ifMatch: '"0x2"' };
    const error = await rejected(azure.driver.get('key', { signal, ...part }));
    expect(error).toBeInstanceOf(StoragePreconditionFailedError);
  });

  test('tells a missing file from a missing container', async () => {
    await using azure = await open();
    const missing = await rejected(azure.driver.get('key', { signal }));
    expect(missing).toBeInstanceOf(StorageFileNotFoundError);
    await azure.direct.delete();
    for (const call of [
      () => azure.driver.get('key', { signal }),
      () => azure.driver.info('key', { signal }),
      () => azure.driver.put('key', Buffer.from('a'), putOptions()),
      () => azure.driver.deleteMany(['key'], { signal }),
    ]) {
      expect(await rejected(call())).toBeInstanceOf(StorageConfigurationError);
    }
  });
});

describe('a body that breaks off', () => {
  test.each([0, 1, 100_000])('after %i bytes goes on from there', async (after) => {
    await using azure = await open();
    const bytes = randomBytes(2 * MIB);
    await azure.driver.put('key', bytes, putOptions());
    azure.proxy.fail({ method: 'GET', with: { resetAnswerAt: after } });
    const download = await azure.driver.get('key', { signal, range: { start: 10 } });
    expect((await read(download)).equals(bytes.subarray(10))).toBe(true);
    const [, second] = azure.proxy.seen('GET');
    expect(second!.headers['if-match']).toBe(download.file.etag);
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(String(second!.headers['x-ms-range']))!;
    // A connection that is reset may take bytes along that had arrived.
    expect(Number(start)).toBeGreaterThanOrEqual(10);
    expect(Number(start)).toBeLessThanOrEqual(10 + after);
    expect(Number(end)).toBe(bytes.byteLength - 1);
  });

  test('again and again goes on as long as bytes come', async () => {
    await using azure = await open({ retry: { maxRetries: 1 } });
    const bytes = randomBytes(MIB);
    await azure.driver.put('key', bytes, putOptions());
    azure.proxy.fail({ method: 'GET', times: 5, with: { resetAnswerAt: 100_000 } });
    expect((await read(await azure.driver.get('key', { signal }))).equals(bytes)).toBe(true);
    expect(azure.proxy.seen('GET')).toHaveLength(6);
  });

  test('again and again after a few bytes fails in the end', async () => {
    await using azure = await open({ retry: { maxRetries: 2 } });
    await azure.driver.put('key', randomBytes(MIB), putOptions());
    azure.proxy.fail({ method: 'GET', times: Infinity, with: { resetAnswerAt: 10 } });
    const download = await azure.driver.get('key', { signal });
    await expect(read(download)).rejects.toBeInstanceOf(StorageConnectionError);
    expect(azure.proxy.seen('GET')).toHaveLength(3);
  });

  test('and does not come back fails, and never ends as if it were complete', async () => {
    await using azure = await open({ retry: { maxRetries: 2 } });
    await azure.driver.put('key', randomBytes(MIB), putOptions());
    azure.proxy.fail({ method: 'GET', with: { resetAnswerAt: 1000 } });
    azure.proxy.fail({ method: 'GET', times: Infinity, with: 'reset' });
    const error = await rejected(read(await azure.driver.get('key', { signal })));
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(error.retryable).toBe(true);
  });

  test('of a file that is replaced meanwhile fails: there is no other half of it', async () => {
    await using azure = await open();
    await azure.driver.put('key', randomBytes(MIB), putOptions());
    azure.proxy.fail({ method: 'GET', with: { resetAnswerAt: 1000 } });
    azure.proxy.fail({
      method: 'GET',
      with: {
        before: async () => {
          await azure.other.put('key', randomBytes(MIB), putOptions());
        },
      },
    });
    const error = await rejected(read(await azure.driver.get('key', { signal })));
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(error.message).toContain('replaced');
  });

  const RANGE = { ...ANSWER, 'content-length': '5', 'content-range': 'bytes 5-9/10' };

  test.each([
    ['ignores the condition, and goes on with another version', 206, RANGE, 'replaced'],
    ['has no more than that', 416, { 'content-range': 'bytes */5' }, 'fewer bytes'],
    [
      'goes on with a shorter one',
      206,
      { ...RANGE, etag: '"0x2"', 'content-range': 'bytes 0-4/5' },
      'fewer bytes',
    ],
  ])('fails when the service %s', async (_, status, headers, words) => {
    await using azure = await open();
    const head = { ...ANSWER, etag: '"0x2"', 'content-length': '10' };
    // Ten bytes are announced, and five come.
    const cut = { status: 200, headers: { ...head, connection: 'close' }, body: 'hello' };
    azure.proxy.fail({ method: 'GET', with: cut });
    const rest = { status, headers: { ...ANSWER, ...headers }, body: 'XXXXX' };
    azure.proxy.fail({ method: 'GET', times: Infinity, with: rest });
    const download = await azure.driver.get('key', { signal });
    const error = await rejected(read(download));
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(error.message).toContain(words);
  });
});

describe('time', () => {
  test('runs out for a service that does not answer', async () => {
    await using azure = await open({ timeout: 50, retry: { maxRetries: 1 } });
    await azure.other.put('key', Buffer.from('a'), putOptions());
    azure.proxy.fail({ method: 'GET', times: Infinity, with: 'stall' });
    expect(await rejected(azure.driver.get('key', { signal }))).toBeInstanceOf(StorageTimeoutError);
    expect(azure.proxy.seen('GET')).toHaveLength(2);
  });

  test('runs out for a body that hangs, which is then fetched anew', async () => {
    await using azure = await open({ timeout: 1000 });
    const bytes = randomBytes(MIB);
    await azure.other.put('key', bytes, putOptions());
    azure.proxy.fail({ method: 'GET', with: { stallAnswerAt: 100_000 } });
    expect((await read(await azure.driver.get('key', { signal }))).equals(bytes)).toBe(true);
    expect(azure.proxy.seen('GET')).toHaveLength(2);
  });

  test('runs out for a body that hangs for good', async () => {
    await using azure = await open({ timeout: 500, retry: { maxRetries: 1 } });
    await azure.other.put('key', randomBytes(MIB), putOptions());
    azure.proxy.fail({ method: 'GET', times: Infinity, with: { stallAnswerAt: 0 } });
    const download = await azure.driver.get('key', { signal });
    expect(await rejected(read(download))).toBeInstanceOf(StorageTimeoutError);
  });

  test('does not run out for a reader who takes his', async () => {
    const timeout = 1000;
    await using azure = await open({ timeout });
    // More than the buffers on the way hold.
    const bytes = randomBytes(16 * MIB);
    await azure.other.put('key', bytes, putOptions());
    const body = stream(await azure.driver.get('key', { signal }));
    const start = performance.now();
    const parts: Buffer[] = [];
    for await (const chunk of body) {
      parts.push(chunk as Buffer);
      if (parts.length === 1) await until(() => performance.now() > start + 1.5 * timeout);
    }
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    expect(azure.proxy.seen('GET')).toHaveLength(1);
  });
});

describe('a body', () => {
  test('that is destroyed gives its connection back, twenty times over', async () => {
    await using azure = await open();
    await azure.other.put('key', randomBytes(8 * MIB), putOptions());
    const downloads = await Promise.all(
      Array.from({ length: 20 }, () => azure.driver.get('key', { signal })),
    );
    expect(azure.proxy.connections).toBe(20);
    for (const download of downloads) stream(download).destroy();
    await until(() => azure.proxy.connections === 0);
    expect(azure.proxy.inFlight).toBe(0);
  });

  test('that is destroyed while it is fetched anew gives up', async () => {
    await using azure = await open();
    await azure.other.put('key', randomBytes(MIB), putOptions());
    azure.proxy.fail({ method: 'GET', with: { resetAnswerAt: 1000 } });
    azure.proxy.fail({ method: 'GET', with: 'stall' });
    const body = stream(await azure.driver.get('key', { signal }));
    body.resume().on('error', () => {});
    await until(() => azure.proxy.seen('GET').length === 2);
    body.destroy();
    await until(() => azure.proxy.connections === 0);
    expect(azure.proxy.inFlight).toBe(0);
  });

  test('ends with an error when it is aborted', async () => {
    await using azure = await open();
    await azure.other.put('key', randomBytes(8 * MIB), putOptions());
    const abort = new AbortController();
    const body = stream(await azure.driver.get('key', { signal: abort.signal }));
    const reason = new Error('enough');
    const error = await rejected(
      pipeline(body, async (chunks) => {
        for await (const _ of chunks) abort.abort(reason);
      }),
    );
    expect(error).toBeInstanceOf(StorageAbortedError);
    expect(error.cause).toBe(reason);
    await until(() => azure.proxy.connections === 0);
  });

  test('is not decompressed', async () => {
    await using azure = await open();
    const options = putOptions({ contentEncoding: 'gzip' });
    await azure.driver.put('key', Buffer.from('no gzip at all'), options);
    expect(String(await read(await azure.driver.get('key', { signal })))).toBe('no gzip at all');
  });
});

test('a blob that the service is still copying to is no file yet', async () => {
  await using azure = await open();
  await azure.driver.put('key', Buffer.from('abc'), putOptions());
  azure.proxy.fail({
    method: 'HEAD',
    with: {
      status: 200,
      headers: {
        'x-ms-request-id': 'id',
        'x-ms-copy-status': 'pending',
        'content-length': '3',
        etag: '"0x1"',
        'last-modified': new Date(0).toUTCString(),
      },
    },
  });
  const info = () => azure.driver.info('key', { signal });
  expect(await rejected(info())).toBeInstanceOf(StorageFileNotFoundError);
  expect(await info()).toMatchObject({ size: 3 });
});
