import { type NestInterceptor, type Type } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { jest } from '@jest/globals';
import {
  StorageConnectionError,
  type StorageDriver,
  StorageFileExistsError,
  StorageFileInterceptor,
  StorageFilesInterceptor,
} from '../../lib/index.js';
import { contentHashKey } from '../../lib/uploads/key-strategies.js';
import { closeApps } from '../nest/app-fixture.js';
import type { Answer } from '../nest/http-client.js';
import { png } from './forms.js';
import { onEachAdapter, recordedUploadApp } from './upload-fixture.js';

const text = (content: string) => ({
  name: 'file',
  filename: 'a.txt',
  type: 'text/plain',
  content,
});
const me = (): string => 'me.txt';
const fails = (): never => {
  throw new Error('handler');
};
const succeeds = ({ file, files }: { file: unknown; files: unknown }): unknown => file ?? files;

onEachAdapter(() => {
  afterEach(closeApps);

  /** An app whose handler does now one thing, now another. */
  async function app(
    interceptor: Type<NestInterceptor>,
    replace?: (memory: StorageDriver) => Partial<StorageDriver>,
  ) {
    let handle: (upload: { file: unknown; files: unknown }) => unknown = succeeds;
    const recorded = await recordedUploadApp(
      interceptor,
      { handle: (upload) => handle(upload) },
      replace,
    );
    return {
      ...recorded,
      postTo: (handler: typeof handle, ...contents: string[]): Promise<Answer> => {
        handle = handler;
        return recorded.post(...contents.map(text));
      },
      read: async (key: string) => (await recorded.storage.getBytes(key)).toString(),
    };
  }

  describe('a key of one’s own that is in use', () => {
    test('is refused, and what it holds stays', async () => {
      const { postTo, read, keys } = await app(StorageFileInterceptor('file', { key: me }));
      expect((await postTo(succeeds, 'first')).status).toBe(201);
      const answer = await postTo(succeeds, 'second');
      expect(answer).toMatchObject({ status: 409, json: { code: 'FILE_EXISTS', field: 'file' } });
      expect(await read('me.txt')).toBe('first');
      expect(await keys()).toEqual(['me.txt']);
    });

    test('of another file of the same form is refused, and none is kept', async () => {
      const { postTo, keys } = await app(StorageFilesInterceptor('file', 2, { key: me }));
      expect((await postTo(succeeds, 'first', 'second')).status).toBe(409);
      expect(await keys()).toEqual([]);
    });

    test('and that somebody else has taken when the request fails, stays theirs', async () => {
      const { postTo, storage, read } = await app(StorageFileInterceptor('file', { key: me }));
      await postTo(async () => {
        await storage.put('me.txt', 'another’s');
        return fails();
      }, 'mine');
      expect(await read('me.txt')).toBe('another’s');
    });

    test('and that somebody else takes while it is looked whose it is, stays theirs', async () => {
      const { postTo, storage, read } = await app(StorageFileInterceptor('file', { key: me }));
      const look = storage.info.bind(storage);
      jest.spyOn(storage, 'info').mockImplementationOnce(async (...given) => {
        const found = await look(...given);
        await storage.put('me.txt', 'another’s');
        return found;
      });
      await postTo(fails, 'mine');
      expect(await read('me.txt')).toBe('another’s');
    });

    test('is told where the backend cannot refuse it', async () => {
      const { post, count, log } = await app(
        StorageFileInterceptor('file', { key: me }),
        (memory) => ({ capabilities: { ...memory.capabilities, createOnly: false } }),
      );
      expect(await post(text('x'))).toMatchObject({ status: 501, json: { code: 'UNSUPPORTED' } });
      expect(log.text).toContain('overwrite: true');
      expect(count('put')).toBe(0);
    });
  });

  describe('overwrite', () => {
    const interceptor = StorageFileInterceptor('file', { key: me, overwrite: true });

    test('replaces what the key holds when the handler has succeeded', async () => {
      const { postTo, read, keys } = await app(interceptor);
      await postTo(succeeds, 'first');
      const { status, json } = await postTo(succeeds, 'second');
      expect(status).toBe(201);
      expect(json).toMatchObject({ key: 'me.txt', size: 6, mimetype: 'text/plain' });
      expect(await read('me.txt')).toBe('second');
      expect(await keys()).toEqual(['me.txt']);
    });

    test('tells the handler what it will be, and the answer what it is', async () => {
      const { postTo, storage } = await app(interceptor);
      let before: unknown;
      const { json } = await postTo(({ file }) => {
        before = { ...(file as { stored: object }).stored };
        return file;
      }, 'text');
      expect(before).toEqual({
        key: 'me.txt',
        size: 4,
        contentType: 'text/plain',
        metadata: { filename: 'a.txt' },
      });
      expect(json.stored.etag).toBe((await storage.info('me.txt')).etag);
    });

    test('leaves what the key holds when the handler fails', async () => {
      const { postTo, read, keys } = await app(interceptor);
      await postTo(succeeds, 'first');
      expect((await postTo(fails, 'second')).status).toBe(500);
      expect(await read('me.txt')).toBe('first');
      expect(await keys()).toEqual(['me.txt']);
    });

    test('is not seen by the handler yet', async () => {
      const { postTo, read } = await app(interceptor);
      await postTo(succeeds, 'first');
      const { text: seen } = await postTo(() => read('me.txt'), 'second');
      expect(seen).toBe('first');
      expect(await read('me.txt')).toBe('second');
    });

    test('that cannot be done fails the request, and what the key holds stays', async () => {
      let broken = false;
      const { postTo, read, keys } = await app(interceptor, (memory) => ({
        copy: (...args) =>
          broken ? Promise.reject(new StorageConnectionError('down')) : memory.copy(...args),
      }));
      await postTo(succeeds, 'first');
      broken = true;
      const answer = await postTo(succeeds, 'second');
      expect(answer).toMatchObject({ status: 502, json: { code: 'CONNECTION_FAILED' } });
      expect(await read('me.txt')).toBe('first');
      expect(await keys()).toEqual(['me.txt']);
    });

    test('refuses a key that cannot be before it stores anything', async () => {
      const { post, count } = await app(
        StorageFileInterceptor('file', { key: () => '../x', overwrite: true }),
      );
      expect((await post(text('x'))).json).toMatchObject({ code: 'INVALID_KEY' });
      expect(count('put')).toBe(0);
    });
  });

  describe('contentHashKey', () => {
    const interceptor = StorageFileInterceptor('file', { key: contentHashKey });
    const hash = (content: string | Buffer): string =>
      createHash('sha256').update(content).digest('hex');

    test('is SHA-256 of the bytes and the extension of the type', async () => {
      const { post, keys } = await app(interceptor);
      const content = png(300_000);
      const { json } = await post({ ...text(''), content });
      expect(json.key).toBe(`${hash(content)}.png`);
      expect(await keys()).toEqual([`${hash(content)}.png`]);
    });

    test('stores the same file once, and both requests succeed', async () => {
      const { postTo, keys } = await app(interceptor);
      const answers = [await postTo(succeeds, 'same'), await postTo(succeeds, 'same')];
      expect(answers.map(({ status }) => status)).toEqual([201, 201]);
      expect(answers[1]!.json.stored.etag).toBe(answers[0]!.json.stored.etag);
      expect(await keys()).toEqual([`${hash('same')}.txt`]);
    });

    test('of a request that fails does not take away what others stored', async () => {
      const { postTo, keys } = await app(interceptor);
      await postTo(succeeds, 'same');
      await postTo(fails, 'same');
      expect(await keys()).toEqual([`${hash('same')}.txt`]);
      await postTo(fails, 'other');
      expect(await keys()).toEqual([`${hash('same')}.txt`]);
    });

    test.each([
      ['once: the file is stored', 1, 201, [`${hash('same')}.txt`]],
      ['each time: the upload may be tried again', Infinity, 409, []],
    ])('whose file is deleted as it is found, %s', async (_what, deletions, status, left) => {
      let found = 0;
      const { postTo, keys } = await app(interceptor, (memory) => ({
        async info(key, options) {
          if ((found += 1) <= deletions) await memory.deleteMany([key], options);
          return memory.info(key, options);
        },
        // There again, and then gone again.
        async copy(from, to, options) {
          if (found > 0 && found < deletions) throw new StorageFileExistsError('in use');
          return memory.copy(from, to, options);
        },
      }));
      await postTo(succeeds, 'same');
      expect((await postTo(succeeds, 'same')).status).toBe(status);
      expect(await keys()).toEqual(left);
    });

    test('may stand in a key of one’s own, by what the request tells', async () => {
      const { post, keys } = await app(
        StorageFileInterceptor('file', {
          key: {
            fromContent: ({ sha256, size }, request: { headers: Record<string, string> }) =>
              `${request.headers['host']!.split(':')[0]}/${size}-${sha256.slice(0, 8)}`,
          },
        }),
      );
      await post(text('text'));
      expect(await keys()).toEqual([`127.0.0.1/4-${hash('text').slice(0, 8)}`]);
    });

    test('that turns out invalid leaves nothing', async () => {
      const { post, keys } = await app(
        StorageFileInterceptor('file', { key: { fromContent: () => '..' } }),
      );
      expect((await post(text('text'))).json).toMatchObject({ code: 'INVALID_KEY' });
      expect(await keys()).toEqual([]);
    });
  });
});
