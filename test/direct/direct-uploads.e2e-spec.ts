import { createHash } from 'node:crypto';
import { jest } from '@jest/globals';
import { HttpException } from '@nestjs/common';
import { StorageConfigurationError } from '../../lib/core/errors.js';
import { Storage } from '../../lib/core/storage.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { DirectUploadsModule } from '../../lib/direct/direct-uploads.module.js';
import { StorageModule } from '../../lib/storage.module.js';
import { closeApps, failure, startApp } from '../nest/app-fixture.js';
import { configurationOf, removeFolders, signingKeys } from '../routes/routes-fixture.js';
import {
  type Backend,
  BACKENDS,
  type DirectApp,
  type DirectRequest,
  PNG,
  put,
  startDirect,
} from './direct-fixture.js';

const HTML = Buffer.from('<!doctype html><script>alert(1)</script>');
const MD5 = { algorithm: 'md5', value: createHash('md5').update(PNG).digest('base64') };

describe.each(Object.keys(BACKENDS))('%s', (name) => {
  let backend: Backend;
  let configuration: StorageConfiguration;

  beforeAll(async () => {
    backend = await BACKENDS[name]!();
    ({ configuration } = backend);
  });
  afterEach(async () => {
    await closeApps();
  });
  afterAll(async () => {
    await backend[Symbol.asyncDispose]();
    await removeFolders();
  });

  /** Where uploads of the tests before do not show. */
  async function start(
    options: Parameters<typeof startDirect>[1] = {},
    settings: Parameters<typeof startDirect>[2] = {},
  ): Promise<DirectApp> {
    const prefix = `${Math.random().toString(36).slice(2)}/`;
    return startDirect({ ...configuration, prefix } as StorageConfiguration, options, settings);
  }

  test.each(['Express', 'Fastify'])(
    'on %s, a file that is sent to the backend is published when it is completed, and told once',
    async (adapter) => {
      const told: string[] = [];
      const app = await start(
        {
          accept: ['image/*'],
          onUploaded: ({ key }, { owner, filename }) => told.push(`${key} ${owner} ${filename}`),
        },
        { adapter, configure: (each) => each.setGlobalPrefix('api') },
      );
      const path = '/api/direct-uploads';
      const asked = { filename: 'a/cat.png', size: PNG.length, contentType: 'image/png' };
      const begun = await app.call('POST', path, { ...asked, checksum: MD5 });
      expect([begun.status, begun.text]).toEqual([201, expect.stringContaining('"method":"PUT"')]);
      const { id, key } = begun.json;
      expect(key).toMatch(/^[0-9a-f]{32}\.png$/);
      expect((await put(begun.json, PNG)).status).toBeLessThan(300);
      expect(await app.keys()).toEqual([]);
      expect((await app.call('GET', `${path}/${id}`)).json.state).toBe('uploaded');

      const completed = await app.call('POST', `${path}/${id}/complete`);
      expect([completed.status, completed.json]).toMatchObject([
        200,
        { key, size: PNG.length, contentType: 'image/png', metadata: { filename: 'cat.png' } },
      ]);
      const again = await app.call('POST', `${path}/${id}/complete`);
      expect([again.status, again.json.etag]).toEqual([200, completed.json.etag]);
      expect(told).toEqual([`${key} ada cat.png`]);
      expect((await app.call('GET', `${path}/${id}`)).json.state).toBe('completed');
      expect((await app.call('DELETE', `${path}/${id}`)).json.code).toBe('ALREADY_COMPLETED');
      expect(await app.keys()).toEqual([key]);
      expect(await app.staged()).toEqual([]);
    },
  );

  test('a file that is not what was announced is refused, by the backend or at the end, and nothing is left', async () => {
    const app = await start({ accept: ['image/*'] });
    const asked = { filename: 'a.png', size: PNG.length, contentType: 'image/png' };
    const other = Buffer.from(PNG).fill(0, PNG.length - 4);
    for (const [body, checksum] of [
      [Buffer.concat([PNG, PNG]), undefined],
      [HTML.subarray(0, PNG.length), undefined],
      [other, MD5],
    ] as const) {
      const begun = await app.call('POST', '/direct-uploads', { ...asked, checksum });
      const sent = await put(begun.json, body);
      const completed = await app.call('POST', `/direct-uploads/${begun.json.id}/complete`);
      const refusals = sent.ok ? ['INTEGRITY', 'UNSUPPORTED_MEDIA_TYPE'] : ['NOT_UPLOADED'];
      expect(refusals).toContain(completed.json.code);
    }
    expect(await app.keys()).toEqual([]);
    expect(await app.staged()).toEqual([]);
  });

  test('what is published is what was verified, although the URL still lives', async () => {
    const app = await start({ accept: ['image/*'] });
    const begun = await app.call('POST', '/direct-uploads', {
      filename: 'a.png',
      size: PNG.length,
      contentType: 'image/png',
    });
    const { id, key } = begun.json;
    await put(begun.json, PNG);
    const evil = Buffer.concat([HTML, PNG]).subarray(0, PNG.length);
    // Right between the look at its first bytes and its publication.
    const look = jest.spyOn(Storage.prototype, 'getBytes').mockImplementationOnce(async function (
      this: Storage,
      ...args
    ) {
      const download = await this.get(...args);
      const seen = await download.bytes();
      await put(begun.json, evil);
      return seen;
    });
    const completed = await app.call('POST', `/direct-uploads/${id}/complete`);
    look.mockRestore();
    expect(completed.status).toBe(200);
    expect((await app.storage.getBytes(key)).equals(PNG)).toBe(true);
  });

  test('when the app does not take the file it is removed, and can be sent again while the URL lives', async () => {
    let takes = false;
    const told = new Set<string>();
    const app = await start({
      onUploaded(_file, { uploadId }) {
        told.add(uploadId);
        if (!takes) throw new HttpException('no room', 507);
      },
    });
    const begun = await app.call('POST', '/direct-uploads', { filename: 'a', size: PNG.length });
    const complete = `/direct-uploads/${begun.json.id}/complete`;
    await put(begun.json, PNG);
    expect((await app.call('POST', complete)).status).toBe(507);
    expect([await app.keys(), await app.staged()]).toEqual([[], []]);
    takes = true;
    await put(begun.json, PNG);
    expect((await app.call('POST', complete)).status).toBe(200);
    expect([...told]).toEqual([expect.stringMatching(/^[0-9a-f]{32}/)]);
  });

  test('the app can take the file from its key at once: the upload is completed, whatever is sent after it', async () => {
    const told: string[] = [];
    const app: DirectApp = await start({
      async onUploaded({ key }) {
        told.push(key);
        await app.storage.move(key, `moved/${key}`);
      },
    });
    const begun = await app.call('POST', '/direct-uploads', { filename: 'a', size: PNG.length });
    const path = `/direct-uploads/${begun.json.id}`;
    await put(begun.json, PNG);
    const completed = await app.call('POST', `${path}/complete`);
    expect(completed.status).toBe(200);
    await put(begun.json, PNG);
    expect((await app.call('GET', path)).json.state).toBe('completed');
    expect((await app.call('POST', `${path}/complete`)).json).toEqual(completed.json);
    expect((await app.call('DELETE', path)).json.code).toBe('ALREADY_COMPLETED');
    expect(told).toEqual([begun.json.key]);
    expect(await app.keys()).toEqual([`moved/${begun.json.key}`]);
  });

  test('a cancelled upload leaves nothing, and one that another completes at the same time is told once', async () => {
    let told = 0;
    const app = await start({ onUploaded: () => told++ });
    const asked = { filename: 'a', size: PNG.length };
    const cancelled = (await app.call('POST', '/direct-uploads', asked)).json;
    await put(cancelled, PNG);
    const path = `/direct-uploads/${cancelled.id}`;
    expect((await app.call('DELETE', path)).status).toBe(204);
    expect(await app.staged()).toEqual([]);
    // Whatever the backend says to that: its URL may still live.
    await put(cancelled, PNG);
    expect((await app.call('POST', `${path}/complete`)).json.code).toBe('UPLOAD_NOT_FOUND');
    expect((await app.call('GET', path)).json.code).toBe('UPLOAD_NOT_FOUND');
    expect((await app.call('DELETE', path)).status).toBe(204);
    expect([told, await app.keys(), await app.staged()]).toEqual([0, [], []]);

    const begun = (await app.call('POST', '/direct-uploads', asked)).json;
    await put(begun, PNG);
    const answers = await Promise.all(
      [1, 2, 3].map(() => app.call('POST', `/direct-uploads/${begun.id}/complete`)),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses).toContain(200);
    expect(statuses.filter((status) => status !== 200 && status !== 409)).toEqual([]);
    // Without create-only writes, two that come at the very same time may both be first.
    expect(told).toBeLessThanOrEqual(name === 'generic s3' ? 3 : 1);
    expect(await app.keys()).toEqual([begun.key]);
  });

  test('a large file goes up in parts, in any order and on after a pause, where the backend signs parts', async () => {
    const app = await start({
      maxSize: '20mb',
      multipart: { threshold: '6mb', partSize: '5mb' },
    });
    const body = Buffer.alloc(11 * 1024 ** 2, 'direct ');
    const sha256 = createHash('sha256').update(body).digest('base64');
    const begun = await app.call('POST', '/direct-uploads', {
      filename: 'film',
      size: body.length,
      checksum: `sha-256=:${sha256}:`,
    });
    const { id, key, parts, partSize, partCount } = begun.json;
    const { signedParts } = app.storage.capabilities;
    expect([begun.json.url === undefined, partCount]).toEqual(
      signedParts ? [true, 3] : [false, undefined],
    );
    if (!signedParts) return;
    const partOf = (number: number) => body.subarray((number - 1) * partSize, number * partSize);
    expect((await put(parts[2], partOf(3))).ok).toBe(true);
    const early = await app.call('POST', `/direct-uploads/${id}/complete`);
    expect([early.status, early.json.code]).toEqual([409, 'NOT_UPLOADED']);
    expect((await app.call('GET', `/direct-uploads/${id}`)).json).toMatchObject({
      state: 'waiting',
      parts: [{ partNumber: 3, size: partOf(3).length }],
    });
    const more = await app.call('POST', `/direct-uploads/${id}/parts`, { partNumbers: [1, 2] });
    for (const part of more.json.parts) {
      expect((await put(part, partOf(part.partNumber))).ok).toBe(true);
    }
    for (const partNumbers of [[0], [4], [1.5], ['1'], 'all', undefined]) {
      const refused = await app.call('POST', `/direct-uploads/${id}/parts`, { partNumbers });
      expect(refused.status).toBe(400);
    }
    const completed = await app.call('POST', `/direct-uploads/${id}/complete`);
    expect([completed.status, completed.json.size]).toEqual([200, body.length]);
    expect((await app.storage.getBytes(key)).equals(body)).toBe(true);
    expect(await app.staged()).toEqual([]);
  });
});

