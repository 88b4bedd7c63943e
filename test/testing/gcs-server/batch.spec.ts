import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { send, sendAuthorized } from './gcs-test-client.js';

const PATH = '/batch/storage/v1';
const headers = { 'content-type': 'multipart/mixed; boundary="b"' };

describe('batches', () => {
  let server: GcsTestServer;
  beforeEach(async () => {
    server = await startGcsServer();
    for (let index = 0; index < 4; index++) await server.putObject('bucket', `k/${index}`, 'x');
  });
  afterEach(() => server.close());

  function body(calls: readonly string[]): string {
    const parts = calls.map(
      (call, index) =>
        `--b\r\nContent-Type: application/http\r\nContent-ID: <id+${index}>\r\n\r\n${call}\r\n`,
    );
    return `${parts.join('')}--b--\r\n`;
  }
  const post = (calls: readonly string[]) =>
    sendAuthorized(server, PATH, { method: 'POST', headers, body: body(calls) });
  const remove = (name: string, query = '') =>
    `DELETE /storage/v1/b/bucket/o/${encodeURIComponent(name)}${query} HTTP/1.1\r\n\r\n`;

  function results(text: string): { id: string; status: number }[] {
    return text.split('\r\n--').flatMap((part) => {
      const id = /Content-ID: <response-(.*)>/.exec(part)?.[1];
      const status = /HTTP\/1\.1 (\d+)/.exec(part)?.[1];
      return id === undefined || status === undefined ? [] : [{ id, status: Number(status) }];
    });
  }

  it('gives each call a status of its own', async () => {
    const answer = await post([
      remove('k/0'),
      remove('missing'),
      remove('k/1', '?ifGenerationMatch=1'),
      'GET /storage/v1/b/bucket/o/k%2F2?fields=name HTTP/1.1\r\nAccept: application/json\r\n\r\n',
      `PATCH /storage/v1/b/bucket/o/k%2F3 HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{"cacheControl":"no-store"}`,
    ]);
    expect(answer.status).toBe(200);
    expect(results(answer.text)).toEqual([
      { id: 'id+0', status: 204 },
      { id: 'id+1', status: 404 },
      { id: 'id+2', status: 412 },
      { id: 'id+3', status: 200 },
      { id: 'id+4', status: 200 },
    ]);
    expect(answer.text).toContain('\r\n\r\n{"name":"k/2"}\r\n');
    expect(answer.text).toContain('No such object: bucket/missing');
    expect([...server.objects('bucket').keys()]).toEqual(['k/1', 'k/2', 'k/3']);
    expect(server.object('bucket', 'k/3')?.cacheControl).toBe('no-store');
  });

  it('is on record with its calls', async () => {
    await post([remove('k/0'), remove('missing')]);
    expect(server.requests.at(-1)).toMatchObject({
      operation: 'batch',
      status: 200,
      calls: [
        { operation: 'objects.delete', method: 'DELETE', key: 'k/0', status: 204 },
        { operation: 'objects.delete', method: 'DELETE', key: 'missing', status: 404 },
      ],
    });
  });

  it('fails single keys on demand, as often as wanted', async () => {
    const fault = server.failKeys({
      operation: 'objects.delete',
      keys: ['k/1', 'k/2'],
      status: 429,
      reason: 'rateLimitExceeded',
      times: 3,
    });
    const calls = [0, 1, 2, 3].map((index) => remove(`k/${index}`));
    const statuses = async () => results((await post(calls)).text).map(({ status }) => status);
    expect(await statuses()).toEqual([204, 429, 429, 204]);
    expect(await statuses()).toEqual([404, 429, 204, 404]);
    expect(await statuses()).toEqual([404, 204, 404, 404]);
    fault.clear();
    server.failKeys({ operation: 'objects.delete', keys: ['k/0'], status: 503, reason: 'x' });
    server.clearFaults();
    expect(await statuses()).toEqual([404, 404, 404, 404]);
  });

  it('takes a hundred calls and no more', async () => {
    const calls = Array.from({ length: 101 }, () => remove('missing'));
    expect((await post(calls)).status).toBe(400);
    expect(results((await post(calls.slice(1))).text)).toHaveLength(100);
  });

  it('takes neither uploads, downloads, batches nor other APIs in', async () => {
    const answer = await post([
      'POST /upload/storage/v1/b/bucket/o?uploadType=media&name=a HTTP/1.1\r\n\r\nx',
      'GET /storage/v1/b/bucket/o/k%2F0?alt=media HTTP/1.1\r\n\r\n',
      `POST ${PATH} HTTP/1.1\r\n\r\n`,
      'DELETE /bucket/k/0 HTTP/1.1\r\n\r\n',
      'DELETE /storage/v1/b/bucket/o/k%2F0?other=1 HTTP/1.1\r\n\r\n',
    ]);
    expect(results(answer.text).map(({ status }) => status)).toEqual([400, 400, 400, 400, 501]);
    expect(server.objects('bucket').size).toBe(4);
  });

  it.each([
    ['no boundary', 'multipart/mixed', body([])],
    ['no call', headers['content-type'], '--b--\r\n'],
    ['no end', headers['content-type'], body([remove('k/0')]).slice(0, -6)],
    [
      'a part of another type',
      headers['content-type'],
      '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--',
    ],
    ['no request line', headers['content-type'], body([''])],
  ])('refuses %s', async (_what, type, text) => {
    const answer = await sendAuthorized(server, PATH, {
      method: 'POST',
      headers: { 'content-type': type },
      body: text,
    });
    expect(answer.status).toBe(400);
    expect(server.objects('bucket').size).toBe(4);
  });

  it('lets nobody in by the back door', async () => {
    const answer = await send(server, PATH, {
      method: 'POST',
      headers,
      body: body([remove('k/0')]),
    });
    expect(results(answer.text)).toEqual([{ id: 'id+0', status: 401 }]);
    expect(server.objects('bucket').size).toBe(4);
  });
});
