import { jest } from '@jest/globals';
import {
  BadRequestException,
  Controller,
  Logger,
  type MessageEvent,
  Param,
  Post,
  Res,
  Sse,
  UseInterceptors,
} from '@nestjs/common';
import { randomBytes, randomUUID } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { firstValueFrom, lastValueFrom, type Observable, toArray } from 'rxjs';
import {
  KeepUploads,
  StorageConnectionError,
  StorageFileInterceptor,
  StorageModule,
} from '../../lib/index.js';
import { UploadProgress, type UploadStatus } from '../../lib/uploads/upload-progress.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { type Answer, openSocket, send } from '../nest/http-client.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { form, formHeaders, partHead, png } from './forms.js';
import { onEachAdapter, startApp } from './upload-fixture.js';

const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png(2_000_000) };
const body = form(photo);
const uploadId = (): string => randomBytes(16).toString('base64url');

let handler: () => unknown = () => 'done';

@Controller()
class ProgressController {
  constructor(private readonly uploads: UploadProgress) {}

  @Post()
  @UseInterceptors(StorageFileInterceptor('photo', { maxSize: '5mb' }))
  add(): unknown {
    return handler();
  }

  @Post('kept')
  @KeepUploads()
  @UseInterceptors(StorageFileInterceptor('photo', { maxSize: '5mb' }))
  keep(): unknown {
    throw new BadRequestException('kept all the same');
  }

  @Sse('progress/:id')
  progress(@Param('id') id: string): Observable<MessageEvent> {
    return this.uploads.events(id);
  }
}

const replacing = StorageFileInterceptor('photo', { key: () => 'k', overwrite: true });

@Controller('staged')
class StagedController {
  @Post()
  @UseInterceptors(replacing)
  add(): void {}

  @Post('answered')
  @UseInterceptors(replacing)
  answer(@Res() response: { send(text: string): void }): void {
    response.send('answered');
  }

  @Post('kept')
  @KeepUploads()
  @UseInterceptors(replacing)
  keep(): void {}

  @Post('kept/failing')
  @KeepUploads()
  @UseInterceptors(replacing)
  fail(): never {
    throw new BadRequestException('kept all the same');
  }
}

