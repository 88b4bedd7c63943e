import { randomBytes } from 'node:crypto';
import { ContainerClient } from '@azure/storage-blob';
import type { Checksum } from '../../../lib/core/checksum.js';
import { contentMd5 } from '../../../lib/drivers/azure/azure.blocks.js';
import {
  chunks,
  expectStored,
  putOptions,
  readKey,
  rejected,
  signal,
  until,
  useAzurite,
} from './open-azure.js';

const { open } = useAzurite();
const PART = 64 * 1024;
const BLOCK = /comp=block(&|$)/;
const COMMIT = /comp=blocklist/;

/** The bytes, and nothing between them again and again. */
async function* withEmptyChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield new Uint8Array(0);
  for await (const chunk of chunks(bytes, 1000)) {
    yield chunk;
    yield new Uint8Array(0);
  }
}

const KINDS = {
  'bytes in memory': (bytes: Buffer) => bytes,
  'chunks of a part': (bytes: Buffer) => chunks(bytes, PART),
  'odd chunks': (bytes: Buffer) => chunks(bytes, 777),
  'empty chunks among others': withEmptyChunks,
};

describe.each(Object.entries(KINDS))('a body of %s', (_, bodyOf) => {
  test.each([0, 1, PART - 1, PART, PART + 1, 2 * PART - 1, 2 * PART, 2 * PART + 1])(
    'and %i bytes is stored whole',
    async (size) => {
      await using azure = await open();
      const bytes = randomBytes(size);
      const put = await azure.driver.put('key', bodyOf(bytes), putOptions({ partSize: PART }));
      expect(put).toEqual(await azure.driver.info('key', { signal }));
      await expectStored(azure.driver, 'key', bytes);
      expect(azure.proxy.seen('PUT', BLOCK)).toHaveLength(
        size <= PART ? 0 : Math.ceil(size / PART),
      );
    },
  );
});

test('a body whose memory was transferred is not sent again', async () => {
  await using azure = await open();
  await azure.other.put('key', Buffer.from('old'), putOptions());
  const bytes = new Uint8Array(1000);
  azure.proxy.fail({ method: 'PUT', with: { status: 503 } });
  const put = azure.driver.put('key', bytes, putOptions());
  await azure.proxy.until(({ requests }) => requests.length === 1);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  await expect(put).rejects.toMatchObject({ code: 'INTEGRITY' });
  expect(String(await readKey(azure.other, 'key'))).toBe('old');
});

test('an MD5 is sent where no TLS guards the bytes on the way, or where there is one already', () => {
  const bytes = Buffer.from('hello');
  const md5 = 'XUFAKrxLKna5cZ2REBfFkg==';
  const sent = (url: string, checksum?: Checksum): string | undefined => {
    const hash = contentMd5({ client: new ContainerClient(url) }, bytes, checksum);
    return hash && Buffer.from(hash).toString('base64');
  };
  expect(sent('http://127.0.0.1/files')).toBe(md5);
  expect(sent('https://127.0.0.1/files')).toBeUndefined();
  const announced: Checksum = { algorithm: 'md5', value: 'AAAAAAAAAAAAAAAAAAAAAA==' };
  expect(sent('https://127.0.0.1/files', announced)).toBe(announced.value);
});

test('a body of single bytes is stored whole', async () => {
  await using azure = await open();
  const bytes = randomBytes(70_000);
  const put = await azure.driver.put('key', chunks(bytes, 1), putOptions({ partSize: 30_000 }));
  expect(put.size).toBe(bytes.byteLength);
  await expectStored(azure.driver, 'key', bytes);
});

