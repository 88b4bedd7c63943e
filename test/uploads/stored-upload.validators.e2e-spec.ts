import {
  FileTypeValidator,
  type FileValidator,
  MaxFileSizeValidator,
  ParseFilePipe,
} from '@nestjs/common';
import {
  StorageFileFieldsInterceptor,
  StorageFileInterceptor,
  StorageFilesInterceptor,
} from '../../lib/index.js';
import {
  StoredSizeValidator,
  StoredTypeValidator,
} from '../../lib/uploads/stored-upload.validators.js';
import { closeApps } from '../nest/app-fixture.js';
import { png } from './forms.js';
import { onEachAdapter, recordedUploadApp } from './upload-fixture.js';

// Said to be an image by the client.
const text = { name: 'photo', filename: 'a.png', type: 'image/png', content: 'text' };
const image = { ...text, type: 'text/plain', content: png(500) };

const pipe = (...validators: FileValidator[]) => new ParseFilePipe({ validators });

onEachAdapter(() => {
  afterEach(closeApps);

  describe("Nest's validators on a stored upload", () => {
    test('MaxFileSizeValidator goes by the size that was stored', async () => {
      const pipes = [pipe(new MaxFileSizeValidator({ maxSize: 501 }))];
      const app = await recordedUploadApp(StorageFileInterceptor('photo'), { pipes });
      expect((await app.post(image)).status).toBe(201);
      const answer = await app.post({ ...image, content: png(501) });
      expect([answer.status, answer.json.message]).toEqual([
        400,
        'Validation failed (current file size is 501, expected size is less than 501)',
      ]);
      expect(await app.keys()).toHaveLength(1);
    });

    test.each(['skipMagicNumbersValidation', 'fallbackToMimetype'])(
      'FileTypeValidator with %s goes by the type that the bytes showed, not by the client',
      async (option) => {
        const pipes = [pipe(new FileTypeValidator({ fileType: 'image/png', [option]: true }))];
        const app = await recordedUploadApp(StorageFileInterceptor('photo'), { pipes });
        expect((await app.post(image)).status).toBe(201);
        const answer = await app.post(text);
        expect(answer.status).toBe(400);
        expect(answer.json.message).toContain('current file type is text/plain');
        expect(await app.keys()).toHaveLength(1);
      },
    );

    test('FileTypeValidator without either refuses every file, says why, and nothing stays', async () => {
      const pipes = [pipe(new FileTypeValidator({ fileType: 'image/png' }))];
      const app = await recordedUploadApp(StorageFileInterceptor('photo'), { pipes });
      const answer = await app.post(image);
      expect(answer.status).toBe(400);
      expect(answer.json.message).toContain('file buffer is not available');
      expect(await app.keys()).toEqual([]);
    });
  });

  describe('our validators', () => {
    test('StoredTypeValidator goes by the rules of accept', async () => {
      const pipes = [pipe(new StoredTypeValidator({ accept: ['image/*'] }))];
      const app = await recordedUploadApp(StorageFileInterceptor('photo'), { pipes });
      expect((await app.post(image)).status).toBe(201);
      const svg = await app.post({ ...image, content: '<svg >' });
      expect([svg.status, svg.json.message]).toEqual([
        400,
        'The file is image/svg+xml; allowed is image/*',
      ]);
      expect(await app.keys()).toHaveLength(1);
    });

    test.each([
      [{ minSize: 500, maxSize: 500 }, 201, undefined],
      [{ minSize: 501 }, 400, 'The file has 500 bytes; allowed are 501 to more'],
      [{ maxSize: '499b' }, 400, 'The file has 500 bytes; allowed are 0 to 499'],
    ])('StoredSizeValidator has its bounds included: %j', async (bounds, status, message) => {
      const pipes = [pipe(new StoredSizeValidator(bounds))];
      const app = await recordedUploadApp(StorageFileInterceptor('photo'), { pipes });
      const answer = await app.post(image);
      expect([answer.status, answer.json.message]).toEqual([status, message]);
    });

    test('each file of a list is looked at', async () => {
      const pipes = [pipe(new StoredTypeValidator({ accept: ['image/png'] }))];
      const app = await recordedUploadApp(StorageFilesInterceptor('photo'), {
        pipes,
        several: true,
      });
      expect((await app.post(image, image)).status).toBe(201);
      expect((await app.post(image, text)).status).toBe(400);
      expect(await app.keys()).toHaveLength(2);
    });

    test('each file of each field is looked at', async () => {
      const pipes = [
        pipe(
          new StoredTypeValidator({ accept: ['image/png'] }),
          new StoredSizeValidator({ maxSize: 600 }),
        ),
      ];
      const app = await recordedUploadApp(
        StorageFileFieldsInterceptor([{ name: 'photo' }, { name: 'other' }]),
        { pipes, several: true },
      );
      const other = { ...image, name: 'other' };
      expect((await app.post(image, other, other)).status).toBe(201);
      expect((await app.post(image, other, { ...text, name: 'other' })).status).toBe(400);
      expect((await app.post(image, { ...other, content: png(601) })).status).toBe(400);
      expect(await app.keys()).toHaveLength(3);
    });

    test('whatever a field is called, its files are looked at', async () => {
      const pipes = [pipe(new StoredSizeValidator({ maxSize: 3 }))];
      const app = await recordedUploadApp(
        StorageFileFieldsInterceptor([{ name: 'mimetype' }, { name: 'size' }]),
        { pipes, several: true },
      );
      const [mimetype, size] = [
        { ...text, name: 'mimetype' },
        { ...text, name: 'size', content: 'abc' },
      ];
      expect((await app.post(mimetype, size)).status).toBe(400);
      expect((await app.post({ ...mimetype, content: 'abc' }, size)).status).toBe(201);
    });

    test('a bound or a type that is not well-formed is refused at the start', () => {
      expect(() => new StoredSizeValidator({ maxSize: 'much' })).toThrow(/maxSize/);
      expect(() => new StoredTypeValidator({ accept: ['image/jpg'] })).toThrow('image/jpeg');
    });
  });
});

test.each([
  ['nothing', undefined],
  ['a method', () => {}],
  ['an object without anything', {}],
  ['a file of multer', { fieldname: 'photo', mimetype: 'image/png', size: 1, buffer: 'x' }],
  ['fields with such', { photo: [{ mimetype: 'image/png', size: 1 }] }],
])('our validators refuse what was not stored: %s', (_what, given) => {
  for (const validator of [
    new StoredTypeValidator({ accept: ['image/*'] }),
    new StoredSizeValidator({ maxSize: 100 }),
  ]) {
    expect(validator.isValid(given)).toBe(false);
    expect(validator.buildErrorMessage(given)).toBe(
      'What was given is no file that an upload interceptor has stored',
    );
  }
});
