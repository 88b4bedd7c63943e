import type { ModuleMetadata } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { ServeStorageModule } from '../../lib/routes/serve-storage.module.js';
import { DirectUploadsModule } from '../../lib/direct/direct-uploads.module.js';
import { StorageModule } from '../../lib/storage.module.js';
import { StorageConfigurationError } from '../../lib/core/errors.js';
import type { Storage } from '../../lib/core/storage.js';
import { getStorageToken } from '../../lib/storage.tokens.js';
import { TusModule } from '../../lib/tus/tus.module.js';
import { type AppSettings, closeApps, failure, startApp } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { ADAPTERS, signingKeys, targetOf } from './routes-fixture.js';

afterEach(closeApps);

/** All that has routes, each at its usual path. */
function imports(): NonNullable<ModuleMetadata['imports']> {
  return [
    StorageModule.forRoot({
      storages: { files: { driver: 'memory' } },
      routes: { signingKeys },
    }),
    ServeStorageModule.forRoot({ path: '/public', public: true }),
    TusModule.forRoot({ signingKeys, maxSize: '1mb' }),
    DirectUploadsModule.forRoot({
      signingKeys,
      owner: () => 'ada',
      companion: { path: '/companion' },
    }),
  ];
}

const modules = [ServeStorageModule, TusModule, DirectUploadsModule];

async function start(path: string, settings: AppSettings) {
  const routes = RouterModule.register([
    { path, children: modules.map((module) => ({ path: '/inner', module })) },
  ]);
  const { app, port } = await startApp({ imports: [...imports(), routes] }, settings);
  const storage = app.get<Storage>(getStorageToken('files'));
  const call = (method: string, at: string, body: string, headers: Record<string, string> = {}) =>
    send(port, at, { method, body, headers });
  return { storage, port, call };
}

describe.each(Object.keys(ADAPTERS))('on %s, below a path of RouterModule', (adapter) => {
  describe.each([
    ['', (): void => {}],
    [
      '/api',
      (app: Parameters<NonNullable<AppSettings['configure']>>[0]) => app.setGlobalPrefix('api'),
    ],
  ])('and the global prefix "%s"', (prefix, configure) => {
    const settings = () => ({ adapter: ADAPTERS[adapter]!(), configure });
    const base = `${prefix}/v1/inner`;

    test('files are served', async () => {
      const { storage, port } = await start('v1', settings());
      await storage.put('a/b.txt', 'hello');
      const { status, text, headers } = await send(port, `${base}/public/a/b.txt`);
      expect([status, text, headers['x-content-type-options']]).toEqual([200, 'hello', 'nosniff']);
      expect((await send(port, `${prefix}/public/a/b.txt`)).status).toBe(404);
    });

    test('tus uploads are at the locations that it tells', async () => {
      const { storage, call } = await start('v1', settings());
      const tus = { 'Tus-Resumable': '1.0.0' };
      const created = await call('POST', `${base}/files`, '', { ...tus, 'Upload-Length': '7' });
      const location = created.headers.location!;
      expect([created.status, location]).toEqual([
        201,
        expect.stringContaining(`${base}/files/v1.`),
      ]);
      const headers = {
        ...tus,
        'Upload-Offset': '0',
        'Content-Type': 'application/offset+octet-stream',
      };
      expect((await call('PATCH', location, '{"a":1}', headers)).status).toBe(204);
      const [file] = (await storage.listPage({})).files;
      expect(await (await storage.get(file!.key)).text()).toBe('{"a":1}');
    });

    test('direct uploads are taken, and what is malformed is refused as by them', async () => {
      const { call } = await start('v1', settings());
      const json = { 'Content-Type': 'application/json' };
      const asked = JSON.stringify({ filename: 'a.png', size: 3, contentType: 'image/png' });
      const begun = await call('POST', `${base}/direct-uploads`, asked, json);
      expect(begun.status).toBe(201);
      const { url, method, headers, id } = begun.json as {
        url: string;
        method: string;
        headers: Record<string, string>;
        id: string;
      };
      // The routes of StorageModule have no place in RouterModule.
      expect(targetOf(url)).toContain(`${prefix}/storage/files/`);
      expect((await call(method, targetOf(url), 'abc', headers)).status).toBe(201);
      const completed = await call('POST', `${base}/direct-uploads/${id}/complete`, '{}', json);
      expect(completed.status).toBe(200);
      const refused = await call('POST', `${base}/direct-uploads`, '{', json);
      expect([refused.status, refused.json]).toMatchObject([
        400,
        { code: 'INVALID_UPLOAD_REQUEST' },
      ]);
    });
  });

  test('they cannot have parameters', async () => {
    const error = await failure(start(':tenant', { adapter: ADAPTERS[adapter]!() }));
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain('cannot be at "/:tenant/inner/');
  });

  test('nor can a global prefix, unless it leaves them out', async () => {
    const paths = ['storage', 'public', 'files', 'direct-uploads', 'companion'];
    const exclude = paths.flatMap((path) => [path, `${path}/*path`]);
    const start = (excluded: string[]) =>
      startApp(
        { imports: imports() },
        {
          adapter: ADAPTERS[adapter]!(),
          configure: (app) => app.setGlobalPrefix('t/:tenant', { exclude: excluded }),
        },
      );
    const { app, port } = await start(exclude);
    const storage = app.get<Storage>(getStorageToken('files'));
    await storage.put('a.txt', 'hello');
    expect((await send(port, '/public/a.txt')).text).toBe('hello');
    expect((await send(port, targetOf(await storage.url('a.txt')))).text).toBe('hello');
    const error = await failure(start(exclude.slice(2)));
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain(
      'cannot be at "/t/:tenant/storage", which is a pattern: take their module out of the path of RouterModule, or their paths out of the global prefix: app.setGlobalPrefix(…, { exclude: ["storage", "storage/*path"] })',
    );
  });
});