onEachAdapter(() => {
  let port: number;
  let uploads: UploadProgress;
  let app: Awaited<ReturnType<typeof startApp>>['app'];

  beforeEach(async () => {
    handler = () => 'done';
    ({ app, port } = await startApp({
      imports: [StorageModule.forRoot({ storages: { a: { driver: 'memory' } } })],
      controllers: [ProgressController],
    }));
    uploads = app.get(UploadProgress);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await closeApps();
  });

  const post = (id: string, bytes = body, path = '/'): Promise<Answer> =>
    send(port, path, {
      method: 'POST',
      headers: { ...formHeaders, 'X-Upload-Id': id },
      body: bytes,
    });

  const statusesOf = (id: string): Promise<UploadStatus[]> =>
    lastValueFrom(uploads.progressOf(id).pipe(toArray()));

  test('an upload that is kept is stored, although its request fails', async () => {
    const id = uploadId();
    const watching = statusesOf(id);
    expect((await post(id, body, '/kept')).status).toBe(400);
    expect((await watching).at(-1)).toMatchObject({ state: 'stored' });
  });

  test('an upload that is watched from before its beginning is stored at its end', async () => {
    const id = uploadId();
    const watching = statusesOf(id);
    expect((await post(id)).status).toBe(201);
    const statuses = await watching;
    expect(statuses[0]).toEqual({
      state: 'receiving',
      bytesReceived: 0,
      totalBytes: body.length,
    });
    expect(statuses.at(-1)).toEqual({
      state: 'stored',
      bytesReceived: body.length,
      totalBytes: body.length,
    });
    const bytes = statuses.map(({ bytesReceived }) => bytesReceived);
    expect(bytes).toEqual([...bytes].sort((a, b) => a - b));
    expect(statuses.filter(({ state }) => state === 'stored')).toHaveLength(1);
  });

  test('it is not stored before the handler has succeeded', async () => {
    let finish: () => void = () => {};
    let began = false;
    handler = () => {
      began = true;
      return new Promise<void>((resolve) => (finish = resolve));
    };
    const id = randomUUID();
    const states: string[] = [];
    uploads.progressOf(id).subscribe(({ state }) => states.push(state));
    const answer = post(id);
    await until(() => began);
    expect(states).not.toContain('stored');
    finish();
    await answer;
    await until(() => states.includes('stored'));
  });

  test('it fails when the handler does', async () => {
    handler = () => {
      throw new BadRequestException();
    };
    const id = uploadId();
    const watching = statusesOf(id);
    expect((await post(id)).status).toBe(400);
    expect((await watching).at(-1)).toMatchObject({ state: 'failed', bytesReceived: body.length });
  });

  test('it fails with the code that the client is told', async () => {
    const id = uploadId();
    const watching = statusesOf(id);
    const answer = await post(id, form({ ...photo, content: png(5 * 1024 * 1024 + 1) }));
    expect(answer.json.code).toBe('LIMIT_FILE_SIZE');
    expect((await watching).at(-1)).toMatchObject({ state: 'failed', code: 'LIMIT_FILE_SIZE' });
  });

  test.each(['/staged', '/staged/answered'])(
    'it fails with a code when its publication does: %s',
    async (path) => {
      const copy = (): Promise<never> => Promise.reject(new StorageConnectionError());
      const { driver } = await recordingDriver(() => ({ copy }));
      ({ app, port } = await startApp({
        imports: [StorageModule.forRoot({ storages: { a: { driver, retry: { maxRetries: 0 } } } })],
        controllers: [StagedController],
      }));
      uploads = app.get(UploadProgress);
      const id = uploadId();
      const watching = statusesOf(id);
      await post(id, body, path);
      expect((await watching).at(-1)).toMatchObject({ state: 'failed', code: 'CONNECTION_FAILED' });
    },
  );

  test.each([
    ['/staged/kept', 1, { state: 'stored' }],
    ['/staged/kept', Infinity, { state: 'failed', code: 'CONNECTION_FAILED' }],
    ['/staged/kept/failing', 0, { state: 'stored' }],
    ['/staged/kept/failing', Infinity, { state: 'failed' }],
  ])(
    'one that is to be kept is stored when it gets under its key: %s, with %s failures of the storage',
    async (path, failures, end) => {
      jest.spyOn(Logger.prototype, 'error').mockImplementation(() => {});
      let copies = 0;
      const { driver, keys } = await recordingDriver((memory) => ({
        copy: (...args) =>
          (copies += 1) <= failures
            ? Promise.reject(new StorageConnectionError())
            : memory.copy(...args),
      }));
      ({ app, port } = await startApp({
        imports: [StorageModule.forRoot({ storages: { a: { driver, retry: { maxRetries: 0 } } } })],
        controllers: [StagedController],
      }));
      uploads = app.get(UploadProgress);
      const id = uploadId();
      const watching = statusesOf(id);
      await post(id, body, path);
      expect((await watching).at(-1)).toMatchObject(end);
      expect((await keys()).includes('k')).toBe(end.state === 'stored');
    },
  );

  test('it fails when the client leaves', async () => {
    const id = uploadId();
    const watching = statusesOf(id);
    const socket = await openSocket(port);
    socket.write(
      `POST / HTTP/1.1\r\nHost: x\r\nX-Upload-Id: ${id}\r\nContent-Type: ${formHeaders['Content-Type']}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(partHead(photo));
    await firstValueFrom(uploads.progressOf(id));
    socket.destroy();
    expect((await watching).at(-1)).toMatchObject({ state: 'failed' });
  });

  test('who comes after the end is told how it ended', async () => {
    const id = uploadId();
    await post(id);
    await until(async () => (await statusesOf(id)).length === 1);
    expect(await statusesOf(id)).toEqual([
      { state: 'stored', bytesReceived: body.length, totalBytes: body.length },
    ]);
  });

  test('of two uploads with one name the first is followed', async () => {
    const id = uploadId();
    let handlers = 0;
    let finish: () => void = () => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    handler = () => {
      if (++handlers > 1) throw new BadRequestException();
      return finished;
    };
    const watching = statusesOf(id);
    const first = post(id);
    await until(() => handlers === 1);
    expect((await post(id)).status).toBe(400);
    finish();
    await first;
    expect((await watching).at(-1)).toMatchObject({ state: 'stored' });
  });

  test.each(['short', 'x'.repeat(65), `${'x'.repeat(30)}%2F`])(
    'a name that is no upload id is not followed, and watching it is a 400: %s',
    async (id) => {
      expect((await post(id)).status).toBe(201);
      const answer = await send(port, `/progress/${id}`);
      expect(answer.text).toContain('INVALID_UPLOAD_ID');
    },
  );

  test('it is told by Server-Sent Events, to the end', async () => {
    const id = uploadId();
    const response = await new Promise<IncomingMessage>((resolve) =>
      get({ port, host: '127.0.0.1', path: `/progress/${id}`, agent: false }, resolve),
    );
    expect(response.headers['content-type']).toContain('text/event-stream');
    const received: Buffer[] = [];
    response.on('data', (chunk: Buffer) => received.push(chunk));
    const ended = new Promise((resolve) => response.on('end', resolve));
    await post(id);
    await ended;
    const events = Buffer.concat(received)
      .toString()
      .split('\n\n')
      .filter((event) => event.includes('data:'))
      .map((event) => ({
        type: /^event: (.+)$/m.exec(event)?.[1],
        data: JSON.parse(/^data: (.+)$/m.exec(event)![1]!) as UploadStatus,
      }));
    expect(events[0]).toMatchObject({ type: 'receiving' });
    expect(events.at(-1)).toMatchObject({ type: 'stored', data: { bytesReceived: body.length } });
  });

  test('watchers do not hold up the end of the app', async () => {
    const watching = statusesOf(uploadId());
    const response = await new Promise<IncomingMessage>((resolve) =>
      get({ port, host: '127.0.0.1', path: `/progress/${uploadId()}`, agent: false }, resolve),
    );
    const ended = new Promise((resolve) => response.on('end', resolve).resume());
    await app.close();
    await ended;
    expect(await watching).toEqual([]);
  });
});
