import { parseObject, toResource } from '../../../lib/drivers/gcs/gcs.metadata.js';
import { mayHaveHappened } from '../../../lib/drivers/remote/uncertain-failures.js';
import {
  CHUNK,
  chunks,
  clientOf,
  openDriver,
  openGcs,
  type OpenGcs,
  openProxied,
  putOptions,
  randomBytes,
  read,
  rejection,
  signal,
  started,
} from './open-gcs.js';

/** Whether the call comes to its end while others, one after the other, come and go. */
async function endsByItself({ driver }: OpenGcs, call: Promise<unknown>): Promise<boolean> {
  const others = async (): Promise<boolean> => {
    for (let count = 0; count < 20; count++) await driver.info('other', { signal });
    return false;
  };
  return Promise.race([call.then(() => true), others()]);
}

test('a call that only reads is cut by its abort, and not waited for', async () => {
  await using gcs = await openGcs();
  await gcs.driver.put('other', Buffer.from('x'), putOptions());
  gcs.server.fail({ operation: 'objects.get', with: 'stall' });
  const abort = new AbortController();
  const call = rejection(gcs.driver.info('key', { signal: abort.signal }));
  await started(gcs.server, 'objects.get');
  abort.abort();
  expect(await endsByItself(gcs, call)).toBe(true);
  expect(await call).toMatchObject({ code: 'ABORTED' });
});

test('an upload that asks how far it is, before its last chunk, is cut by its abort', async () => {
  await using gcs = await openGcs();
  await gcs.driver.put('other', Buffer.from('x'), putOptions());
  gcs.server.fail({ operation: 'resumable.upload', with: 'reset' });
  gcs.server.fail({ operation: 'resumable.query', with: 'stall' });
  const abort = new AbortController();
  const options = putOptions({ partSize: CHUNK, signal: abort.signal });
  const put = rejection(gcs.driver.put('key', randomBytes(3 * CHUNK), options));
  await started(gcs.server, 'resumable.query');
  abort.abort();
  expect(await endsByItself(gcs, put)).toBe(true);
  expect(await put).toMatchObject({ code: 'ABORTED' });
  expect(gcs.server.resumableSessions('bucket')).toEqual([]);
});

test('a session that the service has lost is not cancelled', async () => {
  await using gcs = await openGcs();
  const lost = { status: 410, reason: 'uploadSessionExpired' };
  gcs.server.fail({ operation: 'resumable.upload', with: lost });
  const body = chunks(randomBytes(3 * CHUNK));
  const put = gcs.driver.put('key', body, putOptions({ partSize: CHUNK }));
  expect(await rejection(put)).toMatchObject({
    code: 'CONNECTION_FAILED',
    message: 'The service has lost the upload; start it again',
  });
  expect(gcs.operations()).toEqual(['resumable.start', 'resumable.upload']);
});

test('a token that another call has renewed meanwhile is not renewed once more', async () => {
  await using gcs = await openGcs();
  await using proxied = await openProxied(gcs.server);
  await proxied.driver.put('key', Buffer.from('x'), putOptions());
  gcs.server.revokeTokens();
  gcs.server.clearRequests();
  let release = (): void => {};
  const hold = new Promise<void>((resolve) => (release = resolve));
  proxied.proxy.fail({ method: 'GET', with: { hold } });
  const slow = proxied.driver.info('key', { signal });
  await proxied.proxy.until(({ held }) => held === 1);
  await proxied.driver.info('key', { signal });
  release();
  expect((await slow).size).toBe(1);
  const outcomes = gcs.server.requests.map(({ operation, status }) => `${operation} ${status}`);
  expect(outcomes).toEqual([
    'objects.get 401',
    'auth.token 200',
    'objects.get 200',
    'objects.get 401',
    'objects.get 200',
  ]);
});

