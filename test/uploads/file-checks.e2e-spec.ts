import { createHash } from 'node:crypto';
import {
  contentHashKey,
  StorageFileFieldsInterceptor,
  StorageFileInterceptor,
  StorageFilesInterceptor,
} from '../../lib/index.js';
import { closeApps } from '../nest/app-fixture.js';
import type { Part } from './forms.js';
import { jpegOf, pngOf, segment } from './images.js';
import { onEachAdapter, recordedUploadApp } from './upload-fixture.js';

const photo = { name: 'photo', filename: 'a.png', type: 'image/png' };
const large = Buffer.concat([pngOf(10, 10), Buffer.alloc(100_000, 0x2e)]);
const digest = (algorithm: string, bytes: Buffer): string =>
  createHash(algorithm).update(bytes).digest('base64');

interface FormRequest {
  body: Record<string, string>;
}

onEachAdapter(() => {
  afterEach(closeApps);

  describe('minSize', () => {
    test('refuses a smaller file before the backend is called', async () => {
      const app = await recordedUploadApp(StorageFileInterceptor('photo', { minSize: 100 }));
      const answer = await app.post({ ...photo, content: pngOf(1, 1) });
      expect(answer.status).toBe(422);
      expect(answer.json).toEqual({
        statusCode: 422,
        code: 'FILE_TOO_SMALL',
        message: 'The file is smaller than the least of 100 bytes',
        field: 'photo',
      });
      expect(app.calls).toEqual([]);
    });

    test('refuses a smaller file that is longer than its first bytes, and nothing stays', async () => {
      const app = await recordedUploadApp(StorageFileInterceptor('photo', { minSize: '1mb' }));
      const answer = await app.post({ ...photo, content: large });
      expect([answer.status, answer.json.code]).toEqual([422, 'FILE_TOO_SMALL']);
      expect(await app.keys()).toEqual([]);
    });

    test('keeps a file of just that size, in memory or not', async () => {
      for (const content of [pngOf(1, 1), large]) {
        const app = await recordedUploadApp(
          StorageFileInterceptor('photo', { minSize: content.length }),
        );
        expect((await app.post({ ...photo, content })).json.file.size).toBe(content.length);
      }
    });

    test('of 1 refuses an empty file, which is kept otherwise', async () => {
      const empty = { ...photo, content: '' };
      const picky = await recordedUploadApp(StorageFileInterceptor('photo', { minSize: 1 }));
      expect((await picky.post(empty)).status).toBe(422);
      const other = await recordedUploadApp(StorageFileInterceptor('photo'));
      expect((await other.post(empty)).json.file).toMatchObject({
        size: 0,
        mimetype: 'application/octet-stream',
      });
    });
  });

  describe('image', () => {
    const interceptor = StorageFileInterceptor('photo', { image: { maxPixels: 1_000_000 } });

    test.each([
      ['of too many pixels', pngOf(50_000, 50_000), 'IMAGE_TOO_LARGE'],
      ['that does not tell', pngOf(0, 0), 'IMAGE_SIZE_UNKNOWN'],
      ['of which only the start came', pngOf(5, 5).subarray(0, 18), 'IMAGE_SIZE_UNKNOWN'],
    ])('an image %s is refused before the backend is called', async (_what, content, code) => {
      const app = await recordedUploadApp(interceptor);
      const answer = await app.post({ ...photo, content });
      expect(answer.status).toBe(422);
      expect(answer.json).toMatchObject({ statusCode: 422, code, field: 'photo' });
      expect(app.calls).toEqual([]);
    });

    test('an image within the limits is kept whole, and so is a file that is none', async () => {
      const app = await recordedUploadApp(interceptor);
      const exif = segment(0xe1, Buffer.alloc(65_000, 1));
      const content = Buffer.concat([
        jpegOf(1000, 1000, { before: [exif, exif] }),
        Buffer.alloc(300_000, 7),
      ]);
      const { file } = (await app.post({ ...photo, content })).json;
      expect(file).toMatchObject({ mimetype: 'image/jpeg', size: content.length });
      expect(Buffer.compare(await app.storage.getBytes(file.key), content)).toBe(0);
      const text = await app.post({ ...photo, filename: 'a.txt', content: 'text' });
      expect(text.json.file.mimetype).toBe('text/plain');
    });
  });

  describe('checksum', () => {
    const interceptor = StorageFileInterceptor<FormRequest>('photo', {
      checksum: (_file, { body }) => body['digest'],
    });
    const field = (content: string): Part => ({ name: 'digest', content });

    test.each(['in memory', 'in a stream'])('of the bytes is right: %s', async (where) => {
      const content = where === 'in memory' ? pngOf(3, 3) : large;
      const app = await recordedUploadApp(interceptor);
      const answer = await app.post(field(`sha-256=:${digest('sha256', content)}:`), {
        ...photo,
        content,
      });
      expect(answer.json.file.stored.checksum).toEqual({
        algorithm: 'sha256',
        value: digest('sha256', content),
      });
    });

    test.each(['in memory', 'in a stream'])('of other bytes is a 422: %s', async (where) => {
      const content = where === 'in memory' ? pngOf(3, 3) : large;
      const app = await recordedUploadApp(interceptor);
      const answer = await app.post(field(`sha-256=:${digest('sha256', Buffer.from('x'))}:`), {
        ...photo,
        content,
      });
      expect(answer).toMatchObject({
        status: 422,
        json: {
          code: 'INTEGRITY',
          message: 'The bytes are not what was announced',
          field: 'photo',
        },
      });
      expect(await app.keys()).toEqual([]);
    });

    test('holds for files that are staged, too', async () => {
      const app = await recordedUploadApp(
        StorageFileInterceptor<FormRequest>('photo', {
          key: contentHashKey,
          checksum: (_file, { body }) => ({ algorithm: 'md5', value: body['digest']! }),
        }),
      );
      const post = (bytes: Buffer) =>
        app.post(field(digest('md5', bytes)), { ...photo, content: large });
      expect((await post(large)).status).toBe(201);
      expect((await post(pngOf(1, 1))).status).toBe(422);
      expect(await app.keys()).toHaveLength(1);
    });

    test.each([
      'sha-256=:x:',
      'sha-256=47DEQpj8HBSa',
      'sha-512=:AAAA:',
      'nonsense',
      'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:;"q"',
      'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:, ,',
    ])('that is none is a 400: %s', async (text) => {
      const app = await recordedUploadApp(interceptor);
      const answer = await app.post(field(text), { ...photo, content: pngOf(1, 1) });
      expect([answer.status, answer.json.code]).toEqual([400, 'INVALID_CHECKSUM']);
      expect(app.calls).toEqual([]);
    });

    test('is the strongest one that is known; others are passed over', async () => {
      const content = pngOf(3, 3);
      const app = await recordedUploadApp(interceptor);
      const post = (text: string) => app.post(field(text), { ...photo, content });
      const right = `sha-256=:${digest('sha256', content)}:`;
      expect((await post(`md5=:AAAA:, sha-1024=:AAAA:, ${right}`)).status).toBe(201);
      const wrong = `sha-512=:${digest('sha512', Buffer.from('x'))}:`;
      expect(await post(`${right}, ${wrong}`)).toMatchObject({
        status: 422,
        json: { code: 'INTEGRITY' },
      });
    });

    test('may have parameters, which say nothing of it', async () => {
      const content = pngOf(3, 3);
      const app = await recordedUploadApp(interceptor);
      const post = (bytes: Buffer) =>
        app.post(
          field(
            `md5=:AAAA:;a, sha-256=:${digest('sha256', bytes)}:;q=1; s="x, \\"y\\":";b=:AA==: , sha-1024=:AAAA:`,
          ),
          { ...photo, content },
        );
      expect((await post(content)).status).toBe(201);
      expect((await post(Buffer.from('x'))).status).toBe(422);
    });

    test.each(['in memory', 'in a stream'])('may be a SHA-512: %s', async (where) => {
      const content = where === 'in memory' ? pngOf(3, 3) : large;
      const app = await recordedUploadApp(interceptor);
      const post = (bytes: Buffer) =>
        app.post(field(`sha-512=:${digest('sha512', bytes)}:`), { ...photo, content });
      expect((await post(content)).status).toBe(201);
      expect((await post(Buffer.from('x'))).json).toEqual({
        statusCode: 422,
        code: 'INTEGRITY',
        message: 'The bytes are not what was announced',
        field: 'photo',
      });
      expect(await app.keys()).toHaveLength(1);
    });

    test('of no known algorithm is told with those that are', async () => {
      const app = await recordedUploadApp(interceptor);
      const answer = await app.post(field('unixsum=:MTIzNA==:'), { ...photo, content: large });
      expect(answer.json).toEqual({
        statusCode: 400,
        code: 'INVALID_CHECKSUM',
        message:
          'The checksum that is announced for the file is of an unknown algorithm; known are sha-512, sha-256, sha, md5, crc32c',
        field: 'photo',
      });
    });

    test('that is not announced is not missed', async () => {
      const app = await recordedUploadApp(interceptor);
      expect((await app.post({ ...photo, content: pngOf(1, 1) })).status).toBe(201);
    });

    test('that comes after the file is not seen', async () => {
      const app = await recordedUploadApp(interceptor);
      const answer = await app.post({ ...photo, content: pngOf(1, 1) }, field('nonsense'));
      expect([answer.status, answer.json.body]).toEqual([201, { digest: 'nonsense' }]);
    });
  });

  test('a second file that is refused takes the first one with it', async () => {
    const app = await recordedUploadApp(
      StorageFilesInterceptor('photo', 2, { image: { maxWidth: 10 }, minSize: 10 }),
    );
    const answer = await app.post(
      { ...photo, content: pngOf(10, 10) },
      { ...photo, content: pngOf(11, 10) },
    );
    expect([answer.status, answer.json.code]).toEqual([422, 'IMAGE_TOO_LARGE']);
    expect(await app.keys()).toEqual([]);
  });
});

