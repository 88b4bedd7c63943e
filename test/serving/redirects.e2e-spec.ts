import { Controller, Get, Header, Param, Post, Query } from '@nestjs/common';
import {
  getStorageToken,
  InjectStorage,
  ServedFile,
  type ServedFileOptions,
  Storage,
  StorageModule,
} from '../../lib/index.js';
import { closeApps, startApp, type TestApp } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { UPLOAD_BACKENDS, type UploadBackend } from '../uploads/upload-backends.js';
import { ADAPTERS } from './adapters.js';
import { recorded, type RecordedDriver } from './recorded-driver.js';
import { SAFE_HEADERS } from './safe-headers.js';

type Mode = NonNullable<ServedFileOptions['mode']>;

@Controller()
class RedirectsController {
  constructor(@InjectStorage() private readonly files: Storage) {}

  @Get(':mode/:key')
  show(
    @Param('mode') mode: Mode,
    @Param('key') key: string,
    @Query('lives') lives?: string,
    @Query('save') filename?: string,
    @Query('cache') cache?: 'private',
    @Query('inline') inline?: string,
  ): ServedFile {
    return new ServedFile(this.files, key, {
      mode,
      ...(lives !== undefined && { expiresIn: Number(lives) }),
      ...(filename !== undefined && { filename }),
      ...(cache !== undefined && { cache }),
      ...(inline !== undefined && { disposition: 'inline', dangerouslyAllowInline: [inline] }),
    });
  }

  @Get(':mode/:key/private')
  @Header('Cache-Control', 'private')
  own(@Param('mode') mode: Mode, @Param('key') key: string): ServedFile {
    return new ServedFile(this.files, key, { mode });
  }

  @Post(':mode/:key')
  report(@Param('mode') mode: Mode, @Param('key') key: string): ServedFile {
    return new ServedFile(this.files, key, { mode });
  }
}

const { s3, gcs, azure, memory, local } = UPLOAD_BACKENDS;

interface Served {
  readonly backend: UploadBackend;
  readonly files: RecordedDriver;
  readonly apps: ReadonlyMap<string, TestApp>;
  readonly storage: Storage;
}

async function serve(openBackend: () => Promise<UploadBackend>): Promise<Served> {
  const backend = await openBackend();
  const files = recorded(backend.driver, {
    // As an upload by others may have stored it.
    async info(key, options) {
      const file = await backend.driver.info(key, options);
      return key.endsWith('odd.png') ? { ...file, contentType: 'image/png;, text/html' } : file;
    },
  });
  const apps = new Map<string, TestApp>();
  for (const [name, adapter] of ADAPTERS) {
    const imports = [
      StorageModule.forRoot({ storages: { files: { driver: files.driver, prefix: 'in/' } } }),
    ];
    const metadata = { controllers: [RedirectsController], imports };
    apps.set(name, await startApp(metadata, { adapter: adapter() }));
  }
  const storage = apps.get('Express')!.app.get<Storage>(getStorageToken());
  await storage.put('page.html', '<script>alert(1)</script>');
  await storage.put('paper.pdf', '%PDF', { cacheControl: 'public, max-age=31536000' });
  await storage.put('odd.png', '<script>alert(1)</script>');
  await storage.put('photo.png', 'png', { metadata: { filename: 'Zürich "1".png' } });
  return { backend, files, apps, storage };
}

async function close({ backend }: Served): Promise<void> {
  await closeApps();
  await backend.close();
}

