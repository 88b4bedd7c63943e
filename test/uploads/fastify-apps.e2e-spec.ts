import multipart from '@fastify/multipart';
import {
  type CallHandler,
  Controller,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  ParseFilePipe,
  Post,
  Req,
  UploadedFile,
  UploadedFiles,
  UseInterceptors,
  VersioningType,
} from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Observable } from 'rxjs';
import { StorageFileInterceptor, StorageModule, type StoredUpload } from '../../lib/index.js';
import { type AppSettings, closeApps, startApp } from '../nest/app-fixture.js';
import { type Answer, send } from '../nest/http-client.js';
import { form, formHeaders, png } from './forms.js';

afterEach(closeApps);

const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png(3_000_000) };

@Controller()
class OurController {
  @Post('ours')
  @UseInterceptors(StorageFileInterceptor('photo'))
  add(@UploadedFile() file: StoredUpload): unknown {
    return { size: file.size, mimetype: file.mimetype, storage: file.storage };
  }
}

/** The app's own way with forms, by the plugin. */
@Controller()
class PluginController {
  @Post('theirs')
  async add(@Req() request: any): Promise<unknown> {
    const { file } = (await request.file({ limits: { fileSize: 10_000_000 } })) as {
      file: AsyncIterable<Buffer>;
    };
    let size = 0;
    for await (const chunk of file) size += chunk.byteLength;
    return { size };
  }
}

const imports = [StorageModule.forRoot({ storages: { uploads: { driver: 'memory' } } })];

function start(settings: AppSettings & { controllers?: any[] } = {}) {
  const { controllers = [OurController], ...rest } = settings;
  return startApp({ imports, controllers }, { adapter: new FastifyAdapter(), ...rest });
}

const post = (port: number, path: string, type = formHeaders['Content-Type']): Promise<Answer> =>
  send(port, path, { method: 'POST', headers: { 'Content-Type': type }, body: form(photo) });

const register = (app: INestApplication): unknown =>
  (app as NestFastifyApplication).register(multipart as never);

test('a form over HTTP/2 is received, and refused, as any other, whether its length is told or not', async () => {
  const { port } = await start({ adapter: new FastifyAdapter({ http2: true } as never) });
  const session = connect(`http://127.0.0.1:${port}`);
  const send2 = (body: Buffer, length?: number): Promise<[status: number, text: string]> =>
    new Promise((resolve, reject) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/ours',
        'content-type': formHeaders['Content-Type'],
        ...(length !== undefined && { 'content-length': length }),
      });
      let status = 0;
      let text = '';
      stream.on('response', (headers) => (status = Number(headers[':status'])));
      stream.on('data', (chunk: Buffer) => (text += String(chunk)));
      stream.on('error', reject).on('end', () => resolve([status, text]));
      stream.end(body);
    });
  const body = form({ ...photo, content: png(300_000) });
  for (const length of [undefined, body.length]) {
    const [status, text] = await send2(body, length);
    expect([status, JSON.parse(text)]).toEqual([201, expect.objectContaining({ size: 300_000 })]);
  }
  const [refused, text] = await send2(form({ ...photo, name: 'other', content: png(100) }));
  expect([refused, JSON.parse(text)]).toEqual([400, expect.objectContaining({ statusCode: 400 })]);
  session.close();
});

test('a Fastify app takes uploads without any plugin, beyond its bodyLimit', async () => {
  const { port } = await start({ adapter: new FastifyAdapter({ bodyLimit: 1000 }) });
  const answer = await post(port, '/ours');
  expect(answer).toMatchObject({
    status: 201,
    json: { size: 3_000_000, mimetype: 'image/png', storage: 'uploads' },
  });
});

test('a type in other letters, and with quotes, is a form, too', async () => {
  const { port } = await start();
  const type = 'Multipart/Form-Data; charset=utf-8; boundary="form-boundary-7d1"';
  expect((await post(port, '/ours', type)).status).toBe(201);
});

test('@fastify/multipart may be there as well, for routes of its own', async () => {
  const { port } = await start({
    controllers: [OurController, PluginController],
    configure: (app) => void register(app),
  });
  expect((await post(port, '/ours')).json.size).toBe(3_000_000);
  expect((await post(port, '/theirs')).json.size).toBe(3_000_000);
});

