import { Controller, Get, Param, Query } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Readable } from 'node:stream';
import { InjectStorage, ServedFile, Storage, type StorageDriver } from '../../lib/index.js';
import { closeApps, failure, until } from '../nest/app-fixture.js';
import { type Answer, openSocket, send } from '../nest/http-client.js';
import { ADAPTERS } from './adapters.js';
import { SAFE_HEADERS } from './safe-headers.js';
import { endless, serve, servingOn } from './serving-fixture.js';

afterEach(closeApps);

@Controller('files')
class RangesController {
  constructor(@InjectStorage() private readonly files: Storage) {}

  @Get(':key')
  show(@Param('key') key: string, @Query('max') max = '5'): ServedFile {
    return new ServedFile(this.files, key, { maxRanges: Number(max) });
  }
}

interface Part {
  readonly headers: Record<string, string>;
  readonly text: string;
}

/** The parts of a body as RFC 2046 §5.1 has them. */
function partsOf({ headers, body }: Answer): Part[] {
  const [, boundary] = /^multipart\/byteranges; boundary=([\w-]+)$/.exec(headers['content-type']!)!;
  const [preamble, ...rest] = body.toString('latin1').split(`\r\n--${boundary}`);
  expect(preamble).toBe('');
  expect(rest.pop()).toBe('--\r\n');
  return rest.map((part) => {
    const [head, ...text] = part.split('\r\n\r\n');
    const fields = head!.trim().split('\r\n');
    return {
      headers: Object.fromEntries(fields.map((field) => field.toLowerCase().split(': '))),
      text: text.join('\r\n\r\n'),
    };
  });
}

