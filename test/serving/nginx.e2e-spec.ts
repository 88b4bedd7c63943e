import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeApps } from '../nest/app-fixture.js';
import { type Answer, send } from '../nest/http-client.js';
import { NAME, startLocalApp, X_ACCEL } from './accelerated-fixture.js';
import { ADAPTERS } from './adapters.js';
import { findNginx, type Nginx, startNginx } from './nginx.js';
import { SAFE_HEADERS } from './safe-headers.js';

const nginx = findNginx();
if (!nginx)
  process.stderr.write('nginx is not installed: what it makes of X-Accel-Redirect is not tested\n');

(nginx ? describe : describe.skip).each(ADAPTERS)('nginx in front of %s', (_adapter, adapter) => {
  let root: string;
  let server: Nginx;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'nestjs-storages-accel-'));
    const { port } = await startLocalApp(adapter, root, X_ACCEL);
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
    await rm(root, { recursive: true, force: true });
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
