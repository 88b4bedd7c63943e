import { jest } from '@jest/globals';
import { createHmac, hkdfSync } from 'node:crypto';
import { StorageInvalidArgumentError } from '../../lib/core/errors.js';
import type { Storage } from '../../lib/core/storage.js';
import { StorageModule } from '../../lib/storage.module.js';
import { getStorageToken } from '../../lib/storage.tokens.js';
import { closeApps, failure } from '../nest/app-fixture.js';
import { send, sendRaw } from '../nest/http-client.js';
import { SAFE_HEADERS } from '../serving/safe-headers.js';
import { pathMutations, queryMutations, signatureMutations } from './mutations.js';
import {
  ADAPTERS,
  answerOf,
  CASES,
  configurationOf,
  removeFolders,
  REFUSAL,
  type RoutesApp,
  signingKeys,
  startRoutes,
  targetOf,
} from './routes-fixture.js';

const KEY = 'ordner/größe & co.txt';
const TEXT = 'only for who was given the URL';

describe.each(CASES)('a signed URL of %s on %s', (driver, adapter) => {
  let app: RoutesApp;
  let signed: string;

  beforeAll(async () => {
    app = await startRoutes({
      adapter: ADAPTERS[adapter]!(),
      configuration: await configurationOf(driver),
      metadata: {
        // Another storage behind the same routes and keys, with the same file.
        imports: [
          StorageModule.forRoot({
            storages: { other: { driver: 'memory' } },
            routes: { path: '/elsewhere', signingKeys },
          }),
        ],
      },
    });
    for (const storage of [app.storage, app.app.get<Storage>(getStorageToken('other'))]) {
      await storage.put(KEY, TEXT);
      await storage.put(`${KEY}x`, TEXT);
    }
    signed = await app.storage.url(KEY, {
      contentType: 'text/plain; charset=utf-8',
      disposition: { type: 'attachment', filename: 'Größe.txt' },
      expiresIn: 600,
    });
  });

  afterAll(async () => {
    await closeApps();
    await removeFolders();
  });

  const get = (target: string, method = 'GET') => send(app.port, target, { method });

  test('reads the file, and tells of it by HEAD', async () => {
    expect(await get(targetOf(signed))).toMatchObject({ status: 200, text: TEXT });
    const head = await get(targetOf(signed), 'HEAD');
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(head.headers['content-length']).toBe(String(TEXT.length));
  });

  test('says something where it says for how long the file is kept', async () => {
    const error = await failure(app.storage.url(KEY, { cacheControl: '' }));
    expect(error).toBeInstanceOf(StorageInvalidArgumentError);
    expect(error.message).toContain('cacheControl must not be empty');
  });

  test('is the same with any host before it', async () => {
    const target = `http://any.example${targetOf(signed)}`;
    const request = `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    expect(await sendRaw(app.port, request)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await sendRaw(app.port, request.replace('expires=', 'expires=9'))).toMatch(
      /^HTTP\/1\.1 403 /,
    );
  });

  test.each(['DELETE', 'PATCH', 'POST', 'PUT'])(
    'is refused for %s with the one answer, whatever its body is, and with headers for safety',
    async (method) => {
      const target = targetOf(signed);
      for (const type of ['application/json', 'no type', '']) {
        const headers = { 'Content-Length': '1', ...(type !== '' && { 'Content-Type': type }) };
        const answer = await send(app.port, target, { method, body: '{', headers });
        expect([answer.status, answer.text]).toEqual([403, REFUSAL.body]);
        expect(answer.headers).toMatchObject(SAFE_HEADERS);
      }
    },
  );

  test('is refused with the one answer when its path is not well-formed', async () => {
    const [path, query] = targetOf(signed).split('?') as [string, string];
    for (const end of ['%', '%zz', '%c0%ae']) {
      expect(await answerOf(get(`${path}${end}?${query}`))).toEqual(REFUSAL);
    }
    expect(await answerOf(get(`/storage/%zz?${query}`))).toEqual(REFUSAL);
  });

  test('is refused with one answer, whatever of its query was changed', async () => {
    const mutations = queryMutations(targetOf(signed));
    expect(mutations.length).toBeGreaterThan(100);
    for (const { what, target } of mutations) {
      expect([what, await answerOf(get(target))]).toEqual([what, REFUSAL]);
    }
  });

  test('is refused with one answer, whatever character of its signature was changed', async () => {
    const mutations = signatureMutations(targetOf(signed));
    expect(mutations).toHaveLength(43);
    for (const { what, target } of mutations) {
      expect([what, await answerOf(get(target))]).toEqual([what, REFUSAL]);
    }
  });

  test('is refused with one answer, whatever of its path was changed', async () => {
    for (const { what, target } of pathMutations(targetOf(signed), '/storage')) {
      expect([what, await answerOf(get(target))]).toEqual([what, REFUSAL]);
    }
  });

  test('opens nothing by the routes of another module, or outside of any', async () => {
    const target = targetOf(signed);
    expect(await answerOf(get(target.replace('/storage/', '/elsewhere/')))).toEqual(REFUSAL);
    for (const elsewhere of ['/STORAGE/', '//storage/', '/', '/storage%2F', '/%73torage/']) {
      const { status, text } = await get(target.replace('/storage/', elsewhere));
      expect([403, 404]).toContain(status);
      expect(text).not.toContain(TEXT);
    }
  });

  test.each(['PUT', 'POST', 'DELETE', 'PATCH'])(
    'is refused for %s, and changes nothing',
    async (method) => {
      const body = method === 'DELETE' ? undefined : 'changed';
      const answer = await send(app.port, targetOf(signed), {
        method,
        ...(body !== undefined && {
          body,
          headers: { 'Content-Type': 'text/plain; charset=utf-8' },
        }),
      });
      expect(await answerOf(Promise.resolve(answer))).toEqual(REFUSAL);
      expect(await (await app.storage.get(KEY)).text()).toBe(TEXT);
    },
  );

  test('is refused without its query', async () => {
    expect(await answerOf(get(new URL(signed).pathname))).toEqual(REFUSAL);
  });

  test('is refused when its time is over', async () => {
    const url = await app.storage.url(KEY, { expiresIn: 1 });
    const expires = Number(new URL(url).searchParams.get('expires')) * 1000;
    jest.spyOn(Date, 'now').mockReturnValue(expires - 1);
    expect((await get(targetOf(url))).status).toBe(200);
    jest.spyOn(Date, 'now').mockReturnValue(expires);
    expect(await answerOf(get(targetOf(url)))).toEqual(REFUSAL);
    jest.restoreAllMocks();
  });

  test('is refused when another key, or none of ours, has signed it', async () => {
    const forged = (secret: string, storage: string): string => {
      const path = new URL(signed).pathname.split('/').slice(3).join('/');
      const query = new URLSearchParams({ method: 'GET', expires: '4000000000', kid: 'one' });
      const key = hkdfSync('sha256', secret, '', `nestjs-storages signed url\n${storage}`, 32);
      const fields = [...query].map((field) => field.join('=')).sort();
      const signature = createHmac('sha256', Buffer.from(key))
        .update(['v1', 'uploads', path, ...fields].join('\n'))
        .digest('base64url');
      return `/storage/uploads/${path}?${query.toString()}&signature=${signature}`;
    };
    const { secret } = signingKeys[0]!;
    // What this forges with the right key is good, so what it forges with others is refused for the key alone.
    expect((await get(forged(secret, 'uploads'))).status).toBe(200);
    expect(await answerOf(get(forged(secret, 'other')))).toEqual(REFUSAL);
    expect(await answerOf(get(forged(`${secret}.`, 'uploads')))).toEqual(REFUSAL);
  });

  test('says 404 of a file that is not there, to who may know', async () => {
    const answer = await get(targetOf(await app.storage.url('not there.txt')));
    expect(answer).toMatchObject({ status: 404, json: { code: 'FILE_NOT_FOUND' } });
  });

  test('serves ranges and conditions', async () => {
    const target = targetOf(await app.storage.url(KEY));
    const { headers } = await get(target);
    const part = await send(app.port, target, { headers: { Range: 'bytes=0-3' } });
    expect(part).toMatchObject({ status: 206, text: TEXT.slice(0, 4) });
    const same = await send(app.port, target, { headers: { 'If-None-Match': headers.etag! } });
    expect(same).toMatchObject({ status: 304, text: '' });
  });

  test('serves the type and the disposition that were signed', async () => {
    const { headers } = await get(targetOf(signed));
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(headers['content-disposition']).toBe(
      `attachment; filename="Gr__e.txt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.txt`,
    );
  });

  test('lets nobody keep the file for longer than the URL lives', async () => {
    const cacheControl = 'public, max-age=31536000, s-maxage=90, stale-if-error=86400, immutable';
    await app.storage.put('kept.txt', TEXT, { cacheControl });
    const target = targetOf(await app.storage.url('kept.txt', { expiresIn: 600 }));
    const served = (await get(target)).headers['cache-control']!;
    const [, maxAge] = /^public, max-age=(\d+), s-maxage=90, stale-if-error=0, immutable$/.exec(
      served,
    )!;
    expect(Number(maxAge)).toBeGreaterThan(500);
    expect(Number(maxAge)).toBeLessThanOrEqual(600);
  });

  test('never shows what may run script, unless its type was signed as well, and then sandboxed', async () => {
    await app.storage.put('page.html', '<script>alert(1)</script>');
    const plain = await get(
      targetOf(await app.storage.url('page.html', { disposition: 'inline' })),
    );
    expect(plain.headers).toMatchObject({
      'content-type': 'text/html',
      'content-disposition': 'attachment; filename="page.html"',
      'x-content-type-options': 'nosniff',
    });
    const asked = await get(
      targetOf(
        await app.storage.url('page.html', { disposition: 'inline', contentType: 'text/html' }),
      ),
    );
    expect(asked.headers['content-disposition']).toMatch(/^inline/);
    expect(asked.headers['content-security-policy']).toMatch(/sandbox$/);
    const typed = await get(
      targetOf(await app.storage.url('page.html', { contentType: 'text/html' })),
    );
    expect(typed.headers).toMatchObject({
      'content-type': 'text/html',
      'content-disposition': 'attachment; filename="page.html"',
    });
  });
});
