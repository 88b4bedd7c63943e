import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startChecksum } from '../../../lib/core/checksum.js';
import { StorageConnectionError } from '../../../lib/core/errors.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { createGcsDriver } from '../../../lib/drivers/gcs/gcs.driver.js';
import { fileOf, generationOf, parseObject } from '../../../lib/drivers/gcs/gcs.metadata.js';
import { startGcsServer } from '../../../lib/testing/gcs-server/index.js';
import { errorAnswer, startFaultProxy } from '../../../lib/testing/fault-proxy/index.js';
import {
  CHUNK,
  chunks,
  clientOf,
  listAll,
  openDriver,
  putOptions,
  read,
  rejection,
  signal,
} from './open-gcs.js';

interface ProxyAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

const CALLS: Readonly<Record<string, (driver: StorageDriver) => Promise<unknown>>> = {
  put: (driver) => driver.put('key', Buffer.from('a'), putOptions()),
  info: (driver) => driver.info('key', { signal }),
  list: (driver) => listAll(driver),
  delete: (driver) => driver.deleteMany(['key'], { signal }),
  copy: (driver) => driver.copy('key', 'to', { signal }),
};

test('an error with status 200 is no success of any call, and is tried again', async () => {
  const server = await startGcsServer();
  await using proxy = await startFaultProxy({ target: server.endpoint });
  const clientOptions = { ...server.clientOptions, apiEndpoint: proxy.endpoint };
  const client = clientOf({ ...server, clientOptions });
  const driver = await openDriver(server, { client, retry: { maxRetries: 1 } });
  for (const [name, call] of Object.entries(CALLS)) {
    await server.putObject('bucket', 'key', 'old');
    const fault = proxy.fail({ times: Infinity, with: errorAnswer('gcs', 'ok-with-error') });
    const error = await rejection(call(driver));
    expect([name, error]).toEqual([name, expect.any(StorageConnectionError)]);
    expect([name, error]).toEqual([name, expect.objectContaining({ retryable: true })]);
    expect([name, [...server.objects('bucket').keys()]]).toEqual([name, ['key']]);
    fault.clear();
    proxy.fail({ with: errorAnswer('gcs', 'ok-with-error') });
    await call(driver);
    for (const key of server.objects('bucket').keys()) {
      await driver.deleteMany([key], { signal });
    }
  }
  await driver.close();
  await server.close();
});

describe.each([200, 202, 404, 410, 412])(
  'a page of HTML with status %i, in place of the service,',
  (status) => {
    test('is no answer to any call', async () => {
      const server = await startGcsServer();
      await using proxy = await startFaultProxy({ target: server.endpoint });
      const clientOptions = { ...server.clientOptions, apiEndpoint: proxy.endpoint };
      const client = clientOf({ ...server, clientOptions });
      const driver = await openDriver(server, { client, retry: { maxRetries: 0 } });
      await driver.put('key', Buffer.from('a'), putOptions());
      await expect(driver.info('missing', { signal })).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
      });
      const headers = { 'content-type': 'text/html' };
      proxy.fail({ times: Infinity, with: { status, headers, body: '<html>Log in</html>' } });
      for (const call of Object.values(CALLS)) {
        const error = await rejection(call(driver));
        expect(error).toBeInstanceOf(StorageConnectionError);
        expect((error as Error).message).toBe(
          `What came with status ${status} is no answer of Google Cloud Storage: check apiEndpoint, and the proxies on the way`,
        );
      }
      expect(server.objects('bucket').size).toBe(1);
      await driver.close();
      await server.close();
    });
  },
);

test.each([
  [403, 'PERMISSION_DENIED'],
  [502, 'CONNECTION_FAILED'],
])('a page of HTML with status %i is %s, whoever sends it', async (status, code) => {
  await using open = await openBehindProxy();
  const headers = { 'content-type': 'text/html' };
  open.proxy.fail({ with: { status, headers, body: '<html>No</html>' } });
  const error = (await rejection(CALLS['info']!(open.driver))) as Error;
  expect(error).toMatchObject({ code });
  expect(error.message).not.toContain('no answer of Google Cloud Storage');
});