test('what is no form has no files, though @fastify/multipart has methods of these names', async () => {
  @Controller()
  class DemandingController {
    @Post('one')
    @UseInterceptors(StorageFileInterceptor('photo'))
    one(@UploadedFile() file: unknown, @UploadedFiles() files: unknown): unknown {
      return [typeof file, typeof files];
    }

    @Post('demanded')
    @UseInterceptors(StorageFileInterceptor('photo'))
    demanded(@UploadedFile(new ParseFilePipe()) _file: unknown): void {}
  }
  const { port } = await start({
    controllers: [DemandingController],
    configure: (app) => void register(app),
  });
  const headers = { 'Content-Type': 'application/json' };
  const sent = (path: string) => send(port, path, { method: 'POST', headers, body: '{}' });
  expect((await sent('/one')).json).toEqual(['undefined', 'undefined']);
  expect((await sent('/demanded')).status).toBe(400);
});

test('@fastify/multipart may be registered after the app was initialised', async () => {
  const controllers = [OurController, PluginController];
  const module = await Test.createTestingModule({ imports, controllers }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
  await app.init();
  await app.register(multipart as never);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  expect((await post(port, '/ours')).json.size).toBe(3_000_000);
  expect((await post(port, '/theirs')).json.size).toBe(3_000_000);
  await app.close();
});

test('a parser of the app for any type does not take the body away', async () => {
  const { port } = await start({
    configure: (app) => {
      const instance = app.getHttpAdapter().getInstance();
      instance.addContentTypeParser(
        '*',
        { parseAs: 'buffer' },
        (_request: any, body: any, done: any) => done(null, body),
      );
    },
  });
  expect((await post(port, '/ours')).status).toBe(201);
});

test('a plugin that has read the body already is told by name', async () => {
  const { port, log } = await start({
    configure: (app) => {
      const instance = app.getHttpAdapter().getInstance();
      instance.addContentTypeParser(
        'multipart/form-data',
        { parseAs: 'buffer', bodyLimit: 10_000_000 },
        (_request: any, body: any, done: any) => done(null, body),
      );
    },
  });
  expect((await post(port, '/ours')).status).toBe(500);
  expect(log.text).toContain('was read before the upload interceptor');
});

test('prefix, versions and global interceptors change nothing', async () => {
  class PassesOn implements NestInterceptor {
    intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
      return next.handle();
    }
  }
  const { port } = await start({
    configure: (app) => {
      app.setGlobalPrefix('api');
      app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
      app.useGlobalInterceptors(new PassesOn());
    },
  });
  expect((await post(port, '/api/v1/ours')).status).toBe(201);
});

test('bodies of other types are still refused', async () => {
  const { port } = await start();
  expect((await post(port, '/ours', 'application/x-unheard-of')).status).toBe(415);
});

// Nest has upload interceptors of its own for Fastify since 12.1.
const nestMultipart = await import('@nestjs/platform-fastify/multipart').catch(() => undefined);

test('Nest’s own interceptors for Fastify are looked at where Nest has them', () => {
  expect(nestMultipart !== undefined).toBe('useMultipart' in FastifyAdapter.prototype);
});

if (nestMultipart) {
  describe('beside Nest’s own interceptors for Fastify', () => {
    const { FileInterceptor } = nestMultipart;

    @Controller()
    class NestsController {
      @Post('theirs')
      @UseInterceptors(FileInterceptor('photo', { limits: { fileSize: 10_000_000 } }))
      add(@UploadedFile() file: { size: number }): unknown {
        return { size: file.size };
      }
    }

    test.each([
      ['before them', [OurController, NestsController]],
      ['after them', [NestsController, OurController]],
    ])('ours work, %s', async (_order, controllers) => {
      const { port } = await start({ controllers });
      expect((await post(port, '/ours')).json.size).toBe(3_000_000);
      expect((await post(port, '/theirs')).json.size).toBe(3_000_000);
    });

    test('ours work where the adapter registers the plugin by itself', async () => {
      const { port } = await start({
        adapter: new FastifyAdapter({ multipart: true } as never),
        controllers: [OurController, NestsController],
      });
      expect((await post(port, '/ours')).json.size).toBe(3_000_000);
      expect((await post(port, '/theirs')).json.size).toBe(3_000_000);
    });
  });
}
