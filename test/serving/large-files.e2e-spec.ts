import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ByteRange, type RangeOption, StorageModule } from '../../lib/index.js';
import { closeApps, startApp } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { ADAPTERS } from './adapters.js';
import { FilesController, servingOn } from './serving-fixture.js';

const GIB = 1024 ** 3;
/** Beyond what 32 bits count. */
const SIZE = 5 * GIB;

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nestjs-storages-large-'));
  // A sparse file: nothing but these bytes takes place on the disk.
  const file = await open(join(root, 'large.bin'), 'w');
  await file.truncate(SIZE);
  await file.write('across', 4 * GIB - 3);
  await file.write('end', SIZE - 3);
  await file.close();
});
afterEach(closeApps);
afterAll(() => rm(root, { recursive: true, force: true }));

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  describe('a file of 5 GiB on the local disk', () => {
    async function get(headers: Record<string, string>, method = 'GET') {
      const { port } = await startApp(
        {
          controllers: [FilesController],
          imports: [StorageModule.forRoot({ storages: { files: { driver: 'local', root } } })],
        },
        { adapter: adapter() },
      );
      return send(port, '/files/large.bin', { method, headers });
    }

    test.each([
      ['across 4 GiB', `bytes=${4 * GIB - 3}-${4 * GIB + 2}`, 'across', 4 * GIB - 3],
      ['up to the end', `bytes=${SIZE - 3}-`, 'end', SIZE - 3],
      ['of the end', 'bytes=-3', 'end', SIZE - 3],
      ['beyond the end', `bytes=${SIZE - 3}-${SIZE + 5}`, 'end', SIZE - 3],
    ])('has ranges %s', async (_where, Range, text, start) => {
      const answer = await get({ Range });
      expect(answer).toMatchObject({ status: 206, text });
      const end = start + text.length - 1;
      expect(answer.headers['content-range']).toBe(`bytes ${start}-${end}/${SIZE}`);
      expect(answer.headers['content-length']).toBe(String(text.length));
    });

    test('tells its size', async () => {
      expect((await get({}, 'HEAD')).headers['content-length']).toBe(String(SIZE));
      const beyond = await get({ Range: `bytes=${SIZE}-` });
      expect(beyond.status).toBe(416);
      expect(beyond.headers['content-range']).toBe(`bytes */${SIZE}`);
    });
  });

  test('a file of 4 PiB is asked for the very range', async () => {
    const size = 4 * 1024 ** 5;
    const asked: (RangeOption | undefined)[] = [];
    const { port, put } = await servingOn(adapter)((memory) => ({
      info: async (key, options) => ({ ...(await memory.info(key, options)), size }),
      get: async (key, options) => {
        asked.push(options.range);
        const range = { ...options.range, size } as ByteRange;
        const file = { ...(await memory.info(key, options)), size };
        return { file, range, body: Buffer.from('ab') };
      },
    }));
    await put('a.bin', 'x');
    const headers = { Range: `bytes=${size - 7}-${size - 6}` };
    const answer = await send(port, '/files/a.bin', { headers });
    expect(answer).toMatchObject({ status: 206, text: 'ab' });
    expect(answer.headers['content-range']).toBe(`bytes ${size - 7}-${size - 6}/${size}`);
    expect(asked).toEqual([{ start: size - 7, end: size - 6 }]);
  });
});