test('what is sent says what it is, and how long', async () => {
  await using gcs = await openGcs();
  await gcs.driver.put('large', randomBytes(CHUNK + 1), putOptions({ partSize: CHUNK }));
  await gcs.driver.copy('large', 'copy', { signal, contentType: 'image/png' });
  const upload = await gcs.driver.startMultipartUpload('joined', putOptions());
  const at = { key: 'joined', uploadId: upload };
  const part = await gcs.driver.uploadPart(at, 1, Buffer.from('1'), { signal });
  await gcs.driver.completeMultipartUpload(at, [part], { signal });
  await gcs.driver.info('joined', { signal });
  const json = ['resumable.start', 'objects.rewrite', 'objects.compose'];
  for (const operation of json) {
    const sent = gcs.server.requests.filter((request) => request.operation === operation);
    expect([operation, sent.length > 0]).toEqual([operation, true]);
    for (const { headers } of sent) {
      expect(headers['content-type']).toBe('application/json; charset=UTF-8');
    }
  }
  const ours = gcs.server.requests.filter(({ operation }) => operation !== 'auth.token');
  for (const { method, headers } of ours) {
    expect(headers['user-agent']).toBe('nestjs-storages');
    expect(headers['transfer-encoding']).toBeUndefined();
    const length = headers['content-length'];
    expect([method, length !== undefined]).toEqual([method, method !== 'GET']);
  }
});

test('a parameter that is left out is not sent, and others are encoded', async () => {
  await using gcs = await openGcs();
  await using proxied = await openProxied(gcs.server);
  const key = 'a&b=c/d?e#f +%';
  await proxied.driver.put(key, Buffer.from('x'), putOptions());
  await proxied.driver.deleteMany([key], { signal });
  const [inserted, deleted] = proxied.proxy.requests.map(({ url }) => url);
  expect(inserted).toContain('/upload/storage/v1/b/bucket/o?uploadType=multipart');
  expect(deleted).toBe(`/storage/v1/b/bucket/o/${encodeURIComponent(key)}`);
  expect(gcs.server.objects('bucket').size).toBe(0);
});

test('a bucket whose existence is known is not asked for again', async () => {
  await using gcs = await openGcs();
  // Words that do not tell what is missing.
  const missing = { status: 404, reason: 'notFound', message: 'Not Found' };
  gcs.server.fail({ operation: 'objects.get', times: 2, with: missing });
  for (let times = 0; times < 2; times++) {
    const error = await rejection(gcs.driver.info('key', { signal }));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND' });
  }
  expect(gcs.operations()).toEqual(['objects.get', 'buckets.get', 'objects.get']);
  const asked = gcs.server.requests.find(({ operation }) => operation === 'buckets.get')!;
  expect(asked.query).toEqual({ fields: 'name' });
});

describe('who is not let in', () => {
  const NOT_ACCEPTED = {
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining('The service does not accept the credentials') as unknown,
  };

  test('and has no token asks once', async () => {
    await using gcs = await openGcs();
    const driver = await openDriver(gcs.server, { apiEndpoint: gcs.server.endpoint });
    expect(await rejection(driver.info('key', { signal }))).toMatchObject(NOT_ACCEPTED);
    expect(gcs.operations()).toEqual(['objects.get']);
    await driver.close();
  });

  test('and has always the same token asks once', async () => {
    await using gcs = await openGcs();
    const client = clientOf(gcs.server);
    const headers = { authorization: 'Bearer x' };
    client.authClient.getRequestHeaders = () => Promise.resolve(headers as never);
    const driver = await openDriver(gcs.server, { client });
    expect(await rejection(driver.info('key', { signal }))).toMatchObject(NOT_ACCEPTED);
    expect(gcs.operations()).toEqual(['objects.get']);
    await driver.close();
  });

  test('and has another token asks with that, too', async () => {
    await using gcs = await openGcs();
    const client = clientOf(gcs.server);
    let asked = 0;
    client.authClient.getRequestHeaders = () =>
      Promise.resolve({ authorization: `Bearer ${asked++}` } as never);
    const driver = await openDriver(gcs.server, { client });
    expect(await rejection(driver.info('key', { signal }))).toMatchObject(NOT_ACCEPTED);
    expect(gcs.operations()).toEqual(['objects.get', 'objects.get']);
    await driver.close();
  });
});

