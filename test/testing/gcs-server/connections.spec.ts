import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGcsServer } from '../../../lib/testing/gcs-server/index.js';
import { accessToken, send, sendAuthorized } from './gcs-test-client.js';

const UPLOAD = '/upload/storage/v1/b/bucket/o?uploadType=media&name=a';

describe('a running server', () => {
  it('records every request, from its head to its end', async () => {
    await using server = await startGcsServer();
    await server.putObject('bucket', 'a/ä', 'hello');
    await sendAuthorized(server, '/storage/v1/b/bucket/o/a%2F%C3%A4?alt=media');
    expect(server.requests.at(-1)).toMatchObject({
      operation: 'objects.download',
      method: 'GET',
      url: '/storage/v1/b/bucket/o/a%2F%C3%A4?alt=media',
      bucket: 'bucket',
      key: 'a/ä',
      query: { alt: 'media' },
      status: 200,
      aborted: false,
    });
    await send(server, '/nothing-there?x=1', { method: 'OPTIONS' });
    expect(server.requests.at(-1)).toMatchObject({ operation: undefined, status: 501 });
    server.clearRequests();
    expect(server.requests).toEqual([]);
  });

  it('waits as long as its latency says, for each request', async () => {
    await using server = await startGcsServer({
      latency: ({ operation }) => (operation === 'objects.get' ? 60_000 : 0),
    });
    await accessToken(server);
    const controller = new AbortController();
    const pending = sendAuthorized(server, '/storage/v1/b/bucket/o/a', {
      signal: controller.signal,
    });
    await server.until(({ inFlight }) => inFlight === 1);
    expect((await sendAuthorized(server, '/storage/v1/b/bucket')).status).toBe(200);
    expect(server.inFlight).toBe(1);
    controller.abort();
    await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
    await server.until(({ inFlight, connections }) => inFlight === 0 && connections === 0);
  });

  it('invites a body that waits to be invited, not one it refuses', async () => {
    await using server = await startGcsServer();
    const token = await accessToken(server);
    const upload = (path: string): Promise<{ invited: boolean; status: number | undefined }> =>
      new Promise((resolve, reject) => {
        let invited = false;
        const outgoing = request({
          host: '127.0.0.1',
          port: server.port,
          path,
          method: 'POST',
          agent: false,
          headers: {
            authorization: `Bearer ${token}`,
            expect: '100-continue',
            'content-length': 5,
          },
        });
        outgoing.on('continue', () => {
          invited = true;
          outgoing.end('hello');
        });
        outgoing.on('response', (incoming) => {
          incoming.resume();
          incoming.on('end', () => resolve({ invited, status: incoming.statusCode }));
        });
        outgoing.on('error', reject);
        outgoing.flushHeaders();
      });
    expect(await upload(UPLOAD)).toEqual({ invited: true, status: 200 });
    expect(await upload(UPLOAD.replace('bucket', 'other'))).toEqual({
      invited: false,
      status: 404,
    });
  });

  it('keeps bodies on disk when told to, and leaves nothing there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gcs-server-'));
    try {
      const server = await startGcsServer({ storeOnDisk: folder });
      const body = randomBytes(300_000);
      expect((await sendAuthorized(server, UPLOAD, { method: 'POST', body })).status).toBe(200);
      const copy = '/storage/v1/b/bucket/o/a/rewriteTo/b/bucket/o/b';
      expect((await sendAuthorized(server, copy, { method: 'POST' })).status).toBe(200);
      const files = async () => {
        const [inner = ''] = await readdir(folder);
        return (await readdir(join(folder, inner))).length;
      };
      expect(await files()).toBe(1);
      await sendAuthorized(server, '/storage/v1/b/bucket/o/a', { method: 'DELETE' });
      expect(server.object('bucket', 'b')?.body.equals(body)).toBe(true);
      await sendAuthorized(server, '/storage/v1/b/bucket/o/b', { method: 'DELETE' });
      expect(await files()).toBe(0);
      const start = UPLOAD.replace('media', 'resumable');
      const { headers } = await sendAuthorized(server, start, { method: 'POST' });
      const session = String(headers.location).slice(server.endpoint.length);
      await send(server, session, {
        method: 'PUT',
        headers: { 'content-range': 'bytes 0-262143/*' },
        body: body.subarray(0, 262_144),
      });
      expect(await files()).toBe(1);
      await server.close();
      expect(await readdir(folder)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('passes bodies on to the disk as they come', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gcs-server-'));
    try {
      await using server = await startGcsServer({ storeOnDisk: folder });
      const token = await accessToken(server);
      const half = Buffer.alloc(4 * 1024 * 1024);
      const outgoing = request({
        host: '127.0.0.1',
        port: server.port,
        path: UPLOAD,
        method: 'POST',
        agent: false,
        headers: { authorization: `Bearer ${token}`, 'content-length': 2 * half.length },
      });
      const broken = once(outgoing, 'error');
      outgoing.write(half);
      await server.until(({ requests }) => requests.at(-1)?.bodyBytes === half.length);
      const [inner = ''] = await readdir(folder);
      const { size } = await stat(join(folder, inner, '1'));
      // What came last may be on its way still.
      expect(size).toBeGreaterThan(half.length - 128 * 1024);
      outgoing.destroy(new Error('given up'));
      await broken;
      await server.until(({ inFlight }) => inFlight === 0);
      expect(await readdir(join(folder, inner))).toEqual([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('keeps sockets alive, but not those over which tokens come', async () => {
    await using server = await startGcsServer({ publicBuckets: ['bucket'] });
    const read = await fetch(`${server.endpoint}/storage/v1/b/bucket`);
    expect([read.status, read.headers.get('connection')]).toEqual([200, 'keep-alive']);
    const token = await fetch(`${server.endpoint}/subject-token`);
    expect([token.status, token.headers.get('connection')]).toEqual([200, 'close']);
  });

  it('closes with requests under way and whoever waits', async () => {
    const server = await startGcsServer({ latency: 60_000 });
    const pending = send(server, '/storage/v1/b/bucket', {
      headers: { authorization: 'Bearer x' },
    });
    const waiting = server.until(() => false).catch((error: unknown) => String(error));
    expect((await pending).status).toBe(401);
    const hanging = send(server, '/subject-token');
    await server.until(({ inFlight }) => inFlight === 1);
    await server.close();
    await expect(hanging).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await waiting).toBe('Error: The server was closed');
    expect(server.inFlight).toBe(0);
    await server.until(({ connections }) => connections === 0);
    await expect(server.until(({ inFlight }) => inFlight > 0)).rejects.toThrow('was closed');
    await server.close();
  });

  it('refuses an address that is not UTF-8', async () => {
    await using server = await startGcsServer();
    expect((await send(server, '/storage/v1/b/%FF')).reason).toBe('invalid');
    expect((await send(server, '/bucket/%FF')).reason).toBe('InvalidURI');
  });
});
