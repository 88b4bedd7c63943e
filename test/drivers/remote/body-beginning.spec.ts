import { randomBytes } from 'node:crypto';
import { readBeginning } from '../../../lib/drivers/remote/body-beginning.js';
import { BodyFailure } from '../../../lib/drivers/remote/body-failure.js';
import { BufferPool } from '../../../lib/drivers/remote/buffer-pool.js';

const KIB = 1024;
const LIMIT = 1024 * KIB;
const never = new AbortController().signal;

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let start = 0; start < bytes.byteLength; start += size) {
    yield bytes.subarray(start, start + size);
  }
}

async function remainder(rest: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all = [rest];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

describe('readBeginning', () => {
  it.each([
    [0, 1],
    [1, 1],
    [100 * KIB, 1000],
    [256 * KIB, 3000],
    [LIMIT - 1, 64 * KIB],
    [LIMIT, 64 * KIB],
    [LIMIT, 3000],
  ])('reads a body of %i bytes to its end (chunks of %i)', async (size, chunk) => {
    const pool = new BufferPool();
    const bytes = randomBytes(size);
    const beginning = await readBeginning(chunksOf(bytes, chunk), LIMIT, pool, never);
    expect(beginning.whole).toBe(true);
    expect(bytes.equals(beginning.bytes)).toBe(true);
    expect(beginning.rest.byteLength).toBe(0);
    beginning.release();
    expect(pool.held).toBe(0);
  });

  it.each([1, 4000, 64 * KIB, 3 * LIMIT])(
    'leaves what does not fit (chunks of %i)',
    async (chunk) => {
      const pool = new BufferPool();
      const bytes = randomBytes(chunk === 1 ? 300 * KIB : 3 * LIMIT);
      const limit = chunk === 1 ? 270 * KIB : LIMIT;
      const chunks = chunksOf(bytes, chunk);
      const {
        whole,
        bytes: first,
        rest,
        release,
      } = await readBeginning(chunks, limit, pool, never);
      expect(whole).toBe(false);
      expect(first.byteLength).toBe(limit);
      expect(rest.byteLength).toBeGreaterThan(0);
      const read = Buffer.concat([first, await remainder(rest, chunks)]);
      expect(read.equals(bytes)).toBe(true);
      expect(pool.held).toBe(limit);
      release();
      release();
      expect(pool.held).toBe(0);
    },
  );

  it('takes none of the pool for a small body, so that those never wait for large ones', async () => {
    const pool = new BufferPool(LIMIT);
    await pool.take(LIMIT, never);
    const beginning = await readBeginning(
      chunksOf(Buffer.alloc(256 * KIB), 1000),
      LIMIT,
      pool,
      never,
    );
    expect(beginning.whole).toBe(true);
    expect(pool.held).toBe(LIMIT);
  });

  it('gives its memory back when the body fails', async () => {
    const pool = new BufferPool();
    async function* failing(): AsyncGenerator<Uint8Array, void> {
      yield Buffer.alloc(300 * KIB);
      throw new Error('broken');
    }
    await expect(readBeginning(failing(), LIMIT, pool, never)).rejects.toBeInstanceOf(BodyFailure);
    expect(pool.held).toBe(0);
  });

  it('stops waiting for memory with its signal', async () => {
    const pool = new BufferPool(LIMIT);
    await pool.take(LIMIT, never);
    const abort = new AbortController();
    const reading = readBeginning(chunksOf(Buffer.alloc(LIMIT), KIB), LIMIT, pool, abort.signal);
    setImmediate(() => abort.abort(new Error('given up')));
    await expect(reading).rejects.toThrow('given up');
  });
});