/** A driver whose requests go over a proxy, by which the service can answer anything. */
async function openBehindProxy(retry = { maxRetries: 0 }) {
  const server = await startGcsServer();
  const proxy = await startFaultProxy({ target: server.endpoint });
  const clientOptions = { ...server.clientOptions, apiEndpoint: proxy.endpoint };
  const client = clientOf({ ...server, clientOptions });
  const driver = await openDriver(server, { client, retry });
  return {
    server,
    proxy,
    driver,
    async [Symbol.asyncDispose]() {
      await driver.close();
      await proxy.close();
      await server.close();
    },
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };

test.each(['', 'null', '7', '"text"', 'ok'])('a success of %j is no answer', async (body) => {
  await using open = await openBehindProxy();
  open.proxy.fail({ times: Infinity, with: { status: 200, headers: JSON_TYPE, body } });
  for (const name of ['info', 'list', 'put']) {
    expect(await rejection(CALLS[name]!(open.driver))).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'The service answered without the JSON that was asked for',
    });
  }
});

test.each([
  ['{}', true],
  ['{"kind":"storage#objects"}', true],
  ['{"items":7,"prefixes":"x"}', true],
  ['{"kind":"storage#objects","more":1}', true],
  ['{"message":"Welcome"}', false],
])('%s is an empty listing: %s', async (body, isListing) => {
  await using open = await openBehindProxy();
  open.proxy.fail({ with: { status: 200, headers: JSON_TYPE, body } });
  const outcome = await listAll(open.driver).then(
    ({ keys }) => keys,
    ({ code }: { code: string }) => code,
  );
  expect(outcome).toEqual(isListing ? [] : 'CONNECTION_FAILED');
});

describe('a resumable upload', () => {
  const UPLOAD = /uploadType=resumable|upload_id=/;
  const bytes = Buffer.alloc(3 * CHUNK);
  const put = (driver: StorageDriver): Promise<unknown> =>
    rejection(driver.put('key', bytes, putOptions({ partSize: CHUNK })));

  test.each<[string, Record<string, string>]>([
    ['no address', {}],
    ['one that is none', { location: '/upload?upload_id=1' }],
    ['one of no session', { location: 'https://storage.example.com/upload?uploadType=resumable' }],
  ])('that the service starts with %s fails', async (_, headers) => {
    await using open = await openBehindProxy();
    open.proxy.fail({ url: UPLOAD, with: { status: 200, headers, body: '' } });
    expect(await put(open.driver)).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'The service started an upload without an address',
    });
  });

  test.each([
    ['more than was sent', 1, `bytes=0-${CHUNK}`],
    ['less than it had', 2, `bytes=0-${CHUNK - 2}`],
    ['nothing of what it had', 2, ''],
  ])('of which the service has %s fails', async (_, after, range) => {
    await using open = await openBehindProxy();
    const headers = range ? { range } : {};
    open.proxy.fail({ url: UPLOAD, after, with: { status: 308, headers, body: '' } });
    expect(await put(open.driver)).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'The service has lost bytes that it had confirmed',
    });
    expect(open.server.resumableSessions('bucket')).toEqual([]);
    expect(open.server.object('bucket', 'key')).toBeUndefined();
  });
});

describe('an answer about another object, late on a connection that is used again,', () => {
  /** What the service says of an object that is there. */
  async function lateAnswer({ driver }: { driver: StorageDriver }): Promise<string> {
    const put = await driver.put('other', Buffer.from('other'), putOptions());
    const { key: name, version: generation, size, checksum } = put;
    return JSON.stringify({ name, generation, size: String(size), crc32c: checksum!.value });
  }

  test.each<[string, RegExp, (answer: string) => string]>([
    ['put', /uploadType=multipart/, (answer) => answer],
    ['copy', /rewriteTo/, (answer) => `{"done":true,"resource":${answer}}`],
  ])('is no success of a %s, and that object stays', async (name, url, bodyOf) => {
    await using open = await openBehindProxy();
    const body = bodyOf(await lateAnswer(open));
    await open.server.putObject('bucket', 'key', 'old');
    if (name === 'put') await open.driver.deleteMany(['key'], { signal });
    const before = [...open.server.objects('bucket').keys()];
    open.proxy.fail({ url, with: { status: 200, headers: JSON_TYPE, body } });
    expect(await rejection(CALLS[name]!(open.driver))).toMatchObject({
      code: 'CONNECTION_FAILED',
      retryable: false,
    });
    expect([...open.server.objects('bucket').keys()]).toEqual(before);
  });

  test.each<[string, RegExp, (driver: StorageDriver) => Promise<unknown>]>([
    ['info', /\/o\/key\?/, (driver) => driver.info('key', { signal })],
    ['get', /\/o\/key\?fields/, (driver) => driver.get('key', { signal })],
    ['copy from the key', /\/o\/key\?/, (driver) => driver.copy('key', 'to', { signal })],
    ['copy to the key', /\/o\/key\?/, (driver) => driver.copy('from', 'key', { signal })],
  ])('is not taken for what is stored: %s', async (_, url, call) => {
    await using open = await openBehindProxy();
    const body = await lateAnswer(open);
    for (const key of ['key', 'from']) await open.server.putObject('bucket', key, key);
    const before = [...open.server.objects('bucket').keys()];
    open.proxy.fail({ method: 'GET', url, with: { status: 200, headers: JSON_TYPE, body } });
    expect(await rejection(call(open.driver))).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'The service answered about another object',
      retryable: true,
    });
    expect([...open.server.objects('bucket').keys()]).toEqual(before);
    expect(String(open.server.object('bucket', 'key')!.body)).toBe('key');
  });

  test.each([1, 2, 3])(
    'does not keep a resumable upload from going on: after %i',
    async (after) => {
      await using open = await openBehindProxy({ maxRetries: 1 });
      const body = await lateAnswer(open);
      const answer = { status: 200, headers: JSON_TYPE, body };
      open.proxy.fail({ url: /upload_id=/, after: after - 1, with: answer });
      const bytes = Buffer.alloc(3 * CHUNK, 'a');
      await open.driver.put('key', bytes, putOptions({ partSize: CHUNK }));
      expect(open.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
      expect(open.server.object('bucket', 'other')).toBeDefined();
    },
  );
});

