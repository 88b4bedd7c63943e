import { closeApps } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { ADAPTERS } from '../routes/routes-fixture.js';
import { type DirectApp, PNG, put, startDirect } from './direct-fixture.js';

const NOT_FOUND = [404, 'UPLOAD_NOT_FOUND'];
const MIB = 1024 ** 2;

describe.each(Object.keys(ADAPTERS))('on %s', (adapter) => {
  let app: DirectApp;
  beforeAll(async () => {
    app = await startDirect(
      { driver: 'memory' },
      {
        accept: ['image/*'],
        maxSize: 12 * MIB,
        activeStorage: { path: '/blobs' },
        companion: { path: '/uppy' },
      },
      { adapter, configure: (each) => each.setGlobalPrefix('api') },
    );
  });
  afterEach(async () => {
    await app.storage.deletePrefix('', { all: true });
  });
  afterAll(closeApps);

  async function refusal(...args: Parameters<DirectApp['call']>): Promise<unknown[]> {
    const { status, json } = await app.call(...args);
    return [status, json.code];
  }

  test.each([
    'direct-uploads',
    'direct-uploads/x/parts',
    'blobs',
    'uppy/s3/multipart',
    'uppy/sign',
  ])('a body for /%s that is no JSON object is refused with a code', async (path) => {
    for (const body of ['{"filename": ', '[', 'null', '"x"', '5', '[]']) {
      const answer = await send(app.port, `/api/${path}`, {
        method: 'POST',
        headers: { 'x-user': 'ada', 'content-type': 'application/json' },
        body,
      });
      expect([body, answer.status, answer.json]).toEqual([
        body,
        400,
        {
          statusCode: 400,
          message: 'The body must be a JSON object',
          code: 'INVALID_UPLOAD_REQUEST',
        },
      ]);
    }
  });

  test('a request without a body is none for a parser, though it says Content-Type', async () => {
    const asked = { filename: 'a.png', size: PNG.length };
    const headers = { 'x-user': 'ada', 'content-type': 'application/json' };
    const [completed, cancelled] = await Promise.all(
      [1, 2].map(async () => {
        const { json } = await app.call('POST', '/api/direct-uploads', asked);
        expect((await put(json, PNG)).ok).toBe(true);
        return `/api/direct-uploads/${json.id}`;
      }),
    );
    const statuses = [
      await send(app.port, `${completed}/complete`, { method: 'POST', headers }),
      await send(app.port, cancelled!, { method: 'DELETE', headers }),
      await send(app.port, '/api/uppy/s3/multipart/x', { method: 'DELETE', headers }),
      await send(app.port, '/api/direct-uploads', { method: 'POST', headers }),
    ].map(({ status, text }) => [status, /"code":"(\w+)"/.exec(text)?.[1]]);
    expect(statuses).toEqual([
      [200, undefined],
      [204, undefined],
      NOT_FOUND,
      [400, 'INVALID_UPLOAD_REQUEST'],
    ]);
    expect(await app.staged()).toEqual([]);
  });

  test.each([
    ['GET', 'direct-uploads/x/y'],
    ['POST', 'direct-uploads/x/other'],
    ['DELETE', 'direct-uploads/x/y'],
    ['GET', 'uppy/s3/other'],
    ['GET', 'uppy/s3/multipart'],
    ['GET', 'uppy/s3/multipart/x/1/2'],
    ['POST', 'uppy/s3/other'],
    ['POST', 'uppy/s3/multipart/x/finish'],
    ['DELETE', 'uppy/s3/multipart'],
    ['DELETE', 'uppy/s3/multipart/x/1'],
  ])('%s /%s is no upload', async (method, path) => {
    const body = method === 'POST' ? {} : undefined;
    expect(await refusal(method, `/api/${path}`, body)).toEqual(NOT_FOUND);
  });

  describe('Active Storage', () => {
    const blob = { filename: 'a.png', byte_size: 9, content_type: 'image/png' };

    test.each([
      [400, 'INVALID_UPLOAD_REQUEST', {}],
      [400, 'INVALID_UPLOAD_REQUEST', { blob: { ...blob, byte_size: 'many' } }],
      [400, 'INVALID_CHECKSUM', { blob: { ...blob, checksum: 'x' } }],
      [413, 'LIMIT_FILE_SIZE', { blob: { ...blob, byte_size: 13 * MIB } }],
      [415, 'UNSUPPORTED_MEDIA_TYPE', { blob: { ...blob, content_type: 'text/html' } }],
    ])('is answered %s %s for %j', async (status, code, body) => {
      expect(await refusal('POST', '/api/blobs', body)).toEqual([status, code]);
    });

    test('gets back what it told, and an id that only its owner completes', async () => {
      const checksum = Buffer.alloc(16).toString('base64');
      const { status, json } = await app.call('POST', '/api/blobs', {
        blob: { ...blob, checksum },
      });
      expect([status, json]).toMatchObject([200, { ...blob, checksum }]);
      await expect(app.uploads.complete(json.signed_id, 'eve')).rejects.toMatchObject({
        status: 404,
      });
      // Other bytes than those of the checksum are not stored at all.
      expect((await put(json.direct_upload, PNG.subarray(0, 9))).status).toBe(422);
      expect(await app.staged()).toEqual([]);
    });
  });

  describe('Companion', () => {
    test('has forms that are bound to the size that it allows', async () => {
      const { json } = await app.call('GET', '/api/uppy/s3/params?filename=a.png&type=image/png');
      const form = new FormData();
      for (const [field, value] of Object.entries<string>(json.fields)) form.set(field, value);
      form.set('file', new Blob([Buffer.alloc(12 * MIB + 1)]));
      expect((await fetch(json.url, { method: 'POST', body: form })).status).toBe(413);
      form.set('file', new Blob([new Uint8Array(PNG)]));
      expect((await fetch(json.url, { method: 'POST', body: form })).status).toBe(201);
      const key = { key: json.fields.key };
      expect(await refusal('POST', '/api/direct-uploads/complete', key, 'eve')).toEqual(NOT_FOUND);
      const completed = await app.call('POST', '/api/direct-uploads/complete', key);
      expect(completed.json.size).toBe(PNG.length);
      // As by a client to which the answer did not come.
      const again = await app.call('POST', '/api/direct-uploads/complete', key);
      expect([again.status, again.json.key]).toEqual([200, completed.json.key]);
      expect(await app.staged()).toEqual([]);
    });

    test('takes nothing for a size that is none', async () => {
      for (const size of ['', ' 12 ', '0x10', '1e3', [5], [], true, false, {}, -1]) {
        const file = { filename: 'a.png', type: 'image/png', metadata: { size } };
        const refused = await refusal('POST', '/api/uppy/s3/multipart', file);
        expect([size, ...refused]).toEqual([size, 400, 'INVALID_UPLOAD_REQUEST']);
      }
    });

    test('completes an upload whatever the length of its list of parts', async () => {
      const file = { filename: 'a.png', type: 'image/png' };
      const { json } = await app.call('POST', '/api/uppy/s3/multipart', file);
      const of = (rest: string) => `/api/uppy/s3/multipart/${json.uploadId}${rest}?key=${json.key}`;
      const { url } = (await app.call('GET', of('/1'))).json;
      expect((await put({ url, headers: {} }, PNG)).status).toBe(201);
      const parts = Array.from({ length: 10_000 }, (_, index) => ({
        PartNumber: index + 1,
        ETag: '"0123456789abcdef0123456789abcdef"',
      }));
      const completed = await app.call('POST', of('/complete'), {
        parts,
        padding: 'x'.repeat(2 * MIB),
      });
      expect([completed.status, completed.json.key]).toEqual([200, json.key]);
    });

    test('gives URLs for parts of the own upload only, and for no others', async () => {
      const file = { filename: 'a.png', type: 'image/png' };
      const { json } = await app.call('POST', '/api/uppy/s3/multipart', file);
      const other = await app.call('POST', '/api/uppy/s3/multipart', file);
      const of = (rest: string, key = json.key) =>
        `/api/uppy/s3/multipart/${json.uploadId}${rest}?key=${key}`;
      // 12 MiB at most, in parts of 5 MiB at least.
      for (const part of ['0', '4', '-1', '1.5', '10001', 'x', '1e0']) {
        expect(await refusal('GET', of(`/${part}`))).toEqual([400, 'INVALID_PART_NUMBER']);
      }
      for (const [method, rest] of [
        ['GET', '/1'],
        ['GET', ''],
        ['POST', '/complete'],
        ['DELETE', ''],
      ] as const) {
        expect(await refusal(method, of(rest), undefined, 'eve')).toEqual(NOT_FOUND);
        expect(await refusal(method, of(rest, other.json.key))).toEqual(NOT_FOUND);
      }
      expect(await refusal('POST', of('/complete'), { parts: [] })).toEqual([409, 'NOT_UPLOADED']);
      // More than is allowed, part by part: refused as a whole.
      for (const part of [1, 2, 3]) {
        const { url } = (await app.call('GET', of(`/${part}`))).json;
        const body = Buffer.concat([PNG, Buffer.alloc(5 * MIB)]);
        expect((await put({ url, headers: {} }, body)).status).toBe(201);
      }
      expect((await app.call('GET', of(''))).json).toHaveLength(3);
      expect(await refusal('POST', of('/complete'), { parts: [] })).toEqual([
        413,
        'LIMIT_FILE_SIZE',
      ]);
      expect((await app.call('GET', of(''))).json).toEqual([]);
      expect([await app.keys(), await app.staged()]).toEqual([[], []]);
    });
  });

  test('an upload that Companion aborts is none any more, and nothing of it is left', async () => {
    const file = { filename: 'a.png', type: 'image/png' };
    const { json } = await app.call('POST', '/api/uppy/s3/multipart', file);
    const of = (rest: string) => `/api/uppy/s3/multipart/${json.uploadId}${rest}?key=${json.key}`;
    const { url } = (await app.call('GET', of('/1'))).json;
    expect((await put({ url, headers: {} }, PNG)).status).toBe(201);
    expect(await app.call('DELETE', of(''))).toMatchObject({ status: 200, json: {} });
    expect((await app.call('GET', of(''))).json).toEqual([]);
    expect([await app.keys(), await app.staged()]).toEqual([[], []]);
  });

  describe('signRequest', () => {
    const sign = (body: object, user?: string) => app.call('POST', '/api/uppy/sign', body, user);
    const request = (method: string, { url }: { url: string }, contentType: string, user = 'ada') =>
      fetch(`http://127.0.0.1:${app.port}${url}`, {
        method,
        headers: { 'content-type': contentType, 'x-user': user },
        ...(method === 'POST' && contentType === 'application/xml' && { body: '<Complete/>' }),
      });

    test('needs a key that tells size and name, and signs nothing but uploads', async () => {
      const key = '9/a.png';
      for (const body of [
        { method: 'PUT', key: 'a.png' },
        { method: 'POST', key: 7 },
        { method: 'GET', key },
        { method: 'DELETE', key },
        {},
      ]) {
        expect((await sign(body)).json.code).toBe('INVALID_UPLOAD_REQUEST');
      }
      const refused = await sign({ method: 'PUT', key, contentType: 'text/html' });
      expect(refused.json.code).toBe('UNSUPPORTED_MEDIA_TYPE');
    });

    test('signs a PUT of the whole file, which its key completes', async () => {
      const key = `${PNG.length}/a.png`;
      const { json } = await sign({ method: 'PUT', key, contentType: 'image/png' });
      expect((await put(json, PNG)).ok).toBe(true);
      const { json: stored } = await app.call('POST', `/api/direct-uploads/${json.key}/complete`);
      expect(stored).toMatchObject({ size: PNG.length, contentType: 'image/png' });
    });

    test('begins, lists, completes and aborts as S3 does, for the owner only', async () => {
      const began = await request(
        'POST',
        (await sign({ method: 'POST', key: `${PNG.length}/a.png` })).json,
        'image/png',
      );
      const uploadId = /<UploadId>(.+)<\/UploadId>/.exec(await began.text())![1]!;
      const of = async (method: string, rest: object = {}, user?: string) =>
        (await sign({ method, key: 'any', uploadId, ...rest }, user)).json;
      for (const method of ['PUT', 'GET', 'POST', 'DELETE']) {
        expect((await of(method, { partNumber: 1 }, 'eve')).code).toBe('UPLOAD_NOT_FOUND');
      }
      for (const partNumber of [2, [1], { toString: null }]) {
        expect((await of('PUT', { partNumber })).code).toBe('INVALID_PART_NUMBER');
      }
      expect((await put(await of('PUT', { partNumber: 1 }), PNG)).ok).toBe(true);
      const listed = await request('GET', await of('GET'), 'text/plain');
      expect(listed.headers.get('content-type')).toMatch(/^application\/xml/);
      expect(await listed.text()).toContain('<PartNumber>1</PartNumber>');
      const completing = await of('POST');
      const foreign = await request('POST', completing, 'application/xml', 'eve');
      expect([foreign.status, await foreign.json()]).toMatchObject([404, { code: NOT_FOUND[1] }]);
      const completed = await request('POST', completing, 'application/xml');
      expect(await completed.text()).toContain(`<Key>${uploadId}</Key>`);
      expect((await request('DELETE', await of('DELETE'), 'text/plain')).status).toBe(409);

      const { url } = (await sign({ method: 'POST', key: '9/b.png' })).json;
      const second = await (await request('POST', { url }, 'image/png')).text();
      const abandoned = /<UploadId>(.+)<\/UploadId>/.exec(second)![1]!;
      const aborting = (await sign({ method: 'DELETE', key: 'any', uploadId: abandoned })).json;
      expect((await request('DELETE', aborting, 'text/plain')).status).toBe(204);
      expect(await app.staged()).toEqual([]);
    });
  });
});
