import { Controller, Get, Param } from '@nestjs/common';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  getStorageToken,
  InjectStorage,
  ServedFile,
  type ServedFileOptions,
  Storage,
  StorageModule,
} from '../../lib/index.js';
import { closeApps, startApp, type TestApp } from '../nest/app-fixture.js';
import { type Answer, send } from '../nest/http-client.js';
import { ADAPTERS } from './adapters.js';
import { findNginx, type Nginx, startNginx } from './nginx.js';
import { SAFE_HEADERS } from './safe-headers.js';
import { servingOn } from './serving-fixture.js';

const NAME = 'a dir/ü%20?x#y+z\'"&日本.txt';

let root: string;
let options: ServedFileOptions = {};

@Controller('files')
class AcceleratedController {
  constructor(@InjectStorage() private readonly files: Storage) {}

  @Get(':key')
  show(@Param('key') key: string): ServedFile {
    return new ServedFile(this.files, key, options);
  }

  @Get('avatars/:key')
  avatar(@Param('key') key: string): ServedFile {
    return new ServedFile(this.files.scope('avatars/'), key, options);
  }
}

const X_ACCEL: ServedFileOptions = {
  mode: 'accel',
  accel: { header: 'X-Accel-Redirect', location: '/protected/' },
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nestjs-storages-accel-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function startLocalApp(adapter: (typeof ADAPTERS)[number][1]): Promise<TestApp> {
  const storages = { files: { driver: 'local', root, prefix: 'media/' } } as const;
  const started = await startApp(
    { controllers: [AcceleratedController], imports: [StorageModule.forRoot({ storages })] },
    { adapter: adapter() },
  );
  const storage = started.app.get<Storage>(getStorageToken());
  await storage.put(NAME, '0123456789', { cacheControl: 'public, max-age=60' });
  await storage.put('avatars/a.png', 'png');
  await storage.put('page.html', '<script>alert(1)</script>');
  await storage.put('packed.txt', 'gzip', { contentEncoding: 'gzip', contentLanguage: 'de' });
  return started;
}

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  afterEach(closeApps);

  describe('a file that the web server sends', () => {
    test('is named by its percent-encoded key, prefix included, and has no body here', async () => {
      options = X_ACCEL;
      const { port } = await startLocalApp(adapter);
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
      options = { mode: 'auto', accel: { header: 'X-Sendfile', root: '/srv/my files/' } };
      const { port } = await startLocalApp(adapter);
      const answer = await send(port, `/files/${encodeURIComponent(NAME)}`);
      expect(answer.headers['x-sendfile']).toBe(
        '/srv/my%20files/media/a%20dir/%C3%BC%2520%3Fx%23y%2Bz%27%22%26%E6%97%A5%E6%9C%AC.txt',
      );
      expect(answer).toMatchObject({ status: 200, text: '' });
    });

    test('is a 404 where there is none, without a name for the web server', async () => {
      options = X_ACCEL;
      const { port } = await startLocalApp(adapter);
      for (const key of ['missing.txt', '..%2F..%2Fetc%2Fpasswd', 'a%00b']) {
        const answer = await send(port, `/files/${key}`);
        expect(answer.status).toBe(404);
        expect(answer.headers).not.toHaveProperty('x-accel-redirect');
      }
    });
  });

  test('one call tells of the file, and none reads it', async () => {
    options = X_ACCEL;
    const { port, put, calls } = await servingOn(adapter)(undefined, {
      controllers: [AcceleratedController],
    });
    await put('a.txt', 'x');
    expect((await send(port, '/files/a.txt')).headers['x-accel-redirect']).toBe('/protected/a.txt');
    expect(calls).toEqual(['info a.txt']);
  });

  test('X-Sendfile is refused for what is no local file', async () => {
    options = { mode: 'accel', accel: { header: 'X-Sendfile', root: '/srv' } };
    const { port, put, log } = await servingOn(adapter)(undefined, {
      controllers: [AcceleratedController],
    });
    await put('a.txt', 'x');
    expect((await send(port, '/files/a.txt')).status).toBe(501);
    expect(log.text).toContain('X-Sendfile names a path of this machine');
  });
});

const nginx = findNginx();
if (!nginx)
  process.stderr.write('nginx is not installed: what it makes of X-Accel-Redirect is not tested\n');

(nginx ? describe : describe.skip).each(ADAPTERS)('nginx in front of %s', (_adapter, adapter) => {
  let server: Nginx;

  beforeAll(async () => {
    options = X_ACCEL;
    const { port } = await startLocalApp(adapter);
    server = await startNginx(
      nginx!,
      () => `
        location / { proxy_pass http://127.0.0.1:${port}; }
        location /protected/ {
          internal;
          alias ${root}/;
          disable_symlinks on from=${root};
          add_header X-Content-Type-Options $upstream_http_x_content_type_options;
          add_header Content-Security-Policy $upstream_http_content_security_policy;
          add_header Cross-Origin-Resource-Policy $upstream_http_cross_origin_resource_policy;
          add_header Referrer-Policy $upstream_http_referrer_policy;
          add_header Content-Encoding $upstream_http_content_encoding;
          add_header Content-Language $upstream_http_content_language;
        }`,
    );
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await closeApps();
  });

  const get = (headers: Record<string, string> = {}, key = NAME, method = 'GET'): Promise<Answer> =>
    send(server.port, `/files/${encodeURIComponent(key)}`, { method, headers });

  test('sends the file with the headers of the app', async () => {
    const answer = await get();
    expect(answer).toMatchObject({ status: 200, text: '0123456789' });
    expect(answer.headers).toMatchObject({
      ...SAFE_HEADERS,
      server: expect.stringContaining('nginx'),
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'public, max-age=60',
      'content-length': '10',
      'accept-ranges': 'bytes',
    });
    expect(answer.headers['content-disposition']).toContain("filename*=UTF-8''");
    expect(answer.headers).not.toHaveProperty('x-accel-redirect');
  });

  test('sends ranges and answers conditions by its own validators', async () => {
    const { etag, 'last-modified': modified } = (await get()).headers;
    const part = await get({ Range: 'bytes=2-4', 'If-Range': etag! });
    expect(part).toMatchObject({ status: 206, text: '234' });
    expect(part.headers['content-range']).toBe('bytes 2-4/10');
    expect((await get({ Range: 'bytes=10-' })).status).toBe(416);
    expect((await get({ 'If-None-Match': etag! })).status).toBe(304);
    expect((await get({ 'If-Modified-Since': modified! })).status).toBe(304);
    expect((await get({ 'If-Match': '"other"' })).status).toBe(412);
    const head = await get({}, NAME, 'HEAD');
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(head.headers['content-length']).toBe('10');
  });

  test('never shows what could run, and says how it is encoded', async () => {
    const page = await get({}, 'page.html');
    expect(page.headers['content-disposition']).toBe('attachment; filename="page.html"');
    expect(page.headers).toMatchObject(SAFE_HEADERS);
    expect((await get({}, 'packed.txt')).headers).toMatchObject({
      'content-encoding': 'gzip',
      'content-language': 'de',
    });
  });

  test('gives nothing away to whoever asks it directly', async () => {
    const direct = await send(server.port, '/protected/media/page.html');
    expect(direct.status).toBe(404);
    expect(direct.text).not.toContain('script');
    expect((await get({}, 'missing.txt')).json).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});
