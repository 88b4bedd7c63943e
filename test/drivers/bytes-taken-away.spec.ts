import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Storage } from '../../lib/core/storage.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { gcsClient } from './gcs/open-gcs.js';

const MIB = 1024 ** 2;

interface Opened {
  readonly storage: Storage;
  readonly close: () => Promise<void>;
}

const OPEN: Readonly<Record<string, () => Promise<Opened>>> = {
  async memory() {
    return { storage: await openStorage('files', { driver: 'memory' }), async close() {} };
  },
  async local() {
    const root = await mkdtemp(join(tmpdir(), 'transferred-'));
    return {
      storage: await openStorage('files', { driver: 'local', root, durability: 'none' }),
      close: () => rm(root, { recursive: true }),
    };
  },
  async s3() {
    const server = await startS3Server({ buckets: ['bucket'] });
    const storage = await openStorage('files', {
      driver: 's3',
      provider: 'aws',
      bucket: 'bucket',
      region: server.region,
      endpoint: server.endpoint,
      forcePathStyle: true,
      ...server.credentials,
    });
    return { storage, close: () => server.close() };
  },
  async gcs() {
    const server = await startGcsServer({ buckets: ['bucket'] });
    const client = gcsClient(server.clientOptions);
    const storage = await openStorage('files', { driver: 'gcs', bucket: 'bucket', client });
    return { storage, close: () => server.close() };
  },
};

function transfer(bytes: Uint8Array): void {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
}

describe.each(Object.keys(OPEN))(
  'bytes in memory that is used for something else, on %s',
  (name) => {
    let opened: Opened;
    let storage: Storage;
    beforeAll(async () => {
      opened = await OPEN[name]!();
      storage = opened.storage;
      await storage.put('a', 'old');
    });
    afterAll(async () => {
      await storage.close();
      await opened.close();
    });
    it('are refused when they are gone before the call', async () => {
      const bytes = new Uint8Array(1000);
      transfer(bytes);
      await expect(storage.put('a', bytes)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect((await storage.info('a')).size).toBe(3);
    });

    it('are not stored when they go with the call', async () => {
      const bytes = new Uint8Array(1000);
      const put = storage.put('a', bytes);
      transfer(bytes);
      await expect(put).rejects.toMatchObject({ code: 'INTEGRITY' });
      expect((await storage.info('a')).size).toBe(3);
    });

    it.each([
      ['a microtask', () => Promise.resolve()],
      ['a turn', () => new Promise(setImmediate)],
    ])('are stored whole or not at all when they go after %s', async (_, pass) => {
      await storage.put('c', 'old');
      const bytes = new Uint8Array(1000);
      const put = storage.put('c', bytes);
      await pass();
      transfer(bytes);
      const told = await put.then(
        ({ size }) => size,
        () => 3,
      );
      expect([3, 1000]).toContain(told);
      expect((await storage.info('c')).size).toBe(told);
    });

    it('are no part when they go before it is stored', async () => {
      const upload = await storage.startMultipartUpload('d');
      const bytes = new Uint8Array(1000);
      const put = storage.uploadPart(upload, 1, bytes);
      await Promise.resolve();
      transfer(bytes);
      const told = await put.then(
        ({ size }) => [size],
        () => [],
      );
      expect([[], [1000]]).toContainEqual(told);
      expect((await storage.listParts(upload)).map(({ size }) => size)).toEqual(told);
      await storage.abortMultipartUpload(upload);
    });

    it('are stored whole or not at all when they go after their first piece', async () => {
      const bytes = new Uint8Array(24 * MIB);
      let pieces = 0;
      bytes.subarray = (start, end) => {
        const piece = Buffer.from(bytes.buffer, start, Math.min(end!, bytes.length) - start!);
        if (++pieces === 2) transfer(bytes);
        return piece as Uint8Array<ArrayBuffer>;
      };
      await storage.put('e', 'old');
      const put = storage.put('e', bytes, { partSize: 8 * MIB });
      const told = await put.then(
        ({ size }) => size,
        () => 3,
      );
      // Memory has copied them by then.
      expect([3, 24 * MIB]).toContain(told);
      expect((await storage.info('e')).size).toBe(told);
    });

    it.each([
      ['fills one buffer again and again', (buffer: Uint8Array) => buffer.fill(0)],
      ['takes the memory of each chunk away', transfer],
    ])('are stored as they came from an iterable that %s', async (_, takeBack) => {
      const chunkSize = 64 * 1024;
      let buffer = new Uint8Array(chunkSize);
      async function* chunks(): AsyncGenerator<Uint8Array> {
        for (let index = 0; index < 20; index++) {
          if (buffer.byteLength === 0) buffer = new Uint8Array(chunkSize);
          yield buffer.fill(index + 1);
          takeBack(buffer);
        }
      }
      await storage.put('b', chunks());
      const stored = await storage.getBytes('b');
      expect(stored.byteLength).toBe(20 * chunkSize);
      const found = Array.from({ length: 20 }, (__, index) => stored[(index + 1) * chunkSize - 1]);
      expect(found).toEqual(found.map((__, index) => index + 1));
    });
  },
);
