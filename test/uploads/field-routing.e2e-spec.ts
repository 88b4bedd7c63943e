import {
  getStorageToken,
  type Storage,
  StorageFileFieldsInterceptor,
  StorageModule,
} from '../../lib/index.js';
import { Controller, Post, UploadedFiles, UseInterceptors } from '@nestjs/common';
import { closeApps } from '../nest/app-fixture.js';
import { type Answer, send } from '../nest/http-client.js';
import { form, formHeaders, type Part, png } from './forms.js';
import { onEachAdapter, startApp } from './upload-fixture.js';

const avatar = { name: 'avatar', filename: 'a.png', type: 'image/png', content: png(200) };
const cv = { name: 'cv', filename: 'cv.pdf', type: 'application/pdf', content: '%PDF-1.7\n' };

const interceptor = StorageFileFieldsInterceptor(
  [
    { name: 'avatar', maxCount: 1, storage: 'avatars', accept: ['image/*'], maxSize: 1000 },
    {
      name: 'cv',
      maxCount: 2,
      storage: 'docs',
      accept: ['application/pdf'],
      key: ({ originalname }) => originalname,
    },
    { name: 'other' },
  ],
  { storage: 'rest', maxSize: 5000, metadata: { by: 'form' } },
);

@Controller()
class ApplicationsController {
  @Post()
  @UseInterceptors(interceptor)
  add(@UploadedFiles() files: unknown): unknown {
    return files;
  }
}

onEachAdapter(() => {
  afterEach(closeApps);

  async function routedApp(): Promise<{
    post: (...parts: Part[]) => Promise<Answer>;
    keys: () => Promise<Record<string, string[]>>;
  }> {
    const names = ['avatars', 'docs', 'rest'];
    const { app, port } = await startApp({
      imports: [
        StorageModule.forRoot({
          storages: Object.fromEntries(names.map((name) => [name, { driver: 'memory' as const }])),
        }),
      ],
      controllers: [ApplicationsController],
    });
    return {
      post: (...parts) =>
        send(port, '/', { method: 'POST', headers: formHeaders, body: form(...parts) }),
      async keys() {
        const all: Record<string, string[]> = {};
        for (const name of names) {
          const storage = app.get<Storage>(getStorageToken(name));
          all[name] = (await storage.listPage()).files.map(({ key }) => key);
        }
        return all;
      },
    };
  }

  test('each field goes to its storage, by its options', async () => {
    const app = await routedApp();
    const other = { name: 'other', filename: 'a.txt', type: 'text/plain', content: 'hello' };
    const answer = await app.post(avatar, cv, other, { ...cv, filename: 'cv2.pdf' });
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({
      avatar: [{ storage: 'avatars', mimetype: 'image/png', stored: { metadata: { by: 'form' } } }],
      cv: [
        { storage: 'docs', key: 'cv.pdf' },
        { storage: 'docs', key: 'cv2.pdf' },
      ],
      other: [{ storage: 'rest', mimetype: 'text/plain' }],
    });
    expect(await app.keys()).toEqual({
      avatars: [answer.json.avatar[0].key],
      docs: ['cv.pdf', 'cv2.pdf'],
      rest: [answer.json.other[0].key],
    });
  });

  test.each<[what: string, status: number, code: string, ...parts: Part[]]>([
    [
      'a type that only another field accepts',
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      cv,
      { ...cv, name: 'avatar' },
    ],
    [
      'a size that only another field allows',
      413,
      'LIMIT_FILE_SIZE',
      cv,
      { ...avatar, content: png(1001) },
    ],
    [
      'a size that no field allows',
      413,
      'LIMIT_FILE_SIZE',
      avatar,
      { ...cv, content: `%PDF-${'.'.repeat(5000)}` },
    ],
    ['a file too many', 400, 'LIMIT_UNEXPECTED_FILE', avatar, avatar],
    ['a field that is not told', 400, 'LIMIT_UNEXPECTED_FILE', avatar, { ...avatar, name: 'x' }],
  ])('%s is refused, and nothing stays in any storage', async (_what, status, code, ...parts) => {
    const app = await routedApp();
    const answer = await app.post(...parts);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(await app.keys()).toEqual({ avatars: [], docs: [], rest: [] });
  });

  test('a form that announces more than its fields may have is refused before it is read', async () => {
    const app = await routedApp();
    // 1000 + 2 × 5000 + 10 × 5000 bytes in files, 4 MiB in text.
    const answer = await app.post({ ...cv, content: `%PDF-${'.'.repeat(4.5 * 1024 * 1024)}` });
    expect([answer.status, answer.json.code]).toEqual([413, 'LIMIT_TOTAL_SIZE']);
  });

  test('a field has as many files as it says, without a word of the form', async () => {
    @Controller()
    class PhotosController {
      @Post()
      @UseInterceptors(StorageFileFieldsInterceptor([{ name: 'photos', maxCount: 12 }]))
      add(@UploadedFiles() files: unknown): unknown {
        return files;
      }
    }
    const { port } = await startApp({
      imports: [StorageModule.forRoot({ storages: { docs: { driver: 'memory' } } })],
      controllers: [PhotosController],
    });
    const post = (photos: number): Promise<Answer> => {
      const body = form(...Array<Part>(photos).fill({ ...avatar, name: 'photos' }));
      return send(port, '/', { method: 'POST', headers: formHeaders, body });
    };
    expect((await post(12)).json.photos).toHaveLength(12);
    expect((await post(13)).json.code).toBe('LIMIT_FILE_COUNT');
  });

  test('a storage of a field that is not there ends the start', async () => {
    const unknown = StorageFileFieldsInterceptor([{ name: 'a', storage: 'nowhere' }]);
    @Controller()
    class UnknownController {
      @Post()
      @UseInterceptors(unknown)
      add(): void {}
    }
    const started = startApp({
      imports: [StorageModule.forRoot({ storages: { docs: { driver: 'memory' } } })],
      controllers: [UnknownController],
    });
    await expect(started).rejects.toThrow(
      'StorageFileFieldsInterceptor wants the storage "nowhere", which no module registers; the storages are "docs"',
    );
  });
});

test.each([
  [{ accept: 'image/png' }, /accept/],
  [{ maxSiez: 1 }, /maxSiez/],
  [{ maxFiles: 1 }, /maxFiles/],
])('%j for a field is refused at the start', (options, message) => {
  const field = { name: 'a', ...options };
  expect(() => StorageFileFieldsInterceptor([field as never])).toThrow(message);
});
