import { buffer } from 'node:stream/consumers';
import { startChecksum } from '../../lib/core/checksum.js';
import {
  StorageConnectionError,
  StorageIntegrityError,
  StorageRangeNotSatisfiableError,
} from '../../lib/core/errors.js';
import { parallelDownload } from '../../lib/core/parallel-download.js';
import type { DriverDownload } from '../../lib/core/storage-driver.js';
import { storedFile } from '../../lib/core/stored-file.js';

const FILE = Buffer.from('abcdefghijklmnopqrstuvwxyz');
const whole = { start: 0, end: 25, size: 26 };
const file = storedFile({ key: 'a', size: 26 });
const part = ({ start, end }: { start: number; end: number }): DriverDownload => ({
  file,
  range: { start, end, size: 26 },
  body: FILE.subarray(start, end + 1),
});
/** Lets everything happen that waits for nothing. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** Parts that are delivered when the test says so. */
function held() {
  const waiting = new Map<
    number,
    { give: () => void; fail: (error: Error) => void; signal: AbortSignal }
  >();
  let most = 0;
  return {
    waiting,
    most: () => most,
    open: (range: { start: number; end: number }, signal: AbortSignal): Promise<DriverDownload> =>
      new Promise((resolve, reject) => {
        const fail = (error: Error): void => {
          waiting.delete(range.start);
          reject(error);
        };
        signal.addEventListener('abort', () => fail(signal.reason as Error));
        waiting.set(range.start, {
          signal,
          fail,
          give() {
            waiting.delete(range.start);
            resolve(part(range));
          },
        });
        most = Math.max(most, waiting.size);
      }),
  };
}

describe('parallelDownload', () => {
  it.each([1, 3, 5, 25, 26, 27, 100])('gives a file in parts of %d bytes', async (partSize) => {
    const stream = parallelDownload(whole, partSize, 4, async (range) => part(range));
    expect((await buffer(stream)).toString()).toBe(FILE.toString());
  });

  it('fails as a connection does when the file has fewer bytes than were announced', async () => {
    const stream = parallelDownload(whole, 10, 2, async (each) => {
      if (each.start < 20) return part(each);
      throw new StorageRangeNotSatisfiableError(undefined, { size: 20 });
    });
    await expect(buffer(stream)).rejects.toBeInstanceOf(StorageConnectionError);
  });

  it('gives a range in parts', async () => {
    const range = { start: 3, end: 20, size: 26 };
    const stream = parallelDownload(range, 4, 2, async (each) => part(each));
    expect((await buffer(stream)).toString()).toBe(FILE.subarray(3, 21).toString());
  });

  it('does not deliver the end of a file whose checksum is another one', async () => {
    const running = startChecksum('sha256');
    running.update(FILE);
    const checksum = running.digest();
    const open = async (range: { start: number; end: number }) => part(range);
    // Also where a single byte is left at the end, and where the parts come one by one.
    for (const partSize of [4, 5, 13, 25, 26]) {
      for (const concurrency of [1, 3]) {
        const good = parallelDownload(whole, partSize, concurrency, open, checksum);
        expect((await buffer(good)).toString()).toBe(FILE.toString());
      }
    }
    const swapped = async ({ start, end }: { start: number; end: number }) =>
      part({ start: start === 4 ? 8 : start, end: start === 4 ? 11 : end });
    const delivered: Buffer[] = [];
    const bad = parallelDownload(whole, 4, 3, swapped, checksum);
    const reading = (async () => {
      for await (const chunk of bad) delivered.push(chunk as Buffer);
    })();
    await expect(reading).rejects.toThrow(StorageIntegrityError);
    expect(Buffer.concat(delivered).byteLength).toBeLessThan(26);
  });

  it('delivers in order, whatever order the parts come in', async () => {
    const parts = held();
    const read = buffer(parallelDownload(whole, 5, 3, parts.open));
    await settle();
    while (parts.waiting.size > 0) {
      [...parts.waiting.values()].at(-1)!.give();
      await settle();
    }
    expect((await read).toString()).toBe(FILE.toString());
  });

  it('asks for no more parts at once than it may', async () => {
    const parts = held();
    const read = buffer(parallelDownload(whole, 2, 3, parts.open));
    await settle();
    while (parts.waiting.size > 0) {
      expect(parts.waiting.size).toBeLessThanOrEqual(3);
      [...parts.waiting.values()][0]!.give();
      await settle();
    }
    await read;
    expect(parts.most()).toBe(3);
  });

  it('asks for nothing before somebody reads, and no further than a slow reader needs', async () => {
    const parts = held();
    const stream = parallelDownload(whole, 1, 3, parts.open);
    await settle();
    expect(parts.most()).toBe(0);
    const chunks = stream[Symbol.asyncIterator]();
    const first = chunks.next();
    await settle();
    for (const { give } of parts.waiting.values()) give();
    await first;
    await settle();
    const reached = Math.max(-1, ...parts.waiting.keys());
    expect(reached).toBeLessThanOrEqual(6);
    stream.destroy();
    await settle();
  });

  it('ends the others when one part fails, and gives its error', async () => {
    const parts = held();
    const read = buffer(parallelDownload(whole, 5, 3, parts.open));
    read.catch(() => {});
    await settle();
    const [first, second, third] = [...parts.waiting.values()];
    second!.fail(new Error('broken'));
    first!.give();
    await expect(read).rejects.toThrow('broken');
    expect(third!.signal.aborted).toBe(true);
    expect(parts.waiting.size).toBe(0);
  });

  it('ends the parts under way when it is destroyed', async () => {
    const parts = held();
    const stream = parallelDownload(whole, 5, 3, parts.open);
    stream.on('error', () => {});
    stream.resume();
    await settle();
    const under = [...parts.waiting.values()];
    expect(under).toHaveLength(3);
    stream.destroy();
    await settle();
    expect(under.map(({ signal }) => signal.aborted)).toEqual([true, true, true]);
    expect(stream.closed).toBe(true);
  });

  it('refuses a part of the wrong length', async () => {
    const stream = parallelDownload(whole, 5, 2, async ({ start }) => part({ start, end: start }));
    await expect(buffer(stream)).rejects.toThrow(StorageIntegrityError);
  });
});
