import { closeApps } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { ADAPTERS } from './adapters.js';
import { servingOn } from './serving-fixture.js';

afterEach(closeApps);

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  const serve = servingOn(adapter);

  describe('a file that is replaced while it is served', () => {
    test('never mixes the bytes of two versions', async () => {
      let replaceOnce: (() => Promise<unknown>) | undefined;
      const { port, put, storage } = await serve((memory) => ({
        info: async (key, options) => {
          const file = await memory.info(key, options);
          await replaceOnce?.();
          return file;
        },
      }));
      const old = await put('a.txt', 'aaaaaaaaaa');
      replaceOnce = async () => {
        replaceOnce = undefined;
        await storage.put('a.txt', 'bbbbbbbbbbbbbbbbbbbb');
      };
      const answer = await send(port, '/files/a.txt', { headers: { Range: 'bytes=5-' } });
      expect(answer.status).toBe(206);
      expect(answer.text).toBe('b'.repeat(15));
      expect(answer.headers['content-range']).toBe('bytes 5-19/20');
      expect(answer.headers['etag']).not.toBe(old.etag);
    });

    test('drops the range when it was asked for the old version', async () => {
      let replaceOnce: (() => Promise<unknown>) | undefined;
      const { port, put, storage } = await serve((memory) => ({
        info: async (key, options) => {
          const file = await memory.info(key, options);
          await replaceOnce?.();
          return file;
        },
      }));
      const { etag } = await put('a.txt', 'aaaaaaaaaa');
      replaceOnce = async () => {
        replaceOnce = undefined;
        await storage.put('a.txt', 'bbbbb');
      };
      const headers = { Range: 'bytes=8-', 'If-Range': etag };
      expect(await send(port, '/files/a.txt', { headers })).toMatchObject({
        status: 200,
        text: 'bbbbb',
      });
    });

    test('is sent as a whole when it is replaced again and again, unless one version was asked for', async () => {
      const { port, put, storage } = await serve((memory) => ({
        info: async (key, options) => {
          const file = await memory.info(key, options);
          await storage.put('a.txt', 'bbbbbbbbbb');
          return file;
        },
      }));
      await put('a.txt', 'aaaaaaaaaa');
      for (const headers of [{}, { 'If-Match': '*' }] as Record<string, string>[]) {
        const answer = await send(port, '/files/a.txt', {
          headers: { Range: 'bytes=5-', ...headers },
        });
        expect(answer).toMatchObject({ status: 200, text: 'bbbbbbbbbb' });
        expect(answer.headers).not.toHaveProperty('content-range');
      }
      const { etag } = await storage.put('a.txt', 'aaaaaaaaaa');
      const headers = { Range: 'bytes=5-', 'If-Match': etag! };
      expect((await send(port, '/files/a.txt', { headers })).status).toBe(412);
    });

    test('is not sent in place of the version asked for, however often that one comes back', async () => {
      const { port, put, storage } = await serve((memory) => ({
        info: async (key, options) => {
          const file = await memory.info(key, options);
          await storage.put('a.txt', 'bbbbbbbbbb');
          return { ...file, etag: '"asked"', lastModified: new Date('2026-01-01T00:00:00Z') };
        },
      }));
      await put('a.txt', 'aaaaaaaaaa');
      for (const [name, value] of [
        ['If-Match', '"asked"'],
        ['If-Unmodified-Since', 'Thu, 01 Jan 2026 00:00:00 GMT'],
      ] as const) {
        const headers = { Range: 'bytes=5-', [name]: value };
        expect((await send(port, '/files/a.txt', { headers })).status).toBe(412);
      }
    });
  });
});