test('a request may have been done whose answer was lost, but not one that never left', async () => {
  await using gcs = await openGcs();
  await using reached = await openProxied(gcs.server, { retry: { maxRetries: 0 } });
  await using unreached = await openProxied(gcs.server, { retry: { maxRetries: 0 } });
  reached.proxy.fail({ with: 'reset' });
  unreached.proxy.refuse();
  for (const [{ driver }, mayHave] of [
    [reached, true],
    [unreached, false],
  ] as const) {
    const error = await rejection(driver.put('key', Buffer.from('x'), putOptions()));
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(mayHaveHappened(error)).toBe(mayHave);
  }
});

test('a write is uncertain also when only an attempt before the last one was', async () => {
  await using gcs = await openGcs({ retry: { maxRetries: 1 } });
  gcs.server.fail({ operation: 'objects.insert', with: 'reset-after-commit' });
  gcs.server.fail({
    operation: 'objects.insert',
    with: { status: 429, reason: 'rateLimitExceeded' },
  });
  const file = await gcs.driver.put('key', Buffer.from('x'), putOptions());
  expect(gcs.operations()).toEqual(['objects.insert', 'objects.insert', 'objects.get']);
  expect(file).toEqual(await gcs.driver.info('key', { signal }));
});

test('a bucket that may not be asked for is taken to be there', async () => {
  await using gcs = await openGcs();
  const missing = { status: 404, reason: 'notFound', message: 'Not Found' };
  gcs.server.fail({ operation: 'objects.get', with: missing });
  gcs.server.fail({ operation: 'buckets.get', with: { status: 403, reason: 'forbidden' } });
  const error = await rejection(gcs.driver.info('key', { signal }));
  expect(error).toMatchObject({ code: 'FILE_NOT_FOUND' });
});

const DESCRIBED = { name: 'key', size: '1', generation: '7' };

test.each([
  [{ metadata: { error: 'none' }, ...DESCRIBED }, { error: 'none' }],
  [{ ...DESCRIBED, metadata: { error: 'none' } }, { error: 'none' }],
])('a file with metadata named error is no failure: %j', async (resource, metadata) => {
  await using gcs = await openGcs();
  await using proxied = await openProxied(gcs.server);
  const headers = { 'content-type': 'application/json' };
  const nested = { ...resource, owner: { error: {} } };
  for (const body of [JSON.stringify(resource), JSON.stringify(nested)]) {
    proxied.proxy.fail({ with: { status: 200, headers, body } });
    expect((await proxied.driver.info('key', { signal })).metadata).toEqual(metadata);
  }
  const first = JSON.stringify({ owner: { error: {} }, ...resource }).replace('{', '');
  proxied.proxy.fail({ with: { status: 200, headers, body: `{${first}` } });
  expect((await proxied.driver.info('key', { signal })).metadata).toEqual(metadata);
});

test.each(['{"error":{"code":500}}', ' \n{ "error" : {} }'])(
  'a success that holds %j is tried again',
  async (body) => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    await gcs.driver.put('key', Buffer.from('x'), putOptions());
    const headers = { 'content-type': 'application/json' };
    proxied.proxy.fail({ with: { status: 200, headers, body } });
    expect((await proxied.driver.info('key', { signal })).size).toBe(1);
    expect(proxied.proxy.requests).toHaveLength(2);
  },
);

test('an object has the attributes that the service names, and no others', () => {
  expect(Object.keys(parseObject(DESCRIBED).attributes)).toEqual(['metadata']);
  const named = {
    contentType: 'text/plain',
    cacheControl: 'no-store',
    contentDisposition: 'inline',
    contentEncoding: 'gzip',
    contentLanguage: 'de',
  };
  expect(parseObject({ ...DESCRIBED, ...named }).attributes).toEqual({ ...named, metadata: {} });
});

test('a resource has the attributes that are given, but for empty ones, and the token of the write', () => {
  const attributes = { contentType: 'text/plain', cacheControl: '', metadata: { a: '' } };
  expect(toResource(attributes)).toStrictEqual({
    contentType: 'text/plain',
    metadata: { a: '' },
  });
  expect(toResource({}, 'token')).toStrictEqual({
    metadata: { 'nestjs-storages-write': 'token' },
  });
});

