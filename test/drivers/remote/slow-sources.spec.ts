import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import type { ByteSize } from '../../../lib/core/units.js';
import type { Storage } from '../../../lib/core/storage.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import { BufferPool } from '../../../lib/drivers/remote/buffer-pool.js';
import { PartBuffer } from '../../../lib/drivers/remote/part-buffer.js';
import { startGcsServer } from '../../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../../lib/testing/s3-server/index.js';
import { clientOf } from '../gcs/open-gcs.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const never = new AbortController().signal;

/** Gives the bytes, and then nothing more, and never ends. */
async function* silentAfter(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
  await new Promise<never>(() => {});
}

function inChunks(bytes: Uint8Array): Readable {
  const count = Math.ceil(bytes.byteLength / (200 * KIB));
  return Readable.from(
    Array.from({ length: count }, (_, index) =>
      bytes.subarray(index * 200 * KIB, (index + 1) * 200 * KIB),
    ),
  );
}

interface Opened extends AsyncDisposable {
  readonly storage: Storage;
}

const OPEN: Readonly<Record<string, (uploadMemory: ByteSize) => Promise<Opened>>> = {
  async s3(uploadMemory) {
    const server = await startS3Server({ buckets: ['files'] });
    const { endpoint, region, credentials } = server;
    const where = { driver: 's3', bucket: 'files', endpoint, region, ...credentials } as const;
    return opened(await openStorage('slow', { ...where, uploadMemory }), server);
  },
  async gcs(uploadMemory) {
    const server = await startGcsServer({ buckets: ['files'] });
    const where = { driver: 'gcs', bucket: 'files', client: clientOf(server) } as const;
    return opened(await openStorage('slow', { ...where, uploadMemory }), server);
  },
};

function opened(storage: Storage, server: { close(): Promise<void> }): Opened {
  return {
    storage,
    async [Symbol.asyncDispose]() {
      await storage.close();
      await server.close();
    },
  };
}

describe.each(Object.entries(OPEN))('slow sources on %s', (_name, open) => {
  it('do not keep the upload of another from its end, when sixty of them are silent', async () => {
    await using slow = await open('256mb');
    const { storage } = slow;
    const abort = new AbortController();
    const options = { signal: abort.signal };
    const silent = Array.from({ length: 60 }, async (_, index) =>
      storage.put(`silent-${index}`, silentAfter(Buffer.alloc(300 * KIB)), options),
    );
    const ends = Promise.allSettled(silent);
    const bytes = randomBytes(400 * KIB);
    await storage.put('a', inChunks(bytes));
    expect(bytes.equals(await storage.getBytes('a'))).toBe(true);
    abort.abort();
    expect(new Set((await ends).map(({ status }) => status))).toEqual(new Set(['rejected']));
  });

  it('end when they are one that two uploads share, and there is memory for one', async () => {
    await using slow = await open('9mb');
    const { storage } = slow;
    const bytes = randomBytes(6 * MIB);
    const source = inChunks(bytes);
    const [one, two] = [new PassThrough(), new PassThrough()];
    source.pipe(one);
    source.pipe(two);
    await Promise.all([storage.put('one', one), storage.put('two', two)]);
    for (const key of ['one', 'two']) {
      expect(bytes.equals(await storage.getBytes(key))).toBe(true);
    }
  });
});

describe('a part that is gathered', () => {
  const PART = 8 * MIB;

  /** Resolves when the pool holds so much. */
  async function untilHeld(pool: BufferPool, bytes: number): Promise<void> {
    while (pool.held !== bytes) await new Promise((resolve) => setImmediate(resolve));
  }

  it('from a slow source holds no more than twice what has come, and keeps it', async () => {
    const pool = new BufferPool(10 * PART, 1);
    const part = new PartBuffer(PART, pool, never);
    const bytes = randomBytes(PART);
    const add = (from: number, to: number): Promise<Uint8Array> =>
      part.add(bytes.subarray(from, to));
    await add(0, 10);
    expect(pool.held).toBe(PART);
    await untilHeld(pool, 256 * KIB);
    await add(10, 256 * KIB);
    expect(pool.held).toBe(256 * KIB);
    await add(256 * KIB, 257 * KIB);
    expect(pool.held).toBe(512 * KIB);
    await add(257 * KIB, 3 * MIB);
    expect(pool.held).toBe(4 * MIB);
    expect((await add(3 * MIB, PART)).byteLength).toBe(0);
    expect(pool.held).toBe(PART);
    expect(part.isFull).toBe(true);
    expect(bytes.equals(part.seal())).toBe(true);
    part.release();
    part.release();
    expect(pool.held).toBe(0);
  });

  it('keeps the memory of a whole part as long as its source goes on', async () => {
    jest.useFakeTimers();
    try {
      const pool = new BufferPool(PART, 100);
      const part = new PartBuffer(PART, pool, never);
      for (let round = 0; round < 10; round++) {
        await part.add(Buffer.alloc(64 * KIB));
        jest.advanceTimersByTime(100);
        expect(pool.held).toBe(PART);
      }
      await part.add(Buffer.alloc(KIB));
      jest.advanceTimersByTime(100);
      expect(pool.held).toBe(MIB);
      part.release();
      expect(pool.held).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  it('is not waited for while its source is silent, though it is full', async () => {
    const pool = new BufferPool(PART, 1);
    const part = new PartBuffer(PART, pool, never);
    await part.add(Buffer.alloc(PART));
    const other = await pool.take(PART, never);
    expect(pool.held).toBe(2 * PART);
    part.release();
    pool.give(other);
    expect(pool.held).toBe(0);
  });

  it('is waited for from the moment that it is sent', async () => {
    const pool = new BufferPool(PART, 1);
    const part = new PartBuffer(PART, pool, never);
    await part.add(Buffer.alloc(PART));
    const [first, second] = [await pool.take(PART, never), pool.take(PART, never)];
    part.seal();
    pool.give(first);
    let taken = false;
    void second.then(() => (taken = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(false);
    part.release();
    pool.give(await second);
    expect(pool.held).toBe(0);
  });

  it('gives back what it had when its wait for more is ended', async () => {
    const pool = new BufferPool(PART, 1);
    const abort = new AbortController();
    const part = new PartBuffer(PART, pool, abort.signal);
    await part.add(Buffer.alloc(256 * KIB));
    await untilHeld(pool, 256 * KIB);
    const other = await pool.take(PART, never);
    const more = part.add(Buffer.alloc(10));
    abort.abort(new Error('given up'));
    await expect(more).rejects.toThrow('given up');
    part.release();
    expect(pool.held).toBe(PART);
    pool.give(other);
  });
});

describe('many slow sources', () => {
  it('take together little more than has come of them, and others go on one at a time', async () => {
    const MOST = 4 * MIB;
    const pool = new BufferPool(MOST, 1);
    const slow = Array.from({ length: 6 }, () => new PartBuffer(MOST, pool, never));
    await Promise.all(slow.map((part) => part.add(Buffer.alloc(MIB))));
    while (pool.held !== 6 * MIB) await new Promise((resolve) => setImmediate(resolve));
    let most = 0;
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        const part = await pool.take(MIB, never);
        most = Math.max(most, pool.held);
        await new Promise((resolve) => setImmediate(resolve));
        pool.give(part);
      }),
    );
    expect(most).toBe(7 * MIB);
    for (const part of slow) part.release();
    expect(pool.held).toBe(0);
  });
});
