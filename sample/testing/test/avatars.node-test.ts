// The same with the test runner of Node.js, and the assertions of the fake storage.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  type FakeStorage,
  fakeStorage,
  overrideStorages,
  StorageTestingModule,
} from 'nestjs-storages/testing';
import { AppModule } from '../src/app.module.js';
import { Avatars } from '../src/avatars.js';
import { upload } from './upload.js';

describe('the app', () => {
  let avatars: FakeStorage;
  let app: INestApplication;

  beforeEach(async () => {
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

    assert.equal(status, 201);
    await avatars.assertUploaded(key, { contentType: 'image/gif' });
    assert.equal(link, await avatars.url(key, { expiresIn: '1h' }));
  });

  test('refuses what is no picture, and does not bother the storage with it', async () => {
    assert.equal((await upload(app, 'text')).status, 415);
    assert.deepEqual(avatars.calls, []);
  });

  test('lives with a storage that fails once', async () => {
    avatars.failOn('put');
    const { status, key } = await upload(app, 'picture');

    assert.equal(status, 201);
    await avatars.assertExists(key);
  });

  test('leaves nothing behind when the storage breaks off in the middle', async () => {
    avatars.failOn('put', { times: Infinity, afterBytes: 10 });

    assert.equal((await upload(app, 'picture')).status, 502);
    assert.deepEqual((await avatars.stored.listPage()).files, []);
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

    await assert.rejects(module.get(Avatars).retire('a.gif'), { code: 'CONNECTION_FAILED' });
    await avatars.assertContent('a.gif', 'GIF89a');
    await avatars.assertMissing('retired/a.gif');

    await module.get(Avatars).retire('a.gif');
    await avatars.assertUploaded('retired/a.gif');
    await module.close();
  });
});
