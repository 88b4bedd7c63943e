// With Jest; with Vitest it reads the same, but for the imports of `test`, `expect` and the others.
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  type FakeStorage,
  fakeStorage,
  overrideStorages,
  storageMatchers,
  StorageTestingModule,
} from 'nestjs-storages/testing';
import { AppModule } from '../src/app.module.js';
import { Avatars } from '../src/avatars.js';
import { upload } from './upload.js';

expect.extend(storageMatchers);

describe('the app', () => {
  let avatars: FakeStorage;
  let app: INestApplication;

  beforeEach(async () => {
    // A fixed clock makes links the same each time; one retry is what the app is to live with.
    const now = new Date('2026-01-01');
    avatars = fakeStorage('avatars', { now, retry: { maxRetries: 1, baseDelay: 0 } });
    const builder = Test.createTestingModule({ imports: [AppModule] });
    const module = await overrideStorages(builder, avatars).compile();
    app = module.createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
  });
  afterEach(() => app.close());

  test('stores a picture, and answers with a link to it', async () => {
    const { status, key, link } = await upload(app, 'picture');

    expect(status).toBe(201);
    await expect(avatars).toHaveUploaded(key, { contentType: 'image/gif' });
    expect(link).toBe(await avatars.url(key, { expiresIn: '1h' }));
  });

  test('refuses what is no picture, and does not bother the storage with it', async () => {
    expect((await upload(app, 'text')).status).toBe(415);
    expect(avatars.calls).toEqual([]);
  });

  test('lives with a storage that fails once', async () => {
    avatars.failOn('put');
    const { status, key } = await upload(app, 'picture');

    expect(status).toBe(201);
    await expect(avatars).toHaveFile(key);
  });

  test('leaves nothing behind when the storage breaks off in the middle', async () => {
    avatars.failOn('put', { times: Infinity, afterBytes: 10 });

    expect((await upload(app, 'picture')).status).toBe(502);
    expect((await avatars.stored.listPage()).files).toEqual([]);
  });
});

describe('Avatars, without the rest of the app', () => {
  test('keeps a picture that cannot be moved', async () => {
    const avatars = fakeStorage('avatars').failOn('copy');
    const module = await Test.createTestingModule({
      imports: [StorageTestingModule.forRoot({ storages: [avatars] })],
      providers: [Avatars],
    }).compile();
    await avatars.stored.put('a.gif', 'GIF89a');

    await expect(module.get(Avatars).retire('a.gif')).rejects.toThrow('told to fail');
    await expect(avatars).toHaveFileLike('a.gif', { content: 'GIF89a' });
    await expect(avatars).not.toHaveFile('retired/a.gif');

    await module.get(Avatars).retire('a.gif');
    await expect(avatars).toHaveUploaded('retired/a.gif');
    await module.close();
  });
});