describe.each(Object.entries({ s3, gcs, azure }))('a redirect to %s', (_name, openBackend) => {
  let served: Served;
  beforeAll(async () => {
    served = await serve(openBackend);
  });
  afterAll(() => close(served));

  describe.each(ADAPTERS)('by %s', (adapter) => {
    const get = (path: string, method = 'GET') =>
      send(served.apps.get(adapter)!.port, path, { method });

    test('leads to the file, with its name and treatment bound', async () => {
      served.files.calls.length = 0;
      const answer = await get('/redirect/photo.png');
      expect(answer).toMatchObject({ status: 302, text: '' });
      expect(answer.headers).toMatchObject(SAFE_HEADERS);
      expect(served.files.calls).toEqual(['info', 'url']);
      const followed = await fetch(answer.headers.location!);
      expect(followed.status).toBe(200);
      expect(await followed.text()).toBe('png');
      expect(followed.headers.get('content-type')).toBe('image/png');
      expect(followed.headers.get('content-disposition')).toBe(
        `inline; filename="Z_rich _1_.png"; filename*=UTF-8''Z%C3%BCrich%20_1_.png`,
      );
      const part = await fetch(answer.headers.location!, { headers: { Range: 'bytes=1-' } });
      expect([part.status, await part.text()]).toEqual([206, 'ng']);
    });

    test('never shows what could run', async () => {
      const { headers } = await get('/redirect/page.html?save=index.html');
      const followed = await fetch(headers.location!);
      expect(followed.headers.get('content-disposition')).toBe('attachment; filename="index.html"');
      await followed.text();
    });

    test('never shows what is stored with more than one type', async () => {
      const { headers } = await get('/redirect/odd.png');
      const followed = await fetch(headers.location!);
      expect(followed.headers.get('content-type')).toBe('application/octet-stream');
      expect(followed.headers.get('content-disposition')).toBe('attachment; filename="odd.png"');
      await followed.text();
    });

    test('shows nothing that the app would show in a sandbox only', async () => {
      const html = await get('/redirect/page.html?inline=text/html');
      const saved = await fetch(html.headers.location!);
      expect(saved.headers.get('content-disposition')).toMatch(/^attachment/);
      await saved.text();
      const pdf = await get('/redirect/paper.pdf?inline=application/pdf');
      const shown = await fetch(pdf.headers.location!);
      expect(shown.headers.get('content-disposition')).toMatch(/^inline/);
      expect(shown.headers.get('cache-control')).toBe('public, max-age=31536000');
      await shown.text();
    });

    test.each([
      ['cache', '?cache=private', 'private, no-store, no-transform'],
      ['@Header()', '/private', 'private'],
    ])('binds what the app says of caches by %s, or is not made', async (_by, how, said) => {
      const answer = await get(`/redirect/paper.pdf${how}`);
      const chosen = await get(`/auto/paper.pdf${how}`);
      if (!served.storage.capabilities.signedCacheControl) {
        expect(answer).toMatchObject({ status: 501, json: { code: 'UNSUPPORTED' } });
        expect(chosen).toMatchObject({ status: 200, text: '%PDF' });
        expect(chosen.headers['cache-control']).toBe(said);
        return;
      }
      for (const { status, headers } of [answer, chosen]) {
        expect(status).toBe(302);
        const followed = await fetch(headers.location!);
        expect(await followed.text()).toBe('%PDF');
        expect(followed.headers.get('cache-control')).toBe(said);
      }
    });

    test('is undone by a change of what is bound', async () => {
      const { headers } = await get('/redirect/page.html');
      const url = headers.location!.replaceAll('attachment', 'inline');
      expect(url).not.toBe(headers.location);
      const followed = await fetch(url);
      expect(followed.status).toBe(403);
      await followed.text();
    });

    test.each([
      ['', 'private, max-age=300'],
      ['?lives=60', 'private, max-age=30'],
      ['?lives=31', 'private, max-age=1'],
      ['?lives=30', 'private, no-store'],
      ['?lives=1', 'private, no-store'],
    ])('with %j is kept for: %s', async (query, cacheControl) => {
      const { headers } = await get(`/redirect/photo.png${query}`);
      expect(headers['cache-control']).toBe(cacheControl);
    });

    test('answers HEAD, too, and a file that is not there by 404', async () => {
      const head = await get('/redirect/photo.png', 'HEAD');
      expect(head.status).toBe(302);
      expect(head.headers.location).toMatch(/^http/);
      const missing = await get('/redirect/missing.png');
      expect(missing.status).toBe(404);
      expect(missing.headers).not.toHaveProperty('location');
      expect((await get('/redirect/a%5Cb')).status).toBe(404);
    });

    test('is what "auto" chooses, but not for a POST', async () => {
      expect((await get('/auto/photo.png')).status).toBe(302);
      expect(await get('/auto/photo.png', 'POST')).toMatchObject({ status: 201, text: 'png' });
    });
  });
});

describe.each(Object.entries({ memory, local }))('files on %s', (_name, openBackend) => {
  let served: Served;
  beforeAll(async () => {
    served = await serve(openBackend);
  });
  afterAll(() => close(served));

  test.each(ADAPTERS)(
    '%s: "auto" sends them itself, "redirect" says what is missing',
    async (name) => {
      const { port } = served.apps.get(name)!;
      expect(await send(port, '/auto/photo.png')).toMatchObject({ status: 200, text: 'png' });
      const refused = await send(port, '/redirect/photo.png');
      expect(refused.status).toBe(501);
      expect(refused.json).toMatchObject({ code: 'UNSUPPORTED' });
      // Of several apps in one process the last has the log.
      const logs = [...served.apps.values()].map(({ log }) => log.text).join('\n');
      expect(logs).toContain('cannot sign URLs: give StorageModule.forRoot() routes');
    },
  );
});
