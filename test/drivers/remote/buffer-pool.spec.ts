import { jest } from '@jest/globals';
import { constants } from 'node:buffer';
import { BufferPool } from '../../../lib/drivers/remote/buffer-pool.js';

const never = new AbortController().signal;

/** Whether the promise is settled after everything that was due has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => void (settled = true);
  promise.then(settle, settle);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('BufferPool', () => {
  it('gives buffers up to its limit, and the next one when one comes back', async () => {
    const pool = new BufferPool(300);
    const first = await pool.take(100, never);
    await pool.take(200, never);
    expect(pool.held).toBe(300);
    const third = pool.take(100, never);
    expect(await isSettled(third)).toBe(false);
    pool.give(first);
    expect((await third).byteLength).toBe(100);
    expect(pool.held).toBe(300);
  });

  it('gives the same memory again', async () => {
    const pool = new BufferPool(300);
    const buffer = await pool.take(100, never);
    pool.give(buffer);
    expect(await pool.take(100, never)).toBe(buffer);
  });

  it('serves in the order of asking, so that large requests are not passed by small ones for ever', async () => {
    const pool = new BufferPool(100);
    const held = await pool.take(60, never);
    const large = pool.take(100, never);
    const small = pool.take(10, never);
    expect(await isSettled(small)).toBe(false);
    pool.give(held);
    const taken = await large;
    expect(await isSettled(small)).toBe(false);
    pool.give(taken);
    expect((await small).byteLength).toBe(10);
  });

  it('gives a buffer larger than the limit when nothing else is held', async () => {
    const pool = new BufferPool(100);
    const small = await pool.take(1, never);
    const huge = pool.take(1000, never);
    expect(await isSettled(huge)).toBe(false);
    pool.give(small);
    expect((await huge).byteLength).toBe(1000);
  });

  it('ends a wait with its signal, and serves whoever stood behind it', async () => {
    const pool = new BufferPool(100);
    await pool.take(50, never);
    const abort = new AbortController();
    const large = pool.take(100, abort.signal);
    const small = pool.take(50, never);
    abort.abort(new Error('given up'));
    await expect(large).rejects.toThrow('given up');
    expect((await small).byteLength).toBe(50);
    await expect(pool.take(1, abort.signal)).rejects.toThrow('given up');
  });

  it('does not count a buffer for which there is no memory, nor keep others waiting behind it', async () => {
    const pool = new BufferPool(100);
    const impossible = constants.MAX_LENGTH + 1;
    await expect(pool.take(impossible, never)).rejects.toMatchObject({ name: 'RangeError' });
    expect(pool.held).toBe(0);
    const held = await pool.take(60, never);
    const refused = pool.take(impossible, never);
    const behind = pool.take(50, never);
    pool.give(held);
    await expect(refused).rejects.toMatchObject({ name: 'RangeError' });
    expect((await behind).byteLength).toBe(50);
    expect(pool.held).toBe(50);
  });

  it('lets a buffer rest as it is when there is no memory for a smaller one', async () => {
    const pool = new BufferPool(1024 ** 2);
    const buffer = await pool.take(1024 ** 2, never);
    const behind = pool.take(1024 ** 2, never);
    const allocate = jest.spyOn(Buffer, 'allocUnsafeSlow').mockImplementationOnce(() => {
      throw new RangeError('Array buffer allocation failed');
    });
    // In a timer, by which an error would end the process.
    expect(pool.rest(buffer, 10)).toBe(buffer);
    allocate.mockRestore();
    expect(pool.held).toBe(2 * 1024 ** 2);
    pool.give(await behind);
    pool.give(buffer);
    expect(pool.held).toBe(0);
  });

  it('keeps little memory while nothing is under way', async () => {
    const pool = new BufferPool(Infinity);
    const MIB = 1024 ** 2;
    const buffers = await Promise.all(Array.from({ length: 6 }, () => pool.take(8 * MIB, never)));
    for (const buffer of buffers) pool.give(buffer);
    const again = await Promise.all(Array.from({ length: 6 }, () => pool.take(8 * MIB, never)));
    expect(again.filter((buffer) => buffers.includes(buffer))).toHaveLength(4);
  });
});