test.each([
  [{ minSize: -1 }, /minSize/],
  [{ minSize: 'much' }, /minSize/],
  [{ minSize: 5, maxSize: 4 }, 'minSize must be no more than maxSize: 5 bytes are more than 4'],
  [{ accept: [['image/png']] }, 'accept must be a list of media types'],
  [{ image: 5 }, /image/],
  [{ image: { maxPixel: 5 } }, /image\.maxPixel;/],
  [
    { image: { minWidth: 10, maxWidth: 5 } },
    'image.minWidth must be no more than image.maxWidth: 10 pixels are more than 5',
  ],
  [
    { image: { minHeight: 10, maxHeight: 5 } },
    'image.minHeight must be no more than image.maxHeight: 10 pixels are more than 5',
  ],
  [{ image: { minWidth: 10, minHeight: 10, maxPixels: 99 } }, /image\.maxPixels: 100 pixels/],
  [{ storage: '' }, 'storage must be the name of a storage, not an empty string'],
  [{ checksum: 'sha256' }, /checksum must be a function/],
  [{ scan: true }, /scan must be a function/],
  [{ scanTimeout: 0 }, /scanTimeout/],
  [
    { accept: ['image/png', 'Image/JPG'] },
    'image/jpg is no media type: that of a JPEG is image/jpeg',
  ],
  [
    { maxfiles: 1 },
    /"maxfiles"; there are storage, accept, .*, maxFiles, .*, minRateWindow, timeout$/,
  ],
])('%j is refused at the start', (options, message) => {
  expect(() => StorageFileInterceptor('photo', options as never)).toThrow(message);
});

test('room for no file is refused at the start', () => {
  expect(() => StorageFilesInterceptor('photo', 0)).toThrow(
    'StorageFilesInterceptor(photo): maxCount must be a whole number, 1 or more, not 0',
  );
  expect(() => StorageFileFieldsInterceptor([{ name: 'photo', maxCount: 0 }])).toThrow(
    'StorageFileFieldsInterceptor(photo): maxCount must be a whole number, 1 or more, not 0',
  );
});

test.each([
  [() => StorageFileInterceptor(''), 'StorageFileInterceptor: the field must have a name, not an'],
  [() => StorageFilesInterceptor(undefined as never), 'StorageFilesInterceptor: the field must'],
  [() => StorageFileFieldsInterceptor([{} as never]), 'StorageFileFieldsInterceptor: the field'],
  [
    () => StorageFileFieldsInterceptor([{ name: 'a', maxSize: 1 }, { name: 'b' }, { name: 'a' }]),
    'StorageFileFieldsInterceptor(a): the field is there twice',
  ],
  [() => StorageFileFieldsInterceptor([{ name: 'a', storage: '' }]), 'storage must be the name'],
])('a slip in the fields is refused at the start: %#', (make, message) => {
  expect(make).toThrow(message);
});