describe('refusals', () => {
  let app: DirectApp;
  beforeAll(async () => {
    app = await startDirect(
      { driver: 'memory' },
      {
        accept: ['image/*'],
        maxSize: 100,
        minSize: 2,
        policy: (context) => {
          const { headers } = context.switchToHttp().getRequest<DirectRequest>();
          return headers['x-user'] === 'bob' ? { maxSize: 50 } : {};
        },
        cacheControl: 'private',
        metadata: ({ originalname }) => ({ title: originalname }),
      },
    );
  });
  afterAll(closeApps);

  test.each([
    [400, 'INVALID_UPLOAD_REQUEST', {}],
    [400, 'INVALID_UPLOAD_REQUEST', { filename: '', size: 3 }],
    [400, 'INVALID_UPLOAD_REQUEST', { filename: 'a', size: -1 }],
    [400, 'INVALID_UPLOAD_REQUEST', { filename: 'a', size: '3' }],
    [400, 'INVALID_UPLOAD_REQUEST', { filename: 'a', size: 3, contentType: 'x' }],
    [400, 'INVALID_CHECKSUM', { filename: 'a', size: 3, checksum: { algorithm: 'md5' } }],
    [
      400,
      'INVALID_CHECKSUM',
      { filename: 'a', size: 3, checksum: `sha-512=:${'A'.repeat(86)}==:` },
    ],
    [413, 'LIMIT_FILE_SIZE', { filename: 'a', size: 101 }],
    [422, 'FILE_TOO_SMALL', { filename: 'a', size: 1 }],
    [415, 'UNSUPPORTED_MEDIA_TYPE', { filename: 'a', size: 3, contentType: 'text/html' }],
  ])('answers %s %s for %j', async (status, code, body) => {
    const answer = await app.call('POST', '/direct-uploads', body);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });

  test('holds each user to the rules of the policy', async () => {
    const asked = { filename: 'a', size: 60 };
    expect((await app.call('POST', '/direct-uploads', asked, 'ada')).status).toBe(201);
    expect((await app.call('POST', '/direct-uploads', asked, 'bob')).status).toBe(413);
  });

  test('gives one and the same answer to every id that is not the own', async () => {
    const asked = { filename: 'a.png', size: PNG.length };
    const begun = (await app.call('POST', '/direct-uploads', asked)).json;
    expect((await put(begun, PNG)).status).toBe(201);
    const { id } = begun;
    const tampered = id.slice(0, -3) + (id.endsWith('AAA') ? 'BBB' : 'AAA');
    const answers = await Promise.all([
      app.call('POST', `/direct-uploads/${id}/complete`, undefined, 'eve'),
      app.call('POST', `/direct-uploads/${id}/parts`, { partNumbers: [1] }, 'eve'),
      app.call('GET', `/direct-uploads/${id}`, undefined, 'eve'),
      app.call('DELETE', `/direct-uploads/${id}`, undefined, 'eve'),
      app.call('POST', `/direct-uploads/${tampered}/complete`),
      app.call('POST', `/direct-uploads/x/complete`),
      app.call('POST', `/direct-uploads/..%2f..%2fx/complete`),
      app.call('POST', `/direct-uploads/${id}/publish`),
      app.call('POST', `/direct-uploads/complete`, { key: begun.url.slice(-32) }),
    ]);
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(
      new Set([
        '404 {"statusCode":404,"message":"There is no such upload","code":"UPLOAD_NOT_FOUND"}',
      ]),
    );
    // And it is still the owner's, with what the app gives each.
    const completed = await app.call('POST', `/direct-uploads/${id}/complete`);
    expect([completed.status, completed.json]).toMatchObject([
      200,
      { cacheControl: 'private', metadata: { title: 'a.png', filename: 'a.png' } },
    ]);
  });
});

test.each(['memory', 'local'] as const)(
  'end the start on %s where no route takes what clients send, and show what to add',
  async (driver) => {
    const start = startApp({
      imports: [
        StorageModule.forRoot({ storages: { files: await configurationOf(driver) } }),
        DirectUploadsModule.forRoot({ owner: () => 'anybody', signingKeys }),
      ],
    });
    const error = await failure(start);
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toMatch(
      /DirectUploadsModule.*"files".*StorageModule\.forRoot\(.*routes: \{ signingKeys: /,
    );
  },
);