test('a source that fails after its last byte stores nothing', async () => {
  await using azure = await open();
  const late = new Error('late');
  for (const size of [0, 10, PART, 3 * PART]) {
    async function* body(): AsyncGenerator<Uint8Array, void> {
      yield* chunks(randomBytes(size));
      throw late;
    }
    const put = azure.driver.put('key', body(), putOptions({ partSize: PART }));
    await expect(put).rejects.toBe(late);
  }
  await until(() => azure.proxy.inFlight === 0);
  expect(azure.proxy.seen('PUT', COMMIT)).toEqual([]);
});

describe('of blocks in parallel', () => {
  test.each(['reset', 'lose-answer'] as const)(
    'three whose connection breaks (%s) are sent again',
    async (fault) => {
      await using azure = await open();
      // Not more: one block may meet them all, and is sent four times.
      for (const after of [0, 2, 4]) azure.proxy.fail({ url: BLOCK, after, with: fault });
      azure.proxy.fail({ url: COMMIT, with: fault });
      const bytes = randomBytes(10 * PART);
      const options = putOptions({ partSize: PART, concurrency: 5, ifNoneMatch: '*' });
      const put = await azure.driver.put('key', chunks(bytes), options);
      expect(put).toEqual(await azure.driver.info('key', { signal }));
      await expectStored(azure.driver, 'key', bytes);
    },
  );
});

describe('two writers of a key', () => {
  test('store one of two whole bodies, large or small', async () => {
    await using azure = await open();
    const bodies = [PART / 2, 3 * PART, PART / 2 + 1, 3 * PART + 1].map((size) =>
      randomBytes(size),
    );
    await Promise.all(
      bodies.map((body, index) =>
        (index % 2 ? azure.driver : azure.other).put('key', body, putOptions({ partSize: PART })),
      ),
    );
    const { size } = await azure.driver.info('key', { signal });
    const winner = bodies.find((body) => body.byteLength === size)!;
    expect(winner).toBeDefined();
    await expectStored(azure.driver, 'key', winner);
  });

  test('one of whom deletes leave the file of the other whole', async () => {
    await using azure = await open();
    await azure.driver.put('key', Buffer.from('old'), putOptions());
    const bytes = randomBytes(3 * PART);
    async function* body(): AsyncGenerator<Uint8Array, void> {
      yield bytes;
      await until(() => azure.proxy.seen('PUT', BLOCK).length === 3 && azure.proxy.inFlight === 0);
      await azure.other.deleteMany(['key'], { signal });
    }
    const put = azure.driver.put('key', body(), putOptions({ partSize: PART, concurrency: 3 }));
    // A deletion, unlike a commit, leaves the blocks that wait.
    expect((await put).size).toBe(bytes.byteLength);
    await expectStored(azure.driver, 'key', bytes);
  });
});

describe('a file on which somebody holds a lease', () => {
  test('stays as it is, and every write says why', async () => {
    await using azure = await open();
    const { driver } = azure;
    await driver.put('key', Buffer.from('old'), putOptions());
    await driver.put('source', Buffer.from('new'), putOptions());
    await azure.direct.getBlobClient('key').getBlobLeaseClient().acquireLease(60);
    const remove = async (...keys: string[]) => {
      const { failed } = await driver.deleteMany(keys, { signal });
      throw failed[0]!.error;
    };
    const writes = [
      driver.put('key', Buffer.from('new'), putOptions()),
      driver.put('key', Buffer.alloc(100), putOptions({ partSize: 50 })),
      driver.put('key', chunks(Buffer.alloc(100), 10), putOptions({ partSize: 50 })),
      remove('key'),
      remove('key', 'other'),
      driver.copy('source', 'key', { signal }),
      driver.copy('source', 'key', { signal, contentType: 'text/css' }),
    ];
    for (const write of writes) {
      const error = await rejected(write);
      expect([error.code, error.message]).toEqual([
        'PERMISSION_DENIED',
        'Somebody else holds a lease on the file (LeaseIdMissing)',
      ]);
    }
    await expectStored(driver, 'key', Buffer.from('old'));
    expect((await driver.copy('key', 'copy', { signal })).size).toBe(3);
  });
});
