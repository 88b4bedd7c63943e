import { jest } from '@jest/globals';
import {
  type CanActivate,
  type CallHandler,
  type ExecutionContext,
  HttpException,
  type NestInterceptor,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import type { Observable } from 'rxjs';
import { TokenSealer } from '../../lib/core/sealed-token.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import type { StorageModuleOptions } from '../../lib/interfaces/storage-module-options.interface.js';
import type { UploadKey } from '../../lib/uploads/key-strategies.js';
import { UploadIds } from '../../lib/tus/upload-ids.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { openSocket, sendRaw } from '../nest/http-client.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { configurationOf, removeFolders } from '../routes/routes-fixture.js';
import { png } from '../uploads/forms.js';
import {
  ADAPTERS,
  CHUNK,
  metadataHeader,
  published,
  shared,
  signingKeys,
  staged,
  startTus,
  type TusSetup,
} from './tus-fixture.js';

const MiB = 1024 * 1024;
const LONG_TYPE = `application/${'x'.repeat(300)}`;

describe.each(Object.entries(ADAPTERS))('on %s', (_name, adapter) => {
  afterEach(closeApps);
  afterAll(removeFolders);

  const start = (setup: TusSetup = {}) => startTus({ adapter: adapter(), ...setup });

  describe('tells', () => {
    test('what it offers, at the path and below it', async () => {
      const { tus } = await start({ options: { maxSize: 1000 } });
      for (const path of ['/files', '/files/', '/files/x']) {
        const answer = await tus('OPTIONS', path);
        expect(answer).toMatchObject({
          status: 204,
          headers: {
            'tus-resumable': '1.0.0',
            'tus-version': '1.0.0',
            'tus-extension':
              'creation,creation-with-upload,creation-defer-length,termination,expiration,checksum,concatenation',
            'tus-max-size': '1000',
            'tus-checksum-algorithm': 'sha1,sha256,md5,crc32,crc32c',
          },
        });
        // Who may ask from where is for the app to say.
        expect(Object.keys(answer.headers).join()).not.toMatch(/access-control/);
      }
    });

    test('all there is to know of an upload, and that nobody may keep it', async () => {
      const { tus, create, append } = await start();
      const metadata = metadataHeader({ filename: 'a.txt', empty: '' });
      const path = await create(10, { 'Upload-Metadata': metadata });
      await append(path, 0, 'abc');
      const { status, headers } = await tus('HEAD', path);
      expect(status).toBe(200);
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'tus-resumable': '1.0.0',
        'upload-length': '10',
        'upload-metadata': 'filename YS50eHQ=,empty',
        'upload-offset': '3',
      });
    });

    test('the metadata as they were sent, whatever bytes they are', async () => {
      const seen: unknown[] = [];
      const { tus, create, append } = await start({
        options: { onUploaded: (_file, { metadata }) => void seen.push(metadata) },
      });
      // The last one is padded otherwise than most do.
      const sent = `2 YQ==,1 ${Buffer.from([0xff, 0xfe, 0x80]).toString('base64')},empty,none ,name YR==`;
      const path = await create(3, { 'Upload-Metadata': sent });
      expect((await tus('HEAD', path)).headers['upload-metadata']).toBe(sent);
      await append(path, 0, 'abc');
      expect(seen).toMatchObject([{ 2: 'a', empty: null }]);
      const partial = await create(3, { 'Upload-Concat': 'partial' });
      await append(partial, 0, 'abc');
      const concat = { 'Upload-Concat': `final;${partial}`, 'Upload-Metadata': sent };
      const joined = await tus('POST', '/files', concat);
      const head = await tus('HEAD', joined.headers.location!);
      expect(head.headers['upload-metadata']).toBe(sent);
    });

    test('until when an upload is kept', async () => {
      const { tus, append } = await start({ options: { expiresIn: '2h' } });
      const created = await tus('POST', '/files', { 'Upload-Length': '10' });
      const expires = Date.parse(created.headers['upload-expires'] as string);
      expect(Math.abs(expires - Date.now() - 2 * 60 * 60_000)).toBeLessThan(60_000);
      const { headers } = await append(created.headers.location!, 0, 'abc');
      expect(headers['upload-expires']).toBe(created.headers['upload-expires']);
    });
  });

  describe('refuses', () => {
    test('another version of the protocol, or none', async () => {
      const { tus, create } = await start();
      const path = await create(10);
      for (const version of ['0.2.2', '']) {
        expect(await tus('HEAD', path, { 'Tus-Resumable': version })).toMatchObject({
          status: 412,
          headers: { 'tus-version': '1.0.0', 'tus-resumable': '1.0.0' },
        });
      }
    });

    test('what is larger than the largest file, before a byte comes', async () => {
      const { tus, create, append, storage } = await start({ options: { maxSize: 1000 } });
      const refused = await tus('POST', '/files', { 'Upload-Length': '1001' });
      expect(refused).toMatchObject({ status: 413, json: { code: 'LIMIT_FILE_SIZE' } });
      const deferred = await tus('POST', '/files', { 'Upload-Defer-Length': '1' });
      const path = deferred.headers.location!;
      expect((await append(path, 0, Buffer.alloc(1001))).status).toBe(413);
      expect((await append(path, 0, '', { 'Upload-Length': '1001' })).status).toBe(413);
      const concat = [
        await create(600, { 'Upload-Concat': 'partial' }),
        await create(600, { 'Upload-Concat': 'partial' }),
      ];
      for (const each of concat) await append(each, 0, Buffer.alloc(600));
      const joined = await tus('POST', '/files', { 'Upload-Concat': `final;${concat.join(' ')}` });
      expect(joined).toMatchObject({ status: 413, json: { code: 'LIMIT_FILE_SIZE' } });
      expect(await published(storage)).toEqual([]);
    });

    test('more bytes than were announced', async () => {
      const { tus, create, append } = await start();
      const path = await create(3);
      expect((await append(path, 0, 'abcd')).status).toBe(413);
      const chunked = await append(path, 0, 'abcd', { 'Transfer-Encoding': 'chunked' });
      expect(chunked.status).toBe(413);
      expect((await tus('HEAD', path)).headers['upload-offset']).toBe('0');
    });

    test('more bytes than were announced, after all that were, and publishes nothing', async () => {
      const { tus, create, port, storage } = await start();
      const path = await create(3);
      const answer = await sendRaw(
        port,
        `PATCH ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n` +
          `Content-Type: ${CHUNK['Content-Type']}\r\nTransfer-Encoding: chunked\r\n\r\n` +
          '3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n',
      );
      expect(answer).toMatch(/^HTTP\/1.1 413 /);
      expect((await tus('HEAD', path)).headers['upload-offset']).toBe('0');
      expect(await published(storage)).toEqual([]);
    });

    test('bytes for another place than the end, and stores none of them', async () => {
      const { tus, create, append } = await start();
      const path = await create(10);
      await append(path, 0, 'abc');
      for (const offset of [0, 2, 4]) {
        expect(await append(path, offset, 'xyz')).toMatchObject({
          status: 409,
          json: { code: 'UPLOAD_OFFSET_CONFLICT' },
          headers: { 'tus-resumable': '1.0.0' },
        });
      }
      expect((await tus('HEAD', path)).headers['upload-offset']).toBe('3');
    });

    test.each<[string, number, string, Record<string, string>]>([
      ['POST', 400, 'no length', {}],
      ['POST', 400, 'a length that is none', { 'Upload-Length': '-1' }],
      ['POST', 400, 'two lengths', { 'Upload-Length': '1', 'Upload-Defer-Length': '1' }],
      ['POST', 400, 'metadata', { 'Upload-Length': '1', 'Upload-Metadata': 'a b c' }],
      [
        'POST',
        400,
        'a type of any length',
        { 'Upload-Length': '1', 'Upload-Metadata': metadataHeader({ filetype: LONG_TYPE }) },
      ],
      ['POST', 400, 'a concatenation', { 'Upload-Length': '1', 'Upload-Concat': 'whole' }],
      ['POST', 400, 'a concatenation of nothing', { 'Upload-Concat': 'final;' }],
      ['POST', 400, 'a concatenation with commas', { 'Upload-Concat': 'final;/files/x,/files/y' }],
      ['POST', 404, 'a concatenation of what is not there', { 'Upload-Concat': 'final;/files/x' }],
      ['PATCH', 415, 'no chunk', { 'Upload-Offset': '0' }],
      ['PATCH', 403, 'no offset', CHUNK],
      ['PATCH', 400, 'an offset that is none', { ...CHUNK, 'Upload-Offset': '0x0' }],
      ['PATCH', 400, 'a checksum', { ...CHUNK, 'Upload-Offset': '0', 'Upload-Checksum': 'sha1 x' }],
      [
        'PATCH',
        400,
        'a checksum of its own kind',
        { ...CHUNK, 'Upload-Offset': '0', 'Upload-Checksum': 'sha512 eA==' },
      ],
    ])('%s with %d: %s', async (method, status, _what, headers) => {
      const { tus, create, storage } = await start();
      const path = method === 'POST' ? '/files' : await create(5);
      const before = await staged(storage);
      expect((await tus(method, path, headers, method === 'PATCH' ? 'hello' : '')).status).toBe(
        status,
      );
      expect(await staged(storage)).toEqual(before);
    });

    test('a concatenation of uploads that are not partial, or not complete', async () => {
      const { tus, create, append } = await start();
      const whole = await create(1);
      const partial = await create(2, { 'Upload-Concat': 'partial' });
      await append(partial, 0, 'a');
      for (const path of [whole, partial]) {
        const refused = await tus('POST', '/files', { 'Upload-Concat': `final;${path}` });
        expect(refused.status).toBe(400);
      }
      await append(partial, 1, 'b');
      const joined = await tus('POST', '/files', { 'Upload-Concat': `final;${partial}` });
      expect(joined.status).toBe(201);
      expect((await append(joined.headers.location!, 2, 'c')).status).toBe(403);
    });

    test('bytes for an upload that is joined from others', async () => {
      const { tus, create, append, storage } = await start();
      const partial = await create(3, { 'Upload-Concat': 'partial' });
      await append(partial, 0, 'abc');
      const headers = { 'Upload-Concat': `final;${partial}` };
      for (const more of [
        CHUNK,
        { 'Content-Type': 'text/plain' },
        { 'Transfer-Encoding': 'chunked' },
      ]) {
        expect(await tus('POST', '/files', { ...headers, ...more }, 'xyz')).toMatchObject({
          status: 400,
          json: {
            code: 'INVALID_UPLOAD_REQUEST',
            message: expect.stringContaining('Upload-Concat'),
          },
        });
      }
      expect(await published(storage)).toEqual([]);
      expect((await tus('POST', '/files', { ...headers, ...CHUNK })).status).toBe(201);
    });

    test.each([{ 'Upload-Length': '3', 'Upload-Defer-Length': '1' }, {}])(
      'to create an upload of which %j is told, and says what to send',
      async (headers) => {
        const { tus } = await start();
        expect(await tus('POST', '/files', headers)).toMatchObject({
          status: 400,
          json: {
            code: 'INVALID_UPLOAD_REQUEST',
            message:
              'An upload is created with one of both: Upload-Length, or Upload-Defer-Length: 1',
          },
        });
      },
    );

    test('every id that is none with the same 404', async () => {
      const { tus, create, append, storage } = await start();
      await storage.put('there.json', '{}');
      const path = await create(10);
      const claims = { name: 'there', owner: '', expires: Date.now() + 60_000 };
      const ids = [
        'x',
        '..%2f..%2fx',
        '..%2Fthere',
        '..%5c..%5cx',
        'there%00',
        '%00',
        'there.json',
        '__proto__',
        `${path.slice(7)}%00`,
        `${path.slice(7)}/`,
        `${path.slice(7)}/..`,
        `x/${path.slice(7)}`,
        `${path.slice(7, -1)}${path.endsWith('A') ? 'B' : 'A'}`,
        path.slice(7).replace('v1.', 'v2.'),
        path.slice(7).toUpperCase(),
        // Sealed for something else, by the same keys and by others.
        new TokenSealer(signingKeys, 'tus upload\nuploads\n/other').seal(claims, new Date(4e12)),
        new UploadIds([{ id: 'one', secret: 'x'.repeat(32) }], 'uploads\n/files').seal(claims),
        // Sealed as it should be, for what is not there any more.
        new UploadIds(signingKeys, 'uploads\n/files').seal(claims),
      ];
      const answers = new Set<string>();
      for (const id of ids) {
        for (const method of ['HEAD', 'DELETE']) {
          expect([id, (await tus(method, `/files/${id}`)).status]).toEqual([id, 404]);
        }
        const answer = await append(`/files/${id}`, 0, 'x');
        expect([id, answer.status]).toEqual([id, 404]);
        answers.add(answer.text);
      }
      expect([...answers]).toEqual([
        '{"statusCode":404,"message":"There is no such upload","code":"UPLOAD_NOT_FOUND"}',
      ]);
      expect((await tus('HEAD', path)).status).toBe(200);
    });

    test('an upload that took too long, with 410', async () => {
      const { tus, append } = await start();
      const ids = new UploadIds(signingKeys, 'uploads\n/files');
      const path = `/files/${ids.seal({ name: 'x', owner: '', expires: Date.now() })}`;
      expect((await tus('HEAD', path)).status).toBe(410);
      expect(await append(path, 0, 'x')).toMatchObject({
        status: 410,
        json: { code: 'UPLOAD_EXPIRED' },
      });
    });

    test("another's upload, as if it were not there", async () => {
      const { tus, create, append } = await start({
        options: { owner: (request) => String(request.headers['x-user']) },
      });
      const ann = { 'X-User': 'ann' };
      const bob = { 'X-User': 'bob' };
      const path = await create(2, { ...ann, 'Upload-Concat': 'partial' });
      await append(path, 0, 'ab', ann);
      for (const method of ['HEAD', 'DELETE'])
        expect((await tus(method, path, bob)).status).toBe(404);
      expect((await append(path, 0, 'x', bob)).status).toBe(404);
      const concat = { 'Upload-Concat': `final;${path}` };
      expect((await tus('POST', '/files', { ...concat, ...bob })).status).toBe(404);
      expect((await tus('POST', '/files', { ...concat, ...ann })).status).toBe(201);
    });
  });

  test('guards and interceptors, the global ones and those of the module, are asked for every request', async () => {
    const asked: string[] = [];
    const guard = (label: string): CanActivate => ({
      canActivate(context: ExecutionContext) {
        const { method, headers } = context.switchToHttp().getRequest();
        asked.push(`${label} ${method}`);
        return headers['x-let-in'] === 'yes';
      },
    });
    const interceptor: NestInterceptor = {
      intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
        asked.push(`interceptor ${context.switchToHttp().getRequest().method}`);
        return next.handle();
      },
    };
    const { tus, create, storage } = await start({
      options: { decorators: [UseGuards(guard('module')), UseInterceptors(interceptor)] },
      metadata: {
        providers: [{ provide: APP_GUARD, useValue: guard('global') }],
      },
    });
    const letIn = { 'X-Let-In': 'yes' };
    const path = await create(5, letIn);
    const before = await staged(storage);
    const requests = [
      ['POST', '/files', { 'Upload-Length': '5' }],
      ['HEAD', path, {}],
      ['PATCH', path, { ...CHUNK, 'Upload-Offset': '0' }],
      ['DELETE', path, {}],
      ['OPTIONS', '/files', {}],
      ['POST', path, { 'X-HTTP-Method-Override': 'DELETE' }],
    ] as const;
    asked.length = 0;
    for (const [method, at, headers] of requests) {
      const body = method === 'PATCH' ? 'hello' : '';
      expect([method, (await tus(method, at, headers, body)).status]).toEqual([method, 403]);
    }
    expect(asked).toEqual(requests.map(([method]) => `global ${method}`));
    expect(await staged(storage)).toEqual(before);
    asked.length = 0;
    await tus('HEAD', path, letIn);
    expect(asked).toEqual(['global HEAD', 'module HEAD', 'interceptor HEAD']);
  });

  describe('locations', () => {
    const headers = {
      Host: 'evil.example',
      'X-Forwarded-Host': 'evil.example',
      'X-Forwarded-Proto': 'https,http',
      Forwarded: 'host=evil.example;proto=https',
      'Upload-Length': '1',
    };

    test('are paths that no header decides about', async () => {
      const { tus } = await start({ configure: (app) => app.setGlobalPrefix('api') });
      const { status, headers: answered } = await tus('POST', '/api/files', headers);
      expect([status, answered.location]).toEqual([
        201,
        expect.stringMatching(/^\/api\/files\/v1\./),
      ]);
      expect((await tus('HEAD', answered.location!)).status).toBe(200);
    });

    test('begin with the URL that the app is told', async () => {
      const { tus } = await start({ options: { path: '/u/p', baseUrl: 'https://a.example/x/' } });
      const { location } = (await tus('POST', '/u/p', headers)).headers;
      expect(location).toMatch(/^https:\/\/a\.example\/x\/u\/p\/v1\./);
    });
  });

  test('clients that can send nothing but POST say which method they mean', async () => {
    const { tus, create, append, storage } = await start();
    const path = await create(5);
    const meant = (method: string) => ({ 'X-HTTP-Method-Override': method });
    const headers = { ...CHUNK, ...meant('PATCH'), 'Upload-Offset': '0' };
    expect((await tus('POST', path, headers, 'he')).status).toBe(204);
    expect((await tus('POST', path, meant('HEAD'))).headers['upload-offset']).toBe('2');
    const state = await tus('POST', path, { ...CHUNK, ...meant('HEAD') }, 'llo');
    expect([state.status, state.headers['upload-offset']]).toEqual([200, '2']);
    expect((await tus('POST', path)).status).toBe(404);
    expect((await append(path, 2, 'llo')).status).toBe(204);
    expect((await tus('POST', path, meant('DELETE'))).status).toBe(204);
    expect(await staged(storage)).toEqual([]);
    expect(await published(storage)).toHaveLength(1);
  });

  /** A client that has sent a quarter of its bytes, of which two parts are stored, and then nothing. */
  async function silent(settings: Pick<StorageModuleOptions, 'shutdownTimeout'> = {}) {
    const { driver, count } = await recordingDriver(() => ({ async close() {} }));
    const setup = { configuration: { driver }, options: { partSize: 1000 } };
    const app = await start({ ...setup, settings });
    const path = await app.create(10_000);
    const socket = await openSocket(app.port);
    socket.write(
      `PATCH ${path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n` +
        `Content-Type: application/offset+octet-stream\r\nContent-Length: 10000\r\n\r\n`,
    );
    socket.write(Buffer.alloc(2500, 0x61));
    await until(() => count('uploadPart') === 2);
    return { ...app, path, socket, setup };
  }

  test.each(['application/json', 'application/offset+octet-stream', 'text/html'])(
    'a request without a body is none for a parser, though it says Content-Type: %s',
    async (type) => {
      const { tus, create } = await start();
      const path = await create(3);
      const headers = { 'Content-Type': type };
      expect((await tus('HEAD', path, headers)).status).toBe(200);
      expect((await tus('DELETE', path, headers)).status).toBe(204);
      expect((await tus('HEAD', path)).status).toBe(404);
    },
  );

  test('of a client that goes away, what came is kept', async () => {
    const { path, socket, storage, tus } = await silent();
    socket.destroy();
    await until(async () => (await staged(storage)).some((key) => key.endsWith('.part-3')));
    expect((await tus('HEAD', path)).headers['upload-offset']).toBe('2500');
  });

  test('who comes again takes over from a connection that says nothing any more', async () => {
    const { path, socket, tus, append } = await silent();
    const { status, headers } = await tus('HEAD', path);
    expect([status, headers['upload-offset']]).toEqual([200, '2500']);
    expect((await append(path, 2500, Buffer.alloc(7500))).status).toBe(204);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1.1 204 /);
    expect(answer).toMatch(/upload-offset: 2500/i);
  });

  test('a shutdown keeps what has come, and says so', async () => {
    const { app, path, socket, setup } = await silent({ shutdownTimeout: 1 });
    const closed = app.close();
    const [answer] = await once(socket, 'data');
    socket.destroy();
    await closed;
    expect(String(answer)).toMatch(/^HTTP\/1.1 503 /);
    const { tus } = await start(setup);
    expect((await tus('HEAD', path)).headers['upload-offset']).toBe('2500');
  });

  test('the end of a part that could not be removed, now that the part is there, counts for nothing', async () => {
    const { driver } = await recordingDriver(() => ({
      async deleteMany() {
        throw new Error('Killed');
      },
    }));
    const options = { partSize: 1000 };
    const { tus, create, append, storage } = await start({ configuration: { driver }, options });
    const bytes = randomBytes(3500);
    const path = await create(bytes.length);
    let offset = 0;
    for (const size of [600, 600, 900, 1400]) {
      const answer = await append(path, offset, bytes.subarray(offset, offset + size));
      offset += size;
      expect(answer.status).toBe(204);
      expect((await tus('HEAD', path)).headers['upload-offset']).toBe(String(offset));
    }
    const [key] = await published(storage);
    expect((await storage.getBytes(key!)).equals(bytes)).toBe(true);
  });

  test('an upload that is over is swept with all else that is staged, and none that is not', async () => {
    const { tus, create, append, storage } = await start({ options: { partSize: 1000 } });
    const alive = await create(1500);
    await append(alive, 0, Buffer.alloc(1200));
    const kept = await staged(storage);
    // Two days ago.
    const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() - 2 * 24 * 60 * 60_000);
    const path = await create(5000);
    await append(path, 0, Buffer.alloc(1500));
    await append(await create(10), 0, 'abc');
    clock.mockRestore();
    expect(await staged(storage)).toHaveLength(kept.length + 4);
    await until(async () => {
      await storage.sweep({ olderThan: 1 });
      return (await staged(storage)).length <= kept.length;
    });
    expect(await staged(storage)).toEqual(kept);
    const uploads: string[] = [];
    for await (const { key } of storage.staging().listMultipartUploads()) uploads.push(key);
    expect(uploads).toHaveLength(1);
    expect((await tus('HEAD', path)).status).toBe(410);
    expect((await append(alive, 1200, Buffer.alloc(300))).status).toBe(204);
  });

  test('a length that is not known yet is bound to the largest file only by what comes', async () => {
    const configuration = { driver: 'memory', maxObjectSize: 5000 } as const;
    const { tus, append } = await start({ configuration, options: { partSize: 1000 } });
    const { headers } = await tus('POST', '/files', { 'Upload-Defer-Length': '1' });
    const path = headers.location!;
    expect((await append(path, 0, Buffer.alloc(4000))).status).toBe(204);
    expect((await append(path, 4000, Buffer.alloc(2000), { 'Upload-Length': '6000' })).status).toBe(
      413,
    );
  });

  test('a length that was told with bytes which did not come can be told again, and no other', async () => {
    const { tus, append, storage } = await start();
    const path = (await tus('POST', '/files', { 'Upload-Defer-Length': '1' })).headers.location!;
    const last = (length: string, checksum: string) =>
      append(path, 0, 'hello', { 'Upload-Length': length, 'Upload-Checksum': `sha1 ${checksum}` });
    expect((await last('5', 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=')).status).toBe(460);
    expect((await last('6', 'qvTGHdzF6KLavt4PO0gs2a6pQ00=')).status).toBe(400);
    expect((await last('5', 'qvTGHdzF6KLavt4PO0gs2a6pQ00=')).status).toBe(204);
    const [key] = await published(storage);
    expect((await storage.getBytes(key!)).toString()).toBe('hello');
    // The answer to it may have been lost.
    expect((await append(path, 5, '', { 'Upload-Length': '5' })).status).toBe(204);
  });

  test('bytes with a checksum that are not wanted any more hold nothing open at the backend', async () => {
    const opened: Readable[] = [];
    const { driver } = await recordingDriver((memory) => ({
      async get(key, options) {
        const download = await memory.get(key, options);
        if (!key.includes('.chunk-')) return download;
        const body = Readable.from([download.body], { objectMode: false });
        opened.push(body);
        return { ...download, body };
      },
    }));
    const { create, append } = await start({ configuration: { driver } });
    const path = await create(5);
    expect((await append(path, 0, 'hello')).status).toBe(204);
    // Of no bytes.
    const headers = { 'Upload-Checksum': 'sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=' };
    expect((await append(path, 5, '', headers)).status).toBe(204);
    expect(opened.map(({ destroyed }) => destroyed)).toEqual([true]);
  });

  test('parts are as large as the backend wants them', async () => {
    const { driver } = await recordingDriver((memory) => ({
      capabilities: {
        ...memory.capabilities,
        limits: { ...memory.capabilities.limits, minPartSize: 1000 },
      },
    }));
    const { create, append, storage } = await start({
      configuration: { driver },
      options: { partSize: 100 },
    });
    for (const length of [500, 2500]) {
      const path = await create(length);
      expect((await append(path, 0, Buffer.alloc(length))).status).toBe(204);
    }
    expect(await published(storage)).toHaveLength(2);
  });

  test('of two clients that go on with one upload, one wins, and the file is whole', async () => {
    const { create, append, tus, storage } = await start({ options: { partSize: 64 * 1024 } });
    const bytes = Buffer.concat([png(16), randomBytes(MiB)]);
    const path = await create(bytes.length);
    const answers = await Promise.all([0, 0, 0].map((offset) => append(path, offset, bytes)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.every((status) => [204, 409, 423].includes(status))).toBe(true);
    for (;;) {
      const offset = Number((await tus('HEAD', path)).headers['upload-offset']);
      if (offset === bytes.length) break;
      await append(path, offset, bytes.subarray(offset));
    }
    const keys = await published(storage);
    expect(keys).toHaveLength(1);
    expect((await storage.getBytes(keys[0]!)).equals(bytes)).toBe(true);
  });

  test('one who waits too long for another is told with 423', async () => {
    const { create } = await start();
    const path = await create(5);
    const lock = async (): Promise<void> => {
      // As the lockers of @tus/server do.
      throw { status_code: 500, body: 'failed to acquire lock before timeout' };
    };
    const locker = { newLock: () => ({ lock, async unlock() {} }) };
    const { append } = await start({ options: { locker } });
    expect(await append(path, 0, 'x')).toMatchObject({
      status: 423,
      json: { code: 'UPLOAD_LOCKED' },
    });
  });

  describe('the app', () => {
    test('is told of the file, and by whom', async () => {
      const seen: unknown[] = [];
      const { create, append, storage } = await start({
        options: {
          owner: () => 'ann',
          key: ({ originalname, contentType }) => `${contentType}/${originalname}`,
          onUploaded: (file, { request, storage: where, ...context }) =>
            void seen.push([file.key, file.size, where === storage, request.method, context]),
        },
      });
      const metadata = { name: 'a.png', type: 'text/html' };
      const path = await create(16, {
        'Upload-Metadata': metadataHeader(metadata),
      });
      await append(path, 0, png(16));
      expect(seen).toEqual([
        [
          'image/png/a.png',
          16,
          true,
          'PATCH',
          { owner: 'ann', filename: 'a.png', metadata: { name: 'a.png', type: 'text/html' } },
        ],
      ]);
    });

    test('can refuse the file, which is removed then', async () => {
      const { tus, create, append, storage } = await start({
        options: {
          onUploaded() {
            throw new HttpException('Full', 402);
          },
        },
      });
      const path = await create(5);
      expect((await append(path, 0, 'hello')).status).toBe(402);
      expect((await tus('HEAD', path)).status).toBe(404);
      expect([await published(storage), await staged(storage)]).toEqual([[], []]);
    });

    test('can refuse the file, which stays theirs when somebody else replaces it in that moment', async () => {
      const { create, append, storage } = await start({
        options: {
          key: () => 'a.txt',
          onUploaded() {
            jest.spyOn(storage, 'info').mockImplementationOnce(async (...given) => {
              const found = await look(...given);
              await storage.put('a.txt', 'another’s');
              return found;
            });
            throw new HttpException('Full', 402);
          },
        },
      });
      const look = storage.info.bind(storage);
      expect((await append(await create(5), 0, 'hello')).status).toBe(402);
      expect((await storage.getBytes('a.txt')).toString()).toBe('another’s');
    });

    test('is asked again when it failed, and has the file by then', async () => {
      let failures = 2;
      const keys: string[] = [];
      const { tus, create, append, storage, log } = await start({
        options: {
          onUploaded({ key }) {
            keys.push(key);
            if (failures-- > 0) throw new Error('The database is away');
          },
        },
      });
      const path = await create(5);
      expect((await append(path, 0, 'hello')).status).toBe(500);
      expect(log.text).toContain('The database is away');
      expect((await tus('HEAD', path)).status).toBe(500);
      expect(await tus('HEAD', path)).toMatchObject({
        status: 200,
        headers: { 'upload-offset': '5' },
      });
      await tus('HEAD', path);
      expect(keys).toEqual([keys[0], keys[0], keys[0]]);
      expect(await published(storage)).toEqual([keys[0]]);
    });

    test('has no file of an upload that is terminated before it accepted it', async () => {
      const { tus, create, append, storage } = await start({
        options: {
          onUploaded() {
            throw new Error('The database is away');
          },
        },
      });
      const path = await create(5);
      expect((await append(path, 0, 'hello')).status).toBe(500);
      expect(await published(storage)).toHaveLength(1);
      expect((await tus('DELETE', path)).status).toBe(204);
      expect([await published(storage), await staged(storage)]).toEqual([[], []]);
    });

    test.each([
      ['fails', new Error('The database is away'), 500],
      // As it may answer to what it has already.
      ['refuses it', new HttpException('There is one', 409), 409],
    ])(
      'keeps a file that it may have accepted from a process that ended then, though it %s now',
      async (_what, error, status) => {
        const { driver } = await recordingDriver();
        const events = new EventEmitter();
        const configuration = { driver: shared(driver) };
        const { create, append } = await start({
          configuration,
          // It does not come to its end before that of the test.
          options: { onUploaded: () => (events.emit('told'), once(events, 'end')) },
        });
        const { tus, storage } = await start({
          configuration,
          options: {
            onUploaded() {
              throw error;
            },
          },
        });
        const path = await create(5);
        const [answer] = [append(path, 0, 'hello'), await once(events, 'told')];
        expect((await tus('HEAD', path)).status).toBe(status);
        // One that is refused is gone with its upload.
        expect((await tus('DELETE', path)).status).toBe(status === 500 ? 204 : 404);
        expect(await published(storage)).toHaveLength(1);
        expect(await staged(storage)).toEqual([]);
        events.emit('end');
        await answer;
      },
    );

    test('is told once, though that cannot be written down', async () => {
      let puts = 0;
      const keys: string[] = [];
      const { driver } = await recordingDriver((memory) => ({
        async put(...args) {
          if (++puts === 5) throw new Error('Away');
          return memory.put(...args);
        },
      }));
      const { tus, create, append, storage } = await start({
        configuration: { driver },
        options: { onUploaded: ({ key }) => void keys.push(key) },
      });
      expect((await append(await create(5), 0, 'hello')).status).toBe(204);
      expect([puts, keys.length]).toEqual([5, 1]);
      // What is created with its bytes is looked at once more, for its answer.
      puts = 0;
      const headers = { ...CHUNK, 'Upload-Length': '5' };
      expect((await tus('POST', '/files', headers, 'hello')).status).toBe(201);
      expect([puts, keys.length]).toEqual([5, 2]);
      expect((await published(storage)).sort()).toEqual(keys.sort());
    });

    test('can take the file from its key at once: the upload is finished until it expires', async () => {
      const told: string[] = [];
      let isAway = false;
      const { driver } = await recordingDriver((memory) => ({
        async put(...args) {
          if (isAway) throw new Error('Away');
          return memory.put(...args);
        },
      }));
      const { tus, create, append, storage } = await start({
        configuration: { driver },
        options: {
          async onUploaded({ key }) {
            told.push(key);
            await storage.move(key, `moved/${told.length}`);
            isAway = true;
          },
        },
      });
      const path = await create(5);
      expect((await append(path, 0, 'hello')).status).toBe(204);
      const finished = { status: 200, headers: { 'upload-offset': '5', 'upload-length': '5' } };
      expect(await tus('HEAD', path)).toMatchObject(finished);
      isAway = false;
      expect(await tus('HEAD', path)).toMatchObject(finished);
      expect((await append(path, 5, '')).status).toBe(204);
      expect([told.length, await published(storage)]).toEqual([1, ['moved/1']]);
      expect((await tus('DELETE', path)).status).toBe(204);
      expect(await staged(storage)).toEqual([]);
    });

    test('that failed after it took the file away, or has refused it, has no finished upload', async () => {
      let error: Error = new Error('The database is away');
      let isAway = false;
      const { driver } = await recordingDriver((memory) => ({
        async deleteMany(keys, ...rest) {
          // As if the process was killed between the removal of the file and that of the upload.
          const isOfUpload = keys.some((key) => key.endsWith('.json'));
          if (isAway && isOfUpload) throw new Error('Killed');
          return memory.deleteMany(keys, ...rest);
        },
      }));
      const { tus, create, append, storage, log } = await start({
        configuration: { driver },
        options: {
          async onUploaded({ key }) {
            isAway = error instanceof HttpException;
            if (!isAway) await storage.delete(key);
            throw error;
          },
        },
      });
      const failed = await create(5);
      expect((await append(failed, 0, 'hello')).status).toBe(500);
      expect(await tus('HEAD', failed)).toMatchObject({ status: 404 });
      error = new HttpException('Full', 402);
      const refused = await create(5);
      // That something of it is left is nothing to the client.
      expect((await append(refused, 0, 'hello')).status).toBe(402);
      expect(log.text).toContain('Killed');
      isAway = false;
      expect((await tus('HEAD', refused)).status).toBe(404);
      expect([await published(storage), await staged(storage)]).toEqual([[], []]);
    });

    test('is asked whose an upload is, and must say', async () => {
      const { tus, log } = await start({ options: { owner: (() => undefined) as never } });
      expect((await tus('POST', '/files', { 'Upload-Length': '1' })).status).toBe(500);
      expect(log.text).toContain('owner must return a string');
    });

    test('leaves nothing when it fails and nobody can come again', async () => {
      const { tus, create, append, storage } = await start({
        options: {
          onUploaded() {
            throw new Error('The database is away');
          },
        },
      });
      const headers = { ...CHUNK, 'Upload-Length': '5' };
      expect((await tus('POST', '/files', headers, 'hello')).status).toBe(500);
      expect([await published(storage), await staged(storage)]).toEqual([[], []]);
      const partial = await create(5, { 'Upload-Concat': 'partial' });
      await append(partial, 0, 'hello');
      const kept = await staged(storage);
      const joined = await tus('POST', '/files', { 'Upload-Concat': `final;${partial}` });
      expect(joined.status).toBe(500);
      // The client can have them joined again.
      expect([await published(storage), await staged(storage)]).toEqual([[], kept]);
    });

    test.each([
      'it cannot be written down that the app is told',
      'the answer of the backend was lost',
    ])('has no file that it was not told of and nobody can come again for: %s', async (what) => {
      let told = 0;
      const { driver } = await recordingDriver((memory) => ({
        async put(key, body, ...rest) {
          const isTold = Buffer.from(body as Uint8Array).includes('"isTold":true');
          if (isTold && what.startsWith('it')) throw new Error('Away');
          return memory.put(key, body, ...rest);
        },
        async copy(...args) {
          const copied = await memory.copy(...args);
          if (what.startsWith('the')) throw new Error('Away');
          return copied;
        },
      }));
      const { tus, storage } = await start({
        configuration: { driver },
        options: { key: () => 'a', onUploaded: () => void told++ },
      });
      const headers = { ...CHUNK, 'Upload-Length': '5' };
      expect((await tus('POST', '/files', headers, 'hello')).status).toBe(500);
      expect([told, await published(storage), await staged(storage)]).toEqual([0, [], []]);
    });

    test.each([
      ['once', 1, [], 0],
      // The record tells where the file is.
      ['for good', 2, ['a'], 1],
    ])(
      'has no file that it refused and nobody can come again for, and whose removal failed %s, without a record of it',
      async (_what, failures, keys, records) => {
        let left = failures;
        const { driver } = await recordingDriver((memory) => ({
          async deleteMany(deleted, ...rest) {
            if (deleted.includes('a') && left-- > 0) throw new Error('Away');
            return memory.deleteMany(deleted, ...rest);
          },
        }));
        const { tus, storage } = await start({
          configuration: { driver },
          options: {
            key: () => 'a',
            onUploaded() {
              throw new HttpException('Full', 402);
            },
          },
        });
        const headers = { ...CHUNK, 'Upload-Length': '5' };
        expect((await tus('POST', '/files', headers, 'hello')).status).toBe(402);
        expect(await published(storage)).toEqual(keys);
        expect((await staged(storage)).filter((key) => key.endsWith('.json'))).toHaveLength(
          records,
        );
      },
    );

    test('is to blame for a key that is no text, and the client for one that its name for the file makes wrong', async () => {
      let key: UploadKey = () => 5 as never;
      const { create, append, storage } = await start({
        options: { key: (...given) => key(...given) },
      });
      const path = await create(5, { 'Upload-Metadata': metadataHeader({ filename: '../a' }) });
      expect(await append(path, 0, 'hello')).toMatchObject({
        status: 500,
        json: { code: 'CONFIGURATION' },
      });
      expect(await staged(storage)).toHaveLength(2);
      key = ({ originalname }) => originalname;
      expect(await append(path, 5, '')).toMatchObject({
        status: 400,
        json: { code: 'INVALID_KEY' },
      });
      expect(await staged(storage)).toEqual([]);
    });

    test('gets no file under a key that clashes with another one, and nothing is left', async () => {
      const configuration = await configurationOf('local');
      const options = { key: () => 'folder/a' };
      const { tus, create, append, storage } = await start({ configuration, options });
      await storage.put('folder', 'a file');
      const path = await create(5);
      const answer = await append(path, 0, 'hello');
      expect(answer).toMatchObject({ status: 400, json: { code: 'INVALID_KEY' } });
      expect((await tus('HEAD', path)).status).toBe(404);
      expect(await staged(storage)).toEqual([]);
    });

    test('gets no file under a key that is in use', async () => {
      const { tus, create, append, storage } = await start({ options: { key: () => 'taken' } });
      await storage.put('taken', 'the first');
      const path = await create(5);
      expect(await append(path, 0, 'hello')).toMatchObject({
        status: 422,
        json: { code: 'FILE_EXISTS' },
      });
      expect((await tus('HEAD', path)).status).toBe(404);
      expect((await storage.getBytes('taken')).toString()).toBe('the first');
      expect(await staged(storage)).toEqual([]);
    });
  });

  // What a process that is killed leaves: everything before some call, and nothing after it.
  test.each<[keyof StorageDriver, number]>([
    ['uploadPart', 2],
    ['uploadPart', 3],
    ['completeMultipartUpload', 1],
    ['put', 2],
    ['copy', 1],
  ])('goes on after the backend failed at %s, call %d', async (method, call) => {
    let left = call;
    const keys: string[] = [];
    const { driver } = await recordingDriver((memory) => ({
      [method]: async (...args: never[]) => {
        if (--left === 0) throw new Error('Killed');
        return (memory[method] as (...args: never[]) => unknown)(...args);
      },
    }));
    const { tus, create, append, storage } = await start({
      configuration: { driver },
      options: { partSize: 1000, onUploaded: ({ key }) => void keys.push(key) },
    });
    const bytes = randomBytes(2500);
    const path = await create(bytes.length);
    expect((await append(path, 0, bytes)).status).toBe(500);
    let { status, headers } = await tus('HEAD', path);
    expect(status).toBe(200);
    const offset = Number(headers['upload-offset']);
    const isWhole = offset === bytes.length;
    const appended = isWhole || (await append(path, offset, bytes.subarray(offset))).status;
    expect(appended).toBe(isWhole || 204);
    expect(keys).toHaveLength(1);
    expect(await published(storage)).toEqual(keys);
    expect((await storage.getBytes(keys[0]!)).equals(bytes)).toBe(true);
    expect(await staged(storage)).toEqual([expect.stringMatching(/\.json$/)]);
  });
});