test('an upload that is given up takes no objects along but its own, whatever is listed', async () => {
  await using open = await openBehindProxy();
  const { driver, proxy, server } = open;
  const { key, version, size } = await driver.put('other', Buffer.from('other'), putOptions());
  const uploadId = await driver.startMultipartUpload('key', putOptions());
  const own = { name: '.nestjs-storages/uploads/x', generation: '1', size: '0' };
  const items = [own, { name: key, generation: version, size: String(size) }];
  const answer = { status: 200, headers: JSON_TYPE, body: JSON.stringify({ items }) };
  proxy.fail({ method: 'GET', url: /prefix=/, times: Infinity, with: answer });
  const aborted = driver.abortMultipartUpload({ key: 'key', uploadId }, { signal });
  expect(await rejection(aborted)).toMatchObject({
    code: 'CONNECTION_FAILED',
    message: expect.stringContaining('do not begin with the prefix') as unknown,
  });
  expect(server.object('bucket', 'other')).toBeDefined();
});

interface Told {
  /** Of an upload that is stored. Default 200. */
  readonly status?: number;
  /** Whether the first chunk is the end of it. */
  readonly early?: boolean;
  /** Whether it is told what was stored. */
  readonly checksum: boolean;
}

/** A driver of a service that stores nothing, but says so of each upload. */
async function openSaying({ status = 200, early = false, checksum }: Told) {
  const seen: string[] = [];
  let metadata: unknown;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request
      .on('data', (chunk: Buffer) => chunks.push(chunk))
      .once('end', () => {
        const { method = '', url = '', headers } = request;
        const body = Buffer.concat(chunks);
        seen.push(`${method} ${url.replace(/\?.*/, '')}`);
        if (method === 'DELETE') return void response.writeHead(204).end();
        if (method === 'POST') {
          const [described] = /\{.*\}/.exec(body.toString('latin1'))!;
          ({ metadata } = JSON.parse(described) as { metadata: unknown });
          if (!url.includes('uploadType=multipart')) {
            return void response.writeHead(200, { location: `http://x${url}&upload_id=1` }).end();
          }
        }
        const [, last] = /-(\d+)\/\*$/.exec(headers['content-range'] ?? '') ?? [];
        if (last !== undefined && !early) {
          return void response.writeHead(308, { range: `bytes=0-${last}` }).end();
        }
        const crc32c = startChecksum('crc32c');
        crc32c.update(body);
        const resource = { name: 'key', generation: '7', size: String(body.byteLength), metadata };
        const more = checksum ? { crc32c: crc32c.digest().value } : {};
        response.writeHead(status, JSON_TYPE).end(JSON.stringify({ ...resource, ...more }));
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const driver = await createGcsDriver(
    { bucket: 'bucket', apiEndpoint: `http://127.0.0.1:${port}` },
    { storage: 'files', retry: parseRetryOptions({ maxRetries: 0 }), concurrency: 1 },
  );
  return {
    seen,
    driver,
    async [Symbol.asyncDispose]() {
      await driver.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test.each([true, false])(
  'an upload that the service ends before its last chunk is no success, and is taken away; its checksum is told: %s',
  async (checksum) => {
    await using open = await openSaying({ early: true, checksum });
    for (const body of [Buffer.alloc(2 * CHUNK), chunks(Buffer.alloc(2 * CHUNK))]) {
      open.seen.length = 0;
      const put = open.driver.put('key', body, putOptions({ partSize: CHUNK }));
      expect(await rejection(put)).toMatchObject({
        code: 'INTEGRITY',
        message: 'The service stored other bytes than were sent, which were removed again',
      });
      expect(open.seen).toContain('DELETE /storage/v1/b/bucket/o/key');
    }
  },
);

test.each([200, 201])(
  'an upload that is stored with status %i, and no word of its checksum, is a success',
  async (status) => {
    await using open = await openSaying({ status, checksum: false });
    for (const size of [1, 2 * CHUNK]) {
      const body = Buffer.alloc(size);
      const file = await open.driver.put('key', body, putOptions({ partSize: CHUNK }));
      expect(file).toMatchObject({ key: 'key', version: '7' });
      expect(file.checksum).toBeUndefined();
    }
    expect(open.seen.filter((seen) => seen.startsWith('DELETE'))).toEqual([]);
  },
);

test('bytes without their generation are taken for those that were asked for by it, and no others', async () => {
  await using open = await openBehindProxy();
  const bytes = Buffer.from('0123456789');
  const { version } = await open.driver.put('key', bytes, putOptions());
  const answer = { status: 200, headers: {}, body: bytes.toString() };
  open.proxy.fail({ url: /alt=media/, times: Infinity, with: answer });
  expect(await read(await open.driver.get('key', { signal }))).toEqual(bytes);
  const media = open.proxy.requests.filter(({ url }) => url.includes('alt=media'));
  expect(media.map(({ url }) => url.includes(`ifGenerationMatch=${version}`))).toEqual([
    false,
    true,
  ]);
});

test('a copy with which the service does not go on has an end', async () => {
  await using open = await openBehindProxy();
  await open.driver.put('key', Buffer.from('a'), putOptions());
  const body = JSON.stringify({ done: false, rewriteToken: 't', totalBytesRewritten: '0' });
  const answer = { status: 200, headers: JSON_TYPE, body };
  open.proxy.fail({ url: /rewriteTo/, times: Infinity, with: answer });
  expect(await rejection(CALLS['copy']!(open.driver))).toMatchObject({
    code: 'CONNECTION_FAILED',
    message: 'The service does not go on with the copy',
  });
  const calls = open.proxy.requests.filter(({ url }) => url.includes('rewriteTo'));
  expect(calls).toHaveLength(11);
});

test('a listing that leads back to the page where it is has an end', async () => {
  const server = await startGcsServer();
  await using proxy = await startFaultProxy({ target: server.endpoint });
  const clientOptions = { ...server.clientOptions, apiEndpoint: proxy.endpoint };
  const driver = await openDriver(server, { client: clientOf({ ...server, clientOptions }) });
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ kind: 'storage#objects', nextPageToken: 'same' });
  proxy.fail({ times: Infinity, with: { status: 200, headers, body } });
  const error = await rejection(listAll(driver));
  expect(error).toBeInstanceOf(StorageConnectionError);
  expect((error as Error).message).toContain('repeats its cursor');
  expect(proxy.requests).toHaveLength(2);
  await driver.close();
  await server.close();
});

test.each([
  ['of files', (driver: StorageDriver) => listAll(driver)],
  [
    'of uploads',
    async (driver: StorageDriver) => {
      for await (const _ of driver.listMultipartUploads({ prefix: '', signal }));
    },
  ],
])('a listing %s that goes round in a circle has an end', async (_, call) => {
  const server = await startGcsServer();
  await using proxy = await startFaultProxy({ target: server.endpoint });
  const clientOptions = { ...server.clientOptions, apiEndpoint: proxy.endpoint };
  const driver = await openDriver(server, { client: clientOf({ ...server, clientOptions }) });
  const headers = { 'content-type': 'application/json' };
  for (const [token, next] of ['xy', 'ya', 'ab', 'bc', 'ca']) {
    const body = JSON.stringify({ kind: 'storage#objects', nextPageToken: next });
    const url = new RegExp(`pageToken=${token}(&|$)`);
    proxy.fail({ url, times: 10, with: { status: 200, headers, body } });
  }
  const body = JSON.stringify({ kind: 'storage#objects', nextPageToken: 'x' });
  proxy.fail({ with: { status: 200, headers, body } });
  expect(await rejection(call(driver))).toMatchObject({
    code: 'CONNECTION_FAILED',
    retryable: false,
    message: expect.stringContaining('repeats its cursor') as unknown,
  });
  await driver.close();
  await server.close();
});

describe.each(['text/plain', 'application/json'])(
  'a 404 as %s that is not of the service',
  (type) => {
    test('is about no bucket, and no listing is empty for it', async () => {
      const server = await startGcsServer();
      await using proxy = await startFaultProxy({ target: server.endpoint });
      const clientOptions = { ...server.clientOptions, apiEndpoint: proxy.endpoint };
      const client = clientOf({ ...server, clientOptions });
      const driver = await openDriver(server, { client, retry: { maxRetries: 0 } });
      const headers = { 'content-type': type };
      const body =
        type === 'text/plain' ? 'default backend - 404' : '{"message":"no Route matched"}';
      proxy.fail({ times: Infinity, with: { status: 404, headers, body } });
      const { info, list } = CALLS as Record<'info' | 'list', (typeof CALLS)[string]>;
      for (const call of [list, info]) {
        expect(await rejection(call(driver))).toMatchObject({
          code: 'CONNECTION_FAILED',
          message: expect.stringContaining(
            'no answer of Google Cloud Storage: check apiEndpoint',
          ) as unknown,
        });
      }
      proxy.clearFaults();
      // Now that the bucket is known to be there.
      await driver.put('key', Buffer.from('a'), putOptions());
      expect(await rejection(driver.info('missing', { signal }))).toMatchObject({
        code: 'FILE_NOT_FOUND',
      });
      proxy.fail({ times: Infinity, with: { status: 404, headers, body } });
      expect(await rejection(list(driver))).toMatchObject({ code: 'CONNECTION_FAILED' });
      await driver.close();
      await server.close();
    });
  },
);

test('a listing of a bucket that was deleted meanwhile says so', async () => {
  const server = await startGcsServer();
  await using proxy = await startFaultProxy({ target: server.endpoint });
  const clientOptions = { ...server.clientOptions, apiEndpoint: proxy.endpoint };
  const driver = await openDriver(server, { client: clientOf({ ...server, clientOptions }) });
  await rejection(driver.info('missing', { signal }));
  const error = {
    code: 404,
    message: 'The specified bucket does not exist.',
    errors: [{ reason: 'notFound' }],
  };
  proxy.fail({
    with: {
      status: 404,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ error }),
    },
  });
  expect(await rejection(listAll(driver))).toMatchObject({
    code: 'CONFIGURATION',
    message: expect.stringContaining('does not exist') as unknown,
  });
  await driver.close();
  await server.close();
});

describe('a range', () => {
  const bytes = Buffer.from('0123456789');

  /** What comes of the range when media is answered so. */
  async function answered(range: { start: number; end: number }, answer: ProxyAnswer) {
    const server = await startGcsServer();
    await using proxy = await startFaultProxy({ target: server.endpoint });
    const clientOptions = { ...server.clientOptions, apiEndpoint: proxy.endpoint };
    const driver = await openDriver(server, { client: clientOf({ ...server, clientOptions }) });
    const { version } = await driver.put('key', bytes, putOptions());
    const headers = { 'x-goog-generation': version!, ...answer.headers };
    proxy.fail({ url: /alt=media/, with: { ...answer, headers } });
    try {
      return await read(await driver.get('key', { signal, range }));
    } finally {
      await driver.close();
      await server.close();
    }
  }

  test.each<[string, ProxyAnswer]>([
    ['the whole file', { status: 200, body: '0123456789' }],
    ['another one', { status: 206, headers: { 'content-range': 'bytes 1-3/10' }, body: '123' }],
    [
      'one of another file',
      { status: 206, headers: { 'content-range': 'bytes 2-4/11' }, body: '234' },
    ],
    ['bytes without their place', { status: 206, body: '234' }],
  ])('for which %s comes is refused', async (_, answer) => {
    await expect(answered({ start: 2, end: 4 }, answer)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: 'The service answered another range than was asked for',
    });
  });

  test('of the whole file may be answered as that', async () => {
    const whole = { status: 200, body: '0123456789' };
    expect(await answered({ start: 0, end: 9 }, whole)).toEqual(bytes);
  });
});

