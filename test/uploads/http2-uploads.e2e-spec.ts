import {
  Controller,
  HttpCode,
  Post,
  StreamableFile,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { Readable } from 'node:stream';
import {
  getStorageToken,
  type Storage,
  StorageFileInterceptor,
  StorageModule,
  type StoredUpload,
  UploadProgress,
} from '../../lib/index.js';
import { closeApps, failure, startApp, until } from '../nest/app-fixture.js';
import { form, formHeaders, png } from './forms.js';

const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png(3000) };
const sessions: ClientHttp2Session[] = [];

afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  await closeApps();
});

async function start() {
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  let isRunning = false;
  let keeping: Error | undefined;

  @Controller()
  class Http2Controller {
    @Post('adds')
    @UseInterceptors(StorageFileInterceptor('photo'))
    async adds(@UploadedFile() file: StoredUpload) {
      return this.#act(file);
    }

    @Post('replaces')
    @UseInterceptors(StorageFileInterceptor('photo', { key: () => 'one', overwrite: true }))
    async replaces(@UploadedFile() file: StoredUpload) {
      return this.#act(file);
    }

    @Post('empty')
    @HttpCode(204)
    @UseInterceptors(StorageFileInterceptor('photo'))
    empty(): void {}

    @Post('streams')
    @UseInterceptors(StorageFileInterceptor('photo'))
    streams() {
      return new StreamableFile(Readable.from(['some', 'bytes']));
    }

    @Post('breaks-off')
    @UseInterceptors(StorageFileInterceptor('photo'))
    breaksOff() {
      const source = async function* () {
        yield 'x'.repeat(1000);
        await released;
        throw new Error('The source of the answer failed');
      };
      return new StreamableFile(Readable.from(source()));
    }

    async #act(file: StoredUpload): Promise<object> {
      isRunning = true;
      await released;
      keeping = await failure(async () => file.keep());
      return { key: file.key };
    }
  }
  const { app, port } = await startApp(
    {
      imports: [StorageModule.forRoot({ storages: { uploads: { driver: 'memory' } } })],
      controllers: [Http2Controller],
    },
    { adapter: new FastifyAdapter({ http2: true } as never) },
  );
  const storage = app.get<Storage>(getStorageToken('uploads'));
  const id = randomUUID();
  let state: string | undefined;
  app
    .get(UploadProgress)
    .progressOf(id)
    .subscribe((seen) => (state = seen.state));
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  sessions.push(session);
  return {
    session,
    release: () => release(),
    isRunning: () => isRunning,
    keeping: () => keeping,
    state: () => state,
    post: (path: string): ClientHttp2Stream => {
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': formHeaders['Content-Type'],
        'x-upload-id': id,
      });
      stream.on('error', () => {});
      stream.end(form(photo));
      return stream;
    },
    keys: async (): Promise<string[]> => {
      const keys: string[] = [];
      for await (const { key } of storage.list()) keys.push(key);
      return keys;
    },
  };
}

test.each([
  ['resets its stream', '/adds'],
  ['ends the session', '/adds'],
  ['resets its stream', '/replaces'],
])('a client that %s while the handler of %s runs takes its file with it', async (how, path) => {
  const app = await start();
  const stream = app.post(path);
  await until(app.isRunning);
  if (how === 'ends the session') app.session.destroy();
  else stream.close(constants.NGHTTP2_CANCEL);
  await until(() => app.state() === 'failed');
  app.release();
  await until(() => app.keeping() !== undefined);
  expect(app.keeping()).toMatchObject({ code: 'ABORTED' });
  await until(async () => (await app.keys()).length === 0);
});

test('an answer that breaks off on the server’s side takes the file with it', async () => {
  const app = await start();
  const stream = app.post('/breaks-off');
  await once(stream, 'response');
  expect(await app.keys()).toHaveLength(1);
  app.release();
  stream.resume();
  await until(async () => (await app.keys()).length === 0);
});

test('a client that leaves while a good answer is on its way to it changes nothing', async () => {
  const app = await start();
  const stream = app.post('/breaks-off');
  await once(stream, 'response');
  app.session.destroy();
  await until(() => app.state() === 'stored');
  app.release();
  expect(await app.keys()).toHaveLength(1);
});

test.each(['/empty', '/streams'])(
  'the file stays when the answer of %s has been sent',
  async (path) => {
    const app = await start();
    const stream = app.post(path);
    stream.resume();
    await once(stream, 'close');
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
    await until(() => app.state() === 'stored');
    expect(await app.keys()).toHaveLength(1);
  },
);
