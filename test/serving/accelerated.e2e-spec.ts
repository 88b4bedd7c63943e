import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeApps } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { acceleratedController, NAME, startLocalApp, X_ACCEL } from './accelerated-fixture.js';
import { ADAPTERS } from './adapters.js';
import { SAFE_HEADERS } from './safe-headers.js';
import { servingOn } from './serving-fixture.js';

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nestjs-storages-accel-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  afterEach(closeApps);

  describe('a file that the web server sends', () => {
    test('is named by its percent-encoded key, prefix included, and has no body here', async () => {
      const { port } = await startLocalApp(adapter, root, X_ACCEL);
      for (const method of ['GET', 'HEAD']) {
        const answer = await send(port, `/files/${encodeURIComponent(NAME)}`, {
          method,
          headers: { Range: 'bytes=0-1', 'If-None-Match': '*' },
        });
        expect(answer).toMatchObject({ status: 200, text: '' });
        expect(answer.headers).toMatchObject({
          ...SAFE_HEADERS,
          'x-accel-redirect':
            '/protected/media/a%20dir/%C3%BC%2520%3Fx%23y%2Bz%27%22%26%E6%97%A5%E6%9C%AC.txt',
          'content-type': 'text/plain; charset=utf-8',
          'cache-control': 'public, max-age=60',
          'content-length': '0',
        });
        expect(answer.headers['content-disposition']).toMatch(/^inline; filename=/);
        // The web server has validators of its own.
        expect(answer.headers).not.toHaveProperty('etag');
        expect(answer.headers).not.toHaveProperty('last-modified');
      }
      const scoped = await send(port, '/files/avatars/a.png');
      expect(scoped.headers['x-accel-redirect']).toBe('/protected/media/avatars/a.png');
    });

    test('is named by its path for X-Sendfile', async () => {
      const { port } = await startLocalApp(adapter, root, {
        mode: 'auto',
        accel: { header: 'X-Sendfile', root: '/srv/my files/' },
      });
      const answer = await send(port, `/files/${encodeURIComponent(NAME)}`);
      expect(answer.headers['x-sendfile']).toBe(
        '/srv/my%20files/media/a%20dir/%C3%BC%2520%3Fx%23y%2Bz%27%22%26%E6%97%A5%E6%9C%AC.txt',
      );
      expect(answer).toMatchObject({ status: 200, text: '' });
    });

    test('is a 404 where there is none, without a name for the web server', async () => {
      const { port } = await startLocalApp(adapter, root, X_ACCEL);
      for (const key of ['missing.txt', '..%2F..%2Fetc%2Fpasswd', 'a%00b']) {
        const answer = await send(port, `/files/${key}`);
        expect(answer.status).toBe(404);
        expect(answer.headers).not.toHaveProperty('x-accel-redirect');
      }
    });
  });

  test('one call tells of the file, and none reads it', async () => {
    const { port, put, calls } = await servingOn(adapter)(undefined, {
      controllers: [acceleratedController(X_ACCEL)],
    });
    await put('a.txt', 'x');
    expect((await send(port, '/files/a.txt')).headers['x-accel-redirect']).toBe('/protected/a.txt');
    expect(calls).toEqual(['info a.txt']);
  });

  test('X-Sendfile is refused for what is no local file', async () => {
    const accel = { header: 'X-Sendfile', root: '/srv' } as const;
    const { port, put, log } = await servingOn(adapter)(undefined, {
      controllers: [acceleratedController({ mode: 'accel', accel })],
    });
    await put('a.txt', 'x');
    expect((await send(port, '/files/a.txt')).status).toBe(501);
    expect(log.text).toContain('X-Sendfile names a path of this machine');
  });
});
