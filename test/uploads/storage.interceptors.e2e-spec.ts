import {
  Controller,
  MaxFileSizeValidator,
  ParseFilePipe,
  Post,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { APP_INTERCEPTOR, ExternalContextCreator } from '@nestjs/core';
import {
  createStorage,
  datedKey,
  getStorageToken,
  StorageAnyFilesInterceptor,
  StorageConfigurationError,
  StorageFileFieldsInterceptor,
  StorageFileInterceptor,
  StorageFilesInterceptor,
  StorageModule,
  type StoredUpload,
} from '../../lib/index.js';
import { closeApps, failure } from '../nest/app-fixture.js';
import { openSocket, send } from '../nest/http-client.js';
import { form, formHeaders, part, png, requestHead } from './forms.js';
import { onEachAdapter, recordedUploadApp, startApp } from './upload-fixture.js';

onEachAdapter(() => {
  afterEach(closeApps);

  const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png() };

  describe('StorageFileInterceptor', () => {
    test('hands the handler a StoredUpload, and the text fields in the body', async () => {
      const { post, storage, keys } = await recordedUploadApp(StorageFileInterceptor('photo'));
      const { status, json } = await post({ name: 'title', content: 'Grüße' }, photo, {
        name: 'tags[]',
        content: 'x',
      });
      expect(status).toBe(201);
      const [key] = await keys();
      const info = await storage.info(key!);
      expect(json.file).toEqual({
        fieldname: 'photo',
        originalname: 'a.png',
        encoding: '7bit',
        mimetype: 'image/png',
        size: 64,
        key,
        storage: 'uploads',
        stored: JSON.parse(JSON.stringify(info)) as unknown,
      });
      expect(json.body).toEqual({ title: 'Grüße', tags: ['x'] });
      expect(await storage.getBytes(key!)).toEqual(png());
    });

    test('makes keys of 128 random bits and the extension of the found type', async () => {
      const { post, keys } = await recordedUploadApp(StorageFileInterceptor('photo'));
      await post({ ...photo, filename: 'evil.php', type: 'text/html' });
      await post({ ...photo, filename: 'evil.php' });
      const found = await keys();
      expect(found).toHaveLength(2);
      for (const key of found) expect(key).toMatch(/^[0-9a-f]{32}\.png$/);
    });

    test('takes key, metadata and cacheControl as options, of values and of functions', async () => {
      const { post, storage } = await recordedUploadApp(
        StorageFileInterceptor('photo', {
          key: async (file, request: any) => `${request.headers['x-tenant']}/${file.fieldname}`,
          metadata: (file, request: any) => ({
            tenant: String(request.headers['x-tenant'] ?? ''),
            declared: file.mimetype,
          }),
          cacheControl: 'no-store',
        }),
      );
      await post(photo);
      expect(await storage.info('undefined/photo')).toMatchObject({
        contentType: 'image/png',
        cacheControl: 'no-store',
        metadata: { filename: 'a.png', tenant: '', declared: 'image/png' },
      });
    });

    test('puts files into a folder of the day with datedKey', async () => {
      const { post, keys } = await recordedUploadApp(
        StorageFileInterceptor('photo', { key: datedKey }),
      );
      await post(photo);
      expect((await keys())[0]).toMatch(/^\d{4}\/\d\d\/\d\d\/[0-9a-f]{32}\.png$/);
    });

    test('answers a key that cannot be with its code, and stores nothing', async () => {
      const { post, keys } = await recordedUploadApp(
        StorageFileInterceptor('photo', { key: () => '../../etc/passwd' }),
      );
      const answer = await post(photo);
      expect(answer).toMatchObject({ status: 400, json: { code: 'INVALID_KEY' } });
      expect(answer.text).not.toContain('passwd');
      expect(await keys()).toEqual([]);
    });

    test('answers a key function that throws with a 500, and stores nothing', async () => {
      const { post, keys, log } = await recordedUploadApp(
        StorageFileInterceptor('photo', {
          key: () => {
            throw new RangeError('no tenant');
          },
        }),
      );
      expect((await post(photo)).status).toBe(500);
      expect(log.text).toContain('no tenant');
      expect(await keys()).toEqual([]);
    });

    test('takes a form without the file: the handler decides', async () => {
      const { post } = await recordedUploadApp(StorageFileInterceptor('photo'));
      const { status, json } = await post({ name: 'title', content: 'x' });
      expect(status).toBe(201);
      expect(json).toEqual({ body: { title: 'x' } });
    });

    test('lets a request that is no form pass', async () => {
      const { port } = await recordedUploadApp(StorageFileInterceptor('photo'));
      const answer = await send(port, '/', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{"title":"x"}',
      });
      expect(answer).toMatchObject({ status: 201, json: { body: { title: 'x' } } });
    });

    test('for the whole app, lets alone what comes by no HTTP', async () => {
      @Controller()
      class EventsController {
        @Post()
        handle(this: void): string {
          return 'handled';
        }
      }
      const { app } = await startApp({
        imports: [StorageModule.forRoot({ storages: { uploads: { driver: 'memory' } } })],
        controllers: [EventsController],
        providers: [{ provide: APP_INTERCEPTOR, useClass: StorageFileInterceptor('photo') }],
      });
      const controller = app.get(EventsController);
      const calledBy = (type: string) =>
        app
          .get(ExternalContextCreator)
          .create(
            controller,
            controller.handle,
            'handle',
            undefined,
            undefined,
            undefined,
            undefined,
            undefined,
            type,
          );
      expect(await calledBy('rpc')('text', undefined)).toBe('handled');
      expect(await calledBy('graphql')(undefined, {}, undefined, {})).toBe('handled');
    });

    test.each([1, 4095, 4096, 4097, 65_536, 65_537, 1_048_577])(
      'stores %i bytes as they are, though they come in pieces',
      async (size) => {
        const { port, storage, keys } = await recordedUploadApp(StorageFileInterceptor('f'));
        const content = Buffer.alloc(size, 'abc');
        const body = form({ name: 'f', filename: 'a.txt', type: 'text/plain', content });
        const socket = await openSocket(port);
        socket.write(requestHead('/', body.length));
        const step = Math.max(1, Math.ceil(size / 50));
        for (let at = 0; at < body.length; at += step) {
          if (!socket.write(body.subarray(at, at + step))) {
            await new Promise((resolve) => socket.once('drain', resolve));
          }
        }
        const received: Buffer[] = [];
        for await (const chunk of socket) received.push(chunk as Buffer);
        expect(Buffer.concat(received).toString()).toMatch(/^HTTP\/1.1 201/);
        expect(await storage.getBytes((await keys())[0]!)).toEqual(content);
      },
    );

    test('takes a file byte by byte', async () => {
      const { port, storage, keys } = await recordedUploadApp(StorageFileInterceptor('photo'));
      const body = form(photo);
      const socket = await openSocket(port);
      socket.setNoDelay(true);
      socket.write(requestHead('/', body.length));
      for (const byte of body) {
        socket.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      for await (const chunk of socket) expect(String(chunk)).toMatch(/^HTTP\/1.1 201/);
      expect(await storage.info((await keys())[0]!)).toMatchObject({
        size: 64,
        contentType: 'image/png',
      });
    });

    test('takes a name of nothing but dots for no file', async () => {
      const { post, calls } = await recordedUploadApp(StorageFileInterceptor('photo'));
      expect((await post({ ...photo, filename: '..' })).json).toEqual({ body: {} });
      expect(calls).toEqual([]);
    });

    test('stores an empty file', async () => {
      const { post, storage, keys } = await recordedUploadApp(StorageFileInterceptor('f'));
      const { json } = await post({ name: 'f', filename: 'empty.txt', type: 'text/plain' });
      expect(json.file.size).toBe(0);
      expect((await storage.info((await keys())[0]!)).size).toBe(0);
    });
  });

  describe('the other interceptors', () => {
    const file = (name: string, index: number) => ({ ...photo, name, filename: `${index}.png` });

    test.each([0, 1, 3])('StorageFilesInterceptor hands on %i files of a field', async (count) => {
      const { post, keys } = await recordedUploadApp(StorageFilesInterceptor('photos', 3));
      const { json } = await post(...Array.from({ length: count }, (_, i) => file('photos', i)));
      expect((json.files ?? []).map((each: StoredUpload) => each.originalname)).toEqual(
        ['0.png', '1.png', '2.png'].slice(0, count),
      );
      expect(await keys()).toHaveLength(count);
    });

    test('StorageFilesInterceptor refuses one file too many, and keeps none', async () => {
      const { post, keys } = await recordedUploadApp(StorageFilesInterceptor('photos', 2));
      const answer = await post(file('photos', 0), file('photos', 1), file('photos', 2));
      expect(answer.status).toBe(400);
      expect(answer.json.code).toMatch(/^LIMIT_/);
      expect(await keys()).toEqual([]);
    });

    test('StorageFilesInterceptor takes its maxCount even above the default of ten', async () => {
      const { post, keys } = await recordedUploadApp(StorageFilesInterceptor('photos', 12));
      const answer = await post(...Array.from({ length: 12 }, (_, i) => file('photos', i)));
      expect(answer.status).toBe(201);
      expect(await keys()).toHaveLength(12);
    });

    test('StorageFileFieldsInterceptor hands on the files by field', async () => {
      const { post } = await recordedUploadApp(
        StorageFileFieldsInterceptor([{ name: 'avatar', maxCount: 1 }, { name: 'papers' }]),
      );
      const { json } = await post(file('papers', 1), file('avatar', 0), file('papers', 2));
      const names = (files: StoredUpload[]): string[] => files.map((each) => each.originalname);
      expect(names(json.files.avatar)).toEqual(['0.png']);
      expect(names(json.files.papers)).toEqual(['1.png', '2.png']);
    });

    test('StorageAnyFilesInterceptor hands on the files of all fields', async () => {
      const { post } = await recordedUploadApp(StorageAnyFilesInterceptor());
      const { json } = await post(file('b', 1), file('a', 0));
      expect(json.files.map((each: StoredUpload) => each.fieldname)).toEqual(['b', 'a']);
    });

    test('StorageAnyFilesInterceptor takes ten files and no more', async () => {
      const { post, keys } = await recordedUploadApp(StorageAnyFilesInterceptor());
      const files = Array.from({ length: 11 }, (_, i) => file(`f${i}`, i));
      expect((await post(...files)).json).toMatchObject({ code: 'LIMIT_FILE_COUNT' });
      expect(await keys()).toEqual([]);
      expect((await post(...files.slice(1))).status).toBe(201);
    });
  });

  describe('names', () => {
    test.each([
      ['日本語ü.txt', '日本語ü.txt', '日本語ü.txt'],
      ['../../x', 'x', 'x'],
      ['/etc/passwd', 'passwd', 'passwd'],
      ['C:\\x', 'x', 'x'],
      ['a%0D%0ASet-Cookie: b', undefined, 'aSet-Cookie_ b'],
      ['\u202Egnp.exe', undefined, 'gnp.exe'],
      ['é.txt', undefined, 'é.txt'],
      ['<script>', undefined, '_script_'],
    ])('%j is harmless', async (filename, original, safe) => {
      const { post, storage, keys } = await recordedUploadApp(StorageFileInterceptor('photo'));
      const answer = await post({ ...photo, filename });
      expect(answer.status).toBe(201);
      if (original !== undefined) expect(answer.json.file.originalname).toBe(original);
      const [key] = await keys();
      expect(key).toMatch(/^[0-9a-f]{32}\.png$/);
      expect((await storage.info(key!)).metadata['filename']).toBe(safe);
    });

    test('ten thousand characters are cut to what metadata holds', async () => {
      const { post, storage, keys } = await recordedUploadApp(StorageFileInterceptor('photo'));
      expect((await post({ ...photo, filename: `${'ü'.repeat(5000)}.png` })).status).toBe(201);
      const { filename } = (await storage.info((await keys())[0]!)).metadata;
      expect(Buffer.byteLength(filename!)).toBeLessThanOrEqual(1024);
      expect(filename).toMatch(/^ü+\.png$/);
    });

    test('bytes that are no UTF-8, and lone surrogates, are harmless', async () => {
      const { post, storage, keys } = await recordedUploadApp(StorageFileInterceptor('photo'));
      const filename = Buffer.from('a\xED\xA0\x80\xFFb.png', 'latin1');
      expect((await post({ ...photo, filename })).status).toBe(201);
      const stored = (await storage.info((await keys())[0]!)).metadata['filename'];
      expect(stored).toBe('ab.png');
    });

    test('a run of ten thousand blanks is harmless', async () => {
      const { post } = await recordedUploadApp(StorageFileInterceptor('photo'));
      const answer = await post({ ...photo, filename: `a${' '.repeat(10_000)}b.png` });
      expect(answer.status).toBe(201);
    });
  });

  describe('accept', () => {
    test.each([
      ['HTML', '<html><script>alert(1)</script>'],
      ['SVG', '<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'],
      ['text', 'just text'],
      ['nothing', ''],
      ['a truncated PNG', '\x89PN'],
    ])(
      'refuses %s that is called a PNG, before the backend sees anything',
      async (_what, content) => {
        const { post, calls } = await recordedUploadApp(
          StorageFileInterceptor('photo', { accept: ['image/*'] }),
        );
        const answer = await post({ ...photo, content: Buffer.from(content, 'latin1') });
        expect(answer).toMatchObject({
          status: 415,
          json: { statusCode: 415, code: 'UNSUPPORTED_MEDIA_TYPE', field: 'photo' },
        });
        expect(calls).toEqual([]);
      },
    );

    test('goes by the bytes, not by the word of the client', async () => {
      const { post } = await recordedUploadApp(
        StorageFileInterceptor('photo', { accept: ['image/png'] }),
      );
      const { status, json } = await post({ ...photo, filename: 'a.html', type: 'text/html' });
      expect(status).toBe(201);
      expect(json.file.mimetype).toBe('image/png');
    });

    test('answers although much is still to come', async () => {
      const { post, calls } = await recordedUploadApp(
        StorageFileInterceptor('photo', { accept: ['image/*'] }),
      );
      const answer = await post({ ...photo, content: Buffer.alloc(5_000_000, 'text ') });
      expect(answer.status).toBe(415);
      expect(calls).toEqual([]);
    });

    test('removes what was stored before the file that is refused', async () => {
      const { post, keys, count } = await recordedUploadApp(
        StorageFilesInterceptor('photo', 3, { accept: ['image/*'] }),
      );
      const answer = await post(photo, { ...photo, content: 'text' }, photo);
      expect(answer.status).toBe(415);
      expect(await keys()).toEqual([]);
      expect(count('deleteMany')).toBe(count('put'));
    });
  });

  describe('maxSize', () => {
    const sized = (size: number) => ({ ...photo, content: png(size) });

    test.each([10_000, 100, 1_048_576])('of %i bytes is exact', async (maxSize) => {
      const { post, keys } = await recordedUploadApp(StorageFileInterceptor('photo', { maxSize }));
      const over = await post(sized(maxSize + 1));
      expect(over.status).toBe(413);
      expect(over.json).toMatchObject({ statusCode: 413, code: expect.any(String) as string });
      expect(await keys()).toEqual([]);
      expect((await post(sized(maxSize))).status).toBe(201);
      expect(await keys()).toHaveLength(1);
    });

    test('is 10 MiB by default', async () => {
      const { post, keys } = await recordedUploadApp(StorageFileInterceptor('photo'));
      expect((await post(sized(10 * 1024 * 1024 + 1))).status).toBe(413);
      expect((await post(sized(10 * 1024 * 1024))).status).toBe(201);
      expect(await keys()).toHaveLength(1);
    });

    test('of nothing lets only empty files pass', async () => {
      const { post } = await recordedUploadApp(StorageFileInterceptor('photo', { maxSize: 0 }));
      expect((await post({ ...photo, content: '' })).status).toBe(201);
      expect((await post({ ...photo, content: 'x' })).status).toBe(413);
    });

    test('removes what was stored before the file that is too large', async () => {
      const { post, keys } = await recordedUploadApp(
        StorageFilesInterceptor('photo', 3, { maxSize: 1000 }),
      );
      expect((await post(sized(1000), sized(1001), sized(1000))).status).toBe(413);
      expect(await keys()).toEqual([]);
    });

    test('is told by Nest’s own MaxFileSizeValidator, too', async () => {
      const validator = new MaxFileSizeValidator({ maxSize: 1000 });
      const { post, keys } = await recordedUploadApp(StorageFileInterceptor('photo'), {
        pipes: [new ParseFilePipe({ validators: [validator] })],
      });
      expect((await post(sized(999))).status).toBe(201);
      expect((await post(sized(1001))).status).toBe(400);
      expect(await keys()).toHaveLength(1);
    });
  });

  describe('forms beyond the limits are refused, and nothing is kept', () => {
    const field = (name: string, content = 'x') => ({ name, content });

    test.each([
      ['an unexpected file', [photo, { ...photo, name: 'other' }], 400, 'LIMIT_UNEXPECTED_FILE'],
      ['a second file for one', [photo, photo], 400, 'LIMIT_UNEXPECTED_FILE'],
      [
        'too many fields',
        [photo, ...Array.from({ length: 101 }, (_, i) => field(`f${i}`))],
        400,
        'LIMIT_FIELD_COUNT',
      ],
      [
        'a field that is too long',
        [photo, field('f', 'x'.repeat(1024 * 1024 + 1))],
        413,
        'LIMIT_FIELD_VALUE',
      ],
      ['a field name that is too long', [photo, field('x'.repeat(101))], 400, 'LIMIT_FIELD_KEY'],
      [
        'a field that is nested too deep',
        [photo, field(`a${'[b]'.repeat(32)}[c]`)],
        400,
        /^LIMIT_FIELD_/,
      ],
      [
        'an index that is too large',
        [photo, field('a[99999999999]')],
        400,
        'LIMIT_FIELD_ARRAY_INDEX',
      ],
    ])('%s', async (_what, parts, status, code) => {
      const { post, keys } = await recordedUploadApp(StorageFileInterceptor('photo'));
      const answer = await post(...parts);
      expect(answer.status).toBe(status);
      if (typeof code === 'string') expect(answer.json.code).toBe(code);
      else expect(answer.json.code).toMatch(code);
      expect(await keys()).toEqual([]);
    });

    test('too many parts', async () => {
      const { post, keys } = await recordedUploadApp(
        StorageFileInterceptor('photo', { maxFiles: 1, maxFields: 1 }),
      );
      const answer = await post(photo, field('a'), field('b'));
      expect(answer.status).toBe(400);
      expect(await keys()).toEqual([]);
    });

    test('names such as __proto__ stay names', async () => {
      const { post } = await recordedUploadApp(StorageFileInterceptor('photo'), {
        handle: ({ body }) => ({
          polluted: ({} as { x?: string }).x ?? null,
          keys: Object.keys(body as object),
        }),
      });
      const { json } = await post(field('__proto__[x]', 'y'), field('constructor', 'z'));
      expect(json.polluted).toBeNull();
    });
  });

  describe('which storage', () => {
    @Controller()
    class OfNamedController {
      @Post()
      @UseInterceptors(StorageFileInterceptor('photo', { storage: 'interceptor-named' }))
      add(@UploadedFile() file: StoredUpload): unknown {
        return { storage: file.storage, key: file.key };
      }
    }
    const memory = { driver: 'memory' } as const;
    const post = (port: number) =>
      send(port, '/', { method: 'POST', headers: formHeaders, body: form(photo) });

    test('is chosen by name', async () => {
      const { port } = await startApp({
        imports: [
          StorageModule.forRoot({
            default: 'other',
            storages: { other: memory, 'interceptor-named': memory },
          }),
        ],
        controllers: [OfNamedController],
      });
      expect((await post(port)).json.storage).toBe('interceptor-named');
    });

    test('may be configured by a factory that takes its time', async () => {
      const { port } = await startApp({
        controllers: [OfNamedController],
        imports: [
          StorageModule.forRootAsync({
            storages: {
              'interceptor-named': {
                useFactory: async () => {
                  await new Promise((resolve) => setTimeout(resolve, 20));
                  return memory;
                },
              },
            },
          }),
        ],
      });
      expect((await post(port)).json.storage).toBe('interceptor-named');
    });

    test('may be a feature of the module', async () => {
      const { port, app } = await startApp({
        imports: [
          StorageModule.forRoot({ storages: { whole: memory } }),
          StorageModule.forFeature({ 'interceptor-named': { prefix: 'part/' } }),
        ],
        controllers: [OfNamedController],
      });
      const { key } = (await post(port)).json;
      expect(await app.get(getStorageToken('whole')).exists(`part/${key}`)).toBe(true);
    });

    test('is the override in a test', async () => {
      const fake = createStorage('fake', memory);
      const { port } = await startApp(
        {
          imports: [StorageModule.forRoot({ storages: { 'interceptor-named': memory } })],
          controllers: [OfNamedController],
        },
        {
          override: (builder) =>
            builder.overrideProvider(getStorageToken('interceptor-named')).useValue(fake),
        },
      );
      const { key } = (await post(port)).json;
      expect(await fake.exists(key)).toBe(true);
    });

    test('that no module registers ends the start with an error that lists the known ones', async () => {
      @Controller()
      class Wrong {
        @Post()
        @UseInterceptors(StorageFileInterceptor('photo', { storage: 'interceptor-typo' }))
        add(): void {}
      }
      const error = await failure(
        startApp({
          imports: [StorageModule.forRoot({ storages: { uploads: memory } })],
          controllers: [Wrong],
        }),
      );
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toContain('"interceptor-typo"');
      expect(error.message).toContain('"uploads"');
    });
  });

  describe('options', () => {
    test.each([
      { accept: 'image/png' },
      { accept: ['png'] },
      { accept: [''] },
      { accept: [1] },
      { maxSize: 'huge' },
      { maxSize: -1 },
      { maxSize: Number.NaN },
      { maxFieldSize: 'huge' },
      { maxFiles: -1 },
      { maxFiles: 1.5 },
      { maxFields: '3' },
      { maxsize: '1mb' },
      { accepts: ['image/png'] },
    ])('%j is refused where the interceptor is made', (options) => {
      expect(() => StorageFileInterceptor('photo', options as never)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error,
      );
    });
  });

  test('two requests at once do not mix', async () => {
    const { port, storage } = await recordedUploadApp(StorageFileInterceptor('f'));
    const contents = Array.from({ length: 20 }, (_, index) => `file ${index} `.repeat(1000));
    const answers = await Promise.all(
      contents.map((content, index) =>
        send(port, '/', {
          method: 'POST',
          headers: formHeaders,
          body: Buffer.concat([
            part({ name: 'index', content: String(index) }),
            form({ name: 'f', filename: `${index}.txt`, type: 'text/plain', content }),
          ]),
        }),
      ),
    );
    for (const { json } of answers) {
      expect((await storage.getBytes(json.file.key)).toString()).toBe(contents[json.body.index]);
    }
  });
});