test.each(['1', '"1', '1"', 'W/"1"', '"1"x', '"x1"', '"1x"', '""'])(
  'the etag %s names no generation',
  (etag) => {
    expect(generationOf('"1795"')).toBe('1795');
    expect(generationOf(etag)).toBeUndefined();
  },
);

describe('an object', () => {
  const described = { name: 'key', size: '3', generation: '1' };

  test.each(['name', 'size', 'generation'])('without its %s is none', (field) => {
    const { [field]: _, ...rest } = described as Record<string, string>;
    expect(() => parseObject(rest)).toThrow(StorageConnectionError);
    expect(() => parseObject(rest)).toThrow(
      'The service described an object without its generation',
    );
  });

  test.each([{}, { updated: 'yesterday' }])(
    'tells no time and no checksum that it lacks (%j)',
    (more) => {
      const file = fileOf(parseObject({ ...described, ...more }));
      expect(file).toEqual({ key: 'key', size: 3, etag: '"1"', version: '1', metadata: {} });
    },
  );
});

describe('a batch of deletions', () => {
  const part = (id: string, status: string) =>
    `--b\r\ncontent-type: application/http\r\n${id}\r\n\r\n${status}\r\n\r\n\r\n`;
  const [FIRST, SECOND] = ['content-id: <response-1>', 'content-id: <response-2>'];
  const DONE = 'HTTP/1.1 204 No Content';

  async function deleted(type: Record<string, string>, parts: string) {
    const server = await startGcsServer();
    await using proxy = await startFaultProxy({ target: server.endpoint });
    const clientOptions = { ...server.clientOptions, apiEndpoint: proxy.endpoint };
    const client = clientOf({ ...server, clientOptions });
    const driver = await openDriver(server, { client, retry: { maxRetries: 0 } });
    proxy.fail({ url: /batch/, with: { status: 200, headers: type, body: `${parts}--b--\r\n` } });
    try {
      return await driver.deleteMany(['a', 'b'], { signal });
    } finally {
      await driver.close();
      await server.close();
    }
  }

  test.each(['b', '"b"'])('is read by its boundary, as %s', async (boundary) => {
    const type = { 'content-type': `multipart/mixed; boundary=${boundary}` };
    const result = await deleted(type, part(SECOND, DONE) + part(FIRST, DONE));
    expect(result.failed).toEqual([]);
  });

  test('that asks to wait for a year is not waited for', async () => {
    await using open = await openBehindProxy({ maxRetries: 3 });
    const busy = 'HTTP/1.1 429 Too Many Requests\r\nX-Other: 1\r\nRetry-After:  31536000 ';
    const headers = { 'content-type': 'multipart/mixed; boundary=b' };
    const body = `${part(FIRST, busy)}${part(SECOND, DONE)}--b--\r\n`;
    open.proxy.fail({ url: /batch/, times: Infinity, with: { status: 200, headers, body } });
    const { failed } = await open.driver.deleteMany(['a', 'b'], { signal });
    const error = { code: 'RATE_LIMITED', retryAfter: 31_536_000_000 };
    expect(failed).toMatchObject([{ key: 'a', error }]);
    expect(open.proxy.requests).toHaveLength(1);
  });

  test.each<[string, Record<string, string>, string]>([
    ['one', { 'content-type': 'multipart/mixed; boundary=b' }, part(FIRST, DONE)],
    [
      'the number of one',
      { 'content-type': 'multipart/mixed; boundary=b' },
      part(FIRST, DONE) + part('x: y', DONE),
    ],
    [
      'the status of one',
      { 'content-type': 'multipart/mixed; boundary=b' },
      part(FIRST, DONE) + part(SECOND, 'No Content'),
    ],
    ['the boundary', { 'content-type': 'multipart/mixed' }, part(FIRST, DONE) + part(SECOND, DONE)],
    [
      'the boundary, in a body of parts',
      { 'content-type': 'multipart/mixed' },
      (part(FIRST, DONE) + part(SECOND, DONE)).replaceAll('--b\r', '--undefined\r'),
    ],
    [
      'one but for what stands before the parts',
      { 'content-type': 'multipart/mixed; boundary=b' },
      `${SECOND}\r\n\r\n${DONE}\r\n\r\n${part(FIRST, DONE)}`,
    ],
    ['the type', {}, part(FIRST, DONE) + part(SECOND, DONE)],
  ])('has deleted nothing for certain when the answer leaves out %s', async (_, type, parts) => {
    await expect(deleted(type, parts)).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'The service left out answers of a batch',
    });
  });
});
