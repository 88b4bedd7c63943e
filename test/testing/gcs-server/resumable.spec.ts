import { randomBytes } from 'node:crypto';
import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { send, sendAuthorized } from './gcs-test-client.js';

const CHUNK = 256 * 1024;

describe('resumable sessions', () => {
  let server: GcsTestServer;
  let now = 0;

  beforeEach(async () => {
    now = Date.parse('2026-11-24T10:00:00Z');
    server = await startGcsServer({ now: () => now });
  });
  afterEach(() => server.close());

  async function start(
    name: string,
    { query = '', headers = {}, resource = {} } = {},
  ): Promise<string> {
    const answer = await sendAuthorized(
      server,
      `/upload/storage/v1/b/bucket/o?uploadType=resumable&name=${encodeURIComponent(name)}${query}`,
      { method: 'POST', headers, body: JSON.stringify(resource) },
    );
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.reason}`);
    return String(answer.headers.location).slice(server.endpoint.length);
  }
  /** No token: the address of a session is its secret. */
  const put = (session: string, range: string | undefined, body = Buffer.alloc(0), headers = {}) =>
    send(server, session, {
      method: 'PUT',
      body,
      headers: { ...(range === undefined ? {} : { 'content-range': range }), ...headers },
    });
  const persisted = () => server.resumableSessions('bucket').map((session) => session.persisted);

  it('takes chunks one after the other, tells how far it is, and ends with the object', async () => {
    const body = randomBytes(2 * CHUNK + 10);
    const session = await start('chunks', {
      headers: { 'x-upload-content-type': 'image/png' },
      resource: { metadata: { a: '1' } },
    });
    expect((await put(session, 'bytes */*')).headers.range).toBeUndefined();
    const first = await put(session, `bytes 0-${CHUNK - 1}/*`, body.subarray(0, CHUNK));
    expect([first.status, first.headers.range]).toEqual([308, `bytes=0-${CHUNK - 1}`]);
    expect(server.resumableSessions('bucket')).toMatchObject([
      { key: 'chunks', persisted: CHUNK, started: new Date(now) },
    ]);
    const second = await put(
      session,
      `bytes ${CHUNK}-${2 * CHUNK - 1}/${body.length}`,
      body.subarray(CHUNK, 2 * CHUNK),
    );
    expect(second.status).toBe(308);
    expect(server.object('bucket', 'chunks')).toBeUndefined();
    const last = await put(
      session,
      `bytes ${2 * CHUNK}-${body.length - 1}/${body.length}`,
      body.subarray(2 * CHUNK),
    );
    expect(last.status).toBe(200);
    expect(JSON.parse(last.text)).toMatchObject({
      name: 'chunks',
      size: String(body.length),
      contentType: 'image/png',
      metadata: { a: '1' },
    });
    expect(server.object('bucket', 'chunks')?.body.equals(body)).toBe(true);
    expect(server.resumableSessions('bucket')).toEqual([]);
  });

  it.each([
    ['no range', undefined],
    ['an open range', 'bytes 0-*/*'],
    ['an open range of known total', 'bytes 0-*/5'],
    ['the exact range', 'bytes 0-4/5'],
  ])('takes everything at once with %s', async (_what, range) => {
    expect((await put(await start('once'), range, Buffer.from('hello'))).status).toBe(200);
    expect(server.object('bucket', 'once')?.body.toString()).toBe('hello');
  });

  it('makes empty objects', async () => {
    expect((await put(await start('empty'), 'bytes */0')).status).toBe(200);
    expect(server.object('bucket', 'empty')?.size).toBe(0);
    expect((await put(await start('open'), 'bytes 0-*/*')).status).toBe(200);
  });

  it('is ended by a query for the total that is there already', async () => {
    const session = await start('known-late');
    await put(session, `bytes 0-${CHUNK - 1}/*`, Buffer.alloc(CHUNK));
    expect((await put(session, 'bytes */*')).status).toBe(308);
    expect((await put(session, `bytes */${2 * CHUNK}`)).status).toBe(308);
    expect((await put(session, `bytes */${CHUNK}`)).status).toBe(200);
    expect(server.object('bucket', 'known-late')?.size).toBe(CHUNK);
  });

  it('tells the object again when asked after the end', async () => {
    const session = await start('again');
    const first = await put(session, 'bytes 0-4/5', Buffer.from('hello'));
    const { generation } = server.object('bucket', 'again') ?? {};
    for (const [range, body] of [
      ['bytes */*', ''],
      ['bytes 0-4/5', 'hello'],
    ] as const) {
      const repeated = await put(session, range, Buffer.from(body));
      expect([repeated.status, repeated.text]).toEqual([200, first.text]);
    }
    expect(server.object('bucket', 'again')?.generation).toBe(generation);
  });

  it('skips what it has when a chunk overlaps, and refuses one that leaves a gap', async () => {
    const body = randomBytes(2 * CHUNK);
    const session = await start('overlap');
    await put(session, `bytes 0-${CHUNK - 1}/*`, body.subarray(0, CHUNK));
    const gap = await put(session, `bytes ${2 * CHUNK}-${3 * CHUNK - 1}/*`, randomBytes(CHUNK));
    expect(gap.status).toBe(503);
    expect(gap.text).toContain(`exceeds already uploaded size of ${CHUNK} byte(s)`);
    expect((await put(session, `bytes 0-${2 * CHUNK - 1}/${2 * CHUNK}`, body)).status).toBe(200);
    expect(server.object('bucket', 'overlap')?.body.equals(body)).toBe(true);
  });

  it.each([
    ['a chunk of no multiple of 256 KiB', 'bytes 0-9/*', 10],
    ['a chunk that is no multiple of a known total', 'bytes 0-9/20', 10],
    ['fewer bytes than announced', 'bytes 0-9/10', 5],
    ['more bytes than announced', 'bytes 0-9/10', 15],
    ['an end behind the total', 'bytes 0-9/5', 10],
    ['an end before the start', 'bytes 9-8/9', 0],
    ['nonsense', 'bytes 0--1/0', 0],
  ])('refuses %s', async (_what, range, size) => {
    const answer = await put(await start('wrong'), range, Buffer.alloc(size));
    expect([answer.status, answer.reason]).toEqual([400, 'invalid']);
    expect(server.object('bucket', 'wrong')).toBeUndefined();
  });

  it('holds the client to the size it announced', async () => {
    const headers = { 'x-upload-content-length': '5' };
    const session = await start('announced', { headers });
    expect((await put(session, 'bytes 0-5/6', Buffer.alloc(6))).status).toBe(400);
    expect((await put(session, undefined, Buffer.alloc(6))).status).toBe(400);
    const right = await start('announced', { headers });
    expect((await put(right, 'bytes 0-4/5', Buffer.alloc(5))).status).toBe(200);
  });

  it('verifies checksums declared at the start or with the last chunk, and is over then', async () => {
    const wrong = 'AAAAAA==';
    const atStart = await start('checked', { resource: { crc32c: wrong } });
    expect((await put(atStart, 'bytes 0-4/5', Buffer.from('hello'))).status).toBe(400);
    expect((await put(atStart, 'bytes */*')).status).toBe(404);
    const atEnd = await start('checked');
    const headers = { 'x-goog-hash': `crc32c=${wrong}` };
    expect((await put(atEnd, 'bytes 0-4/5', Buffer.from('hello'), headers)).status).toBe(400);
    expect(server.object('bucket', 'checked')).toBeUndefined();
    const right = await start('checked', { resource: { md5Hash: 'XUFAKrxLKna5cZ2REBfFkg==' } });
    expect((await put(right, 'bytes 0-4/5', Buffer.from('hello'))).status).toBe(200);
  });

  it('checks conditions when it is opened', async () => {
    await server.putObject('bucket', 'there', '1');
    await expect(start('there', { query: '&ifGenerationMatch=0' })).rejects.toThrow(
      '412 conditionNotMet',
    );
  });

  it('decides conditions when it is finished', async () => {
    const sessions = await Promise.all(
      Array.from({ length: 4 }, () => start('race', { query: '&ifGenerationMatch=0' })),
    );
    const answers = await Promise.all(
      sessions.map((session) => put(session, 'bytes 0-4/5', Buffer.from('hello'))),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200, 412, 412, 412,
    ]);
    expect(server.resumableSessions('bucket')).toEqual([]);
  });

  it('is gone once cancelled, expired or unknown', async () => {
    const cancelled = await start('cancelled');
    await put(cancelled, `bytes 0-${CHUNK - 1}/*`, Buffer.alloc(CHUNK));
    expect((await send(server, cancelled, { method: 'DELETE' })).status).toBe(499);
    expect((await put(cancelled, 'bytes */*')).status).toBe(404);
    expect(server.resumableSessions('bucket')).toEqual([]);

    const expiring = await start('expiring');
    now += 7 * 24 * 60 * 60 * 1000;
    expect(server.resumableSessions('bucket')).toEqual([]);
    expect((await put(expiring, 'bytes */*')).status).toBe(410);
    expect((await put(expiring, 'bytes */*')).status).toBe(404);
  });

  it('keeps whole multiples of 256 KiB of a chunk that breaks off', async () => {
    const body = randomBytes(3 * CHUNK);
    const session = await start('torn');
    const controller = new AbortController();
    const pending = send(server, session, {
      method: 'PUT',
      headers: {
        'content-range': `bytes 0-${3 * CHUNK - 1}/${3 * CHUNK}`,
        'content-length': 3 * CHUNK,
        expect: '100-continue',
      },
      body: body.subarray(0, CHUNK + 1000),
      signal: controller.signal,
    });
    await server.until(({ requests }) => (requests.at(-1)?.bodyBytes ?? 0) >= CHUNK + 1000);
    controller.abort();
    await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
    const asked = await put(session, 'bytes */*');
    expect([asked.status, asked.headers.range]).toEqual([308, `bytes=0-${CHUNK - 1}`]);
    const rest = `bytes ${CHUNK}-${3 * CHUNK - 1}/${3 * CHUNK}`;
    expect((await put(session, rest, body.subarray(CHUNK))).status).toBe(200);
    expect(server.object('bucket', 'torn')?.body.equals(body)).toBe(true);
  });

  it('keeps on demand only some bytes of a chunk, and tells so or not', async () => {
    const body = randomBytes(2 * CHUNK);
    const session = await start('partial');
    server.fail({
      operation: 'resumable.upload',
      with: { persistOnly: CHUNK, answer: 'incomplete' },
    });
    const whole = `bytes 0-${2 * CHUNK - 1}/${2 * CHUNK}`;
    const partial = await put(session, whole, body);
    expect([partial.status, partial.headers.range]).toEqual([308, `bytes=0-${CHUNK - 1}`]);
    expect(persisted()).toEqual([CHUNK]);
    server.fail({ operation: 'resumable.upload', with: { persistOnly: 0, answer: 'reset' } });
    await expect(put(session, whole, body)).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(persisted()).toEqual([CHUNK]);
    expect((await put(session, whole, body)).status).toBe(200);
    expect(server.object('bucket', 'partial')?.body.equals(body)).toBe(true);
  });

  it('is asked about after an answer was lost', async () => {
    const session = await start('lost');
    server.fail({ operation: 'resumable.upload', with: 'reset-after-commit' });
    await expect(put(session, 'bytes 0-4/5', Buffer.from('hello'))).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    const asked = await put(session, 'bytes */5');
    expect(asked.status).toBe(200);
    expect(JSON.parse(asked.text)).toMatchObject({
      generation: server.object('bucket', 'lost')?.generation,
    });
  });

  it('needs a token to be opened, a name and a bucket', async () => {
    const path = '/upload/storage/v1/b/bucket/o?uploadType=resumable';
    expect((await send(server, `${path}&name=a`, { method: 'POST' })).status).toBe(401);
    expect((await sendAuthorized(server, path, { method: 'POST' })).reason).toBe('required');
    const elsewhere = path.replace('bucket', 'other');
    expect((await sendAuthorized(server, `${elsewhere}&name=a`, { method: 'POST' })).status).toBe(
      404,
    );
  });
});
