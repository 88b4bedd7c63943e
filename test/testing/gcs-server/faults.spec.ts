import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { sendAuthorized } from './gcs-test-client.js';

const MEDIA = '/storage/v1/b/bucket/o/a?alt=media';
const UPLOAD = '/upload/storage/v1/b/bucket/o?uploadType=media&name=new';

describe('faults on demand', () => {
  let server: GcsTestServer;
  beforeEach(async () => {
    server = await startGcsServer();
    await server.putObject('bucket', 'a', '0123456789');
  });
  afterEach(() => server.close());

  const read = () => sendAuthorized(server, MEDIA);
  const write = () => sendAuthorized(server, UPLOAD, { method: 'POST', body: 'hello' });

  it('answers an error as Google words it, as often as wanted', async () => {
    const fault = server.fail({
      operation: 'objects.insert',
      after: 1,
      times: 2,
      with: { status: 429, reason: 'rateLimitExceeded', retryAfter: 7, headers: { 'x-a': 'b' } },
    });
    expect((await write()).status).toBe(200);
    const refused = await write();
    expect([refused.status, refused.reason]).toEqual([429, 'rateLimitExceeded']);
    expect(refused.headers).toMatchObject({ 'retry-after': '7', 'x-a': 'b' });
    expect((await write()).status).toBe(429);
    expect((await write()).status).toBe(200);
    expect(fault.hits).toBe(2);
    expect(server.requests.at(-2)).toMatchObject({ status: 429, reason: 'rateLimitExceeded' });
  });

  it('strikes only the operation and key it is for, until it is cleared', async () => {
    const unavailable = { status: 503, reason: 'backendError' };
    server.fail({ operation: 'objects.delete', with: unavailable });
    server.fail({ operation: '*', key: /^b/, with: unavailable });
    expect((await read()).status).toBe(200);
    const fault = server.fail({ operation: '*', key: 'a', with: unavailable });
    fault.clear();
    expect((await read()).status).toBe(200);
    server.fail({ operation: '*', with: unavailable });
    server.clearFaults();
    expect((await read()).status).toBe(200);
  });

  it('tells XML clients in XML', async () => {
    server.fail({ operation: 'xml.get', with: { status: 429, reason: 'rateLimitExceeded' } });
    const answer = await sendAuthorized(server, '/bucket/a');
    expect([answer.status, answer.reason]).toEqual([429, 'SlowDown']);
    expect(answer.headers['content-type']).toContain('application/xml');
  });

  it('resets instead of doing anything', async () => {
    server.fail({ operation: 'objects.insert', with: 'reset' });
    await expect(write()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(server.object('bucket', 'new')).toBeUndefined();
  });

  it('resets in the middle of an upload', async () => {
    server.fail({ operation: 'objects.insert', with: 'reset-mid-body' });
    await expect(write()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(server.requests.at(-1)?.bodyBytes).toBe(5);
    expect(server.object('bucket', 'new')).toBeUndefined();
  });

  it('resets in the middle of a download', async () => {
    server.fail({ operation: 'objects.download', with: 'reset-mid-body' });
    await expect(read()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(server.requests.at(-1)).toMatchObject({ status: 200, aborted: false });
  });

  it('never sends the whole of a download it breaks off, short as it may be', async () => {
    await server.putObject('bucket', 'short', 'x');
    server.fail({ operation: 'objects.download', with: 'reset-mid-body' });
    const short = sendAuthorized(server, MEDIA.replace('/a', '/short'));
    await expect(short).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('loses an answer after everything was done', async () => {
    server.fail({ operation: 'objects.insert', with: 'reset-after-commit' });
    await expect(write()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(server.object('bucket', 'new')?.size).toBe(5);
  });

  it.each(['stall', 'stall-mid-body'] as const)('never ends: %s', async (effect) => {
    server.fail({ operation: 'objects.download', with: effect });
    const controller = new AbortController();
    const pending = sendAuthorized(server, MEDIA, { signal: controller.signal });
    await server.until(({ requests }) =>
      requests.some(
        ({ operation, status }) =>
          operation === 'objects.download' && (effect === 'stall' || status === 200),
      ),
    );
    expect(server.inFlight).toBe(1);
    controller.abort();
    await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
    await server.until(({ inFlight }) => inFlight === 0);
  });

  it('cuts a download off', async () => {
    server.fail({ operation: 'objects.download', with: { truncateBodyAt: 3 } });
    await expect(read()).rejects.toThrow('aborted');
  });

  it('flips a byte of a download, by which its checksum tells', async () => {
    server.fail({ operation: 'objects.download', with: { corruptBodyAt: 3 } });
    const { body, headers } = await read();
    expect(body.length).toBe(10);
    expect(body[3]).toBe(~'3'.charCodeAt(0) & 0xff);
    expect(headers['x-goog-hash']).toContain(server.object('bucket', 'a')?.crc32c);
  });
});