const controllers = [RangesController];

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  const serve = servingOn(adapter);

  async function get(Range: string, query = '', headers: Record<string, string> = {}) {
    const app = await serve(undefined, { controllers });
    const { etag } = await app.put('ten.txt', '0123456789');
    const answer = await send(app.port, `/files/ten.txt${query}`, {
      headers: { Range, ...headers },
    });
    return { ...app, etag, answer };
  }

  describe('several ranges', () => {
    test('are the parts of one body, each with its place in the file', async () => {
      const { answer, etag, calls } = await get('bytes=0-1,4-5,-2');
      expect(answer.status).toBe(206);
      expect(partsOf(answer)).toEqual([
        part('bytes 0-1/10', '01'),
        part('bytes 4-5/10', '45'),
        part('bytes 8-9/10', '89'),
      ]);
      expect(answer.headers['content-length']).toBe(String(answer.body.length));
      expect(answer.headers).toMatchObject({ etag, 'accept-ranges': 'bytes', ...SAFE_HEADERS });
      expect(answer.headers).not.toHaveProperty('content-range');
      expect(calls).toEqual(['info ten.txt', 'get ten.txt', 'get ten.txt', 'get ten.txt']);
    });

    test('come in the order of the file, and no byte comes twice', async () => {
      const { answer } = await get('bytes=8-9,0-3,2-4');
      expect(partsOf(answer)).toEqual([part('bytes 0-4/10', '01234'), part('bytes 8-9/10', '89')]);
    });

    test.each([
      ['that overlap', 'bytes=0-3,2-5', '012345', 'bytes 0-5/10'],
      ['that touch', 'bytes=4-5,2-3', '2345', 'bytes 2-5/10'],
      ['of which the others lie outside', 'bytes=3-4,10-,20-30', '34', 'bytes 3-4/10'],
      ['that are all of it', 'bytes=0-,-10,5-', '0123456789', 'bytes 0-9/10'],
    ])('%s are one', async (_which, ranges, text, contentRange) => {
      const { answer } = await get(ranges);
      expect(answer).toMatchObject({ status: 206, text });
      expect(answer.headers['content-range']).toBe(contentRange);
      expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    });

    test('that all lie outside are a 416', async () => {
      const { answer, count } = await get('bytes=10-,20-30');
      expect(answer.status).toBe(416);
      expect(answer.headers['content-range']).toBe('bytes */10');
      expect(count('get')).toBe(0);
    });

    test.each([
      ['more than are allowed', 'bytes=0-0,2-2,4-4', '?max=2'],
      ['one that is not well-formed', 'bytes=0-0,5-4', ''],
      ['of another unit', 'items=0-0,2-2', ''],
    ])('%s are the whole file', async (_which, ranges, query) => {
      const { answer } = await get(ranges, query);
      expect(answer).toMatchObject({ status: 200, text: '0123456789' });
    });

    test('of another version are the whole file', async () => {
      const { answer } = await get('bytes=0-1,4-5', '', { 'If-Range': '"other"' });
      expect(answer).toMatchObject({ status: 200, text: '0123456789' });
    });

    test('of an empty file are the whole file', async () => {
      const { port, put } = await serve(undefined, { controllers });
      await put('empty', '');
      const headers = { Range: 'bytes=0-1,4-5' };
      expect(await send(port, '/files/empty', { headers })).toMatchObject({
        status: 200,
        text: '',
      });
    });
  });

  test('ten thousand characters of ranges are answered by the whole file', async () => {
    const { port, put, count } = await serve(undefined, { controllers });
    await put('ten.txt', '0123456789');
    const Range = `bytes=${'0-0,'.repeat(2500)}1-1`;
    const answer = await send(port, '/files/ten.txt', { headers: { Range } });
    expect([answer.status, answer.body.toString()]).toEqual([200, '0123456789']);
    expect(count('get')).toBe(1);
  });

  test('a file that is replaced between two parts cuts the connection', async () => {
    let reads = 0;
    const app = await serve(
      (memory) => ({
        get: async (key, options) => {
          if (++reads === 2) await app.storage.put(key, 'abcdefghij');
          return memory.get(key, options);
        },
      }),
      { controllers },
    );
    await app.put('ten.txt', '0123456789');
    const answer = send(app.port, '/files/ten.txt', { headers: { Range: 'bytes=0-1,4-5' } });
    expect(await failure(answer)).toMatchObject({ code: 'ECONNRESET' });
    expect(app.log.text).toContain('is not the version that the condition names');
  });

  test('a client that leaves between two parts frees the one under way', async () => {
    const opened: ReturnType<typeof endless>[] = [];
    const endlessly = (memory: StorageDriver): Partial<StorageDriver> => ({
      info: async (key, options) => ({ ...(await memory.info(key, options)), size: 2 ** 40 }),
      get: async (key, options) => {
        const { file } = await memory.get(key, { ...options, range: { start: 0 } });
        const body = endless();
        opened.push(body);
        const range = { start: 0, end: 2 ** 39, size: 2 ** 40 };
        return { file: { ...file, size: 2 ** 40 }, range, body };
      },
    });
    const { port, put } = await serve(endlessly, { controllers });
    await put('a.bin', 'x');
    const socket = await openSocket(port);
    socket.write(
      `GET /files/a.bin HTTP/1.1\r\nHost: x\r\nRange: bytes=0-${2 ** 39},${2 ** 39 + 2}-\r\n\r\n`,
    );
    await until(() => opened.length === 1);
    socket.destroy();
    await until(() => opened[0]!.destroyed);
  });
});

function part(contentRange: string, text: string): Part {
  return {
    headers: { 'content-type': 'text/plain; charset=utf-8', 'content-range': contentRange },
    text,
  };
}

test('the first range breaks the connection when it breaks off while a plugin has the answer', async () => {
  let end!: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const { port, put, log } = await serve(
    (memory) => ({
      get: async (key, options) => {
        const download = await memory.get(key, options);
        let isBegun = false;
        const body = new Readable({
          read() {
            if (isBegun) return;
            isBegun = true;
            this.push('0');
            setImmediate(() => this.destroy(new Error('reset by backend')));
          },
        });
        body.once('close', end);
        return { ...download, body };
      },
    }),
    { controllers },
    {
      adapter: new FastifyAdapter(),
      configure(app) {
        const instance = app.getHttpAdapter().getInstance();
        instance.addHook('onSend', async (_request: unknown, _reply: unknown, body: unknown) => {
          await ended;
          return body;
        });
      },
    },
  );
  await put('ten.txt', '0123456789');
  const headers = { Range: 'bytes=0-1,4-5' };
  expect(await failure(send(port, '/files/ten.txt', { headers }))).toMatchObject({
    code: 'ECONNRESET',
  });
  expect(log.text).toContain('reset by backend');
});