const MEDIA = /alt=media/;

test('a download that is throttled in plain words is opened again', async () => {
  await using gcs = await openGcs();
  await using proxied = await openProxied(gcs.server);
  await gcs.driver.put('key', Buffer.from('x'), putOptions());
  for (const [status, body] of [
    [403, 'Rate Limit Exceeded'],
    [408, ''],
    [429, ''],
    [500, ''],
    [503, ''],
  ] as const) {
    const before = proxied.proxy.seen('GET', MEDIA).length;
    proxied.proxy.fail({ url: MEDIA, with: { status, headers: {}, body } });
    const download = await proxied.driver.get('key', { signal });
    expect((await read(download)).toString()).toBe('x');
    const attempts = proxied.proxy.seen('GET', MEDIA).length - before;
    expect([status, attempts]).toEqual([status, 2]);
  }
});

const ANSWERED = 'HTTP/1.1 204 No Content';

describe('the answer to a batch', () => {
  interface Part {
    readonly id: string;
    readonly answer: string;
    readonly content?: string;
  }

  async function failures(type: string, separator: string, parts: readonly Part[]) {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server, { retry: { maxRetries: 0 } });
    const told = parts.map(({ id, answer, content = '' }) =>
      [separator, 'Content-Type: application/http', id, '', answer, '', content, ''].join('\r\n'),
    );
    const body = `Preamble\r\n${told.join('')}${separator}--\r\n`;
    const headers = { 'content-type': type };
    proxied.proxy.fail({ url: /batch/, with: { status: 200, headers, body } });
    return (await proxied.driver.deleteMany(['a', 'b'], { signal })).failed;
  }

  test.each([
    ['multipart/mixed; boundary=bx', '--bx'],
    ['multipart/mixed; boundary=bx; charset=UTF-8', '--bx'],
    ['multipart/mixed; Boundary=bx', '--bx'],
    ['multipart/mixed; boundary="b; x"', '--b; x'],
  ])('of type %s is cut at the whole boundary', async (type, separator) => {
    const message = 'because --b is not "--bad"';
    const refused = { error: { message, errors: [{ reason: 'forbidden' }] } };
    const failed = await failures(type, separator, [
      { id: 'Content-ID: <response-item:1>', answer: ANSWERED },
      {
        id: 'Content-ID: <response-item:2>',
        answer: 'HTTP/1.1 403 Forbidden\r\nContent-Type: application/json',
        content: JSON.stringify(refused),
      },
    ]);
    expect(failed).toMatchObject([{ key: 'b', error: { code: 'PERMISSION_DENIED' } }]);
    expect(failed[0]!.error.message).toContain(message);
  });

  test('may number its parts in any order, and without brackets', async () => {
    const denied = 'HTTP/2 403 Forbidden';
    const failed = await failures('multipart/mixed; boundary=bx', '--bx', [
      { id: 'content-id:response-2', answer: ANSWERED },
      { id: 'content-id:response-1', answer: denied },
    ]);
    expect(failed.map(({ key }) => key)).toEqual(['a']);
  });

  test('takes the number of a part from no header of another name', async () => {
    const failed = await failures('multipart/mixed; boundary=bx', '--bx', [
      { id: 'X-Content-ID: <2>\r\nContent-ID: <1>', answer: 'HTTP/1.1 403 Forbidden' },
      { id: 'X-Content-ID: <1>\r\nContent-ID: <2>', answer: ANSWERED },
    ]);
    expect(failed.map(({ key }) => key)).toEqual(['a']);
  });

  test('keeps what is refused whole, blank lines too', async () => {
    const content = '<Error><Message>one\r\n\r\ntwo</Message></Error>';
    const failed = await failures('multipart/mixed; boundary=bx', '--bx', [
      { id: 'content-id: <1>', answer: 'HTTP/1.1 403 Forbidden', content },
      { id: 'content-id: <2>', answer: ANSWERED },
    ]);
    expect(failed[0]!.error.message).toContain('one\r\n\r\ntwo');
  });
});
