import { randomBytes } from 'node:crypto';
import { StorageTooLargeError } from '../../../lib/core/errors.js';
import { readBeginning } from '../../../lib/drivers/remote/body-beginning.js';
import { BodyFailure } from '../../../lib/drivers/remote/body-failure.js';
import { BufferPool } from '../../../lib/drivers/remote/buffer-pool.js';
import { PartSender, type PartSenderOptions } from '../../../lib/drivers/remote/part-sender.js';

interface Sent {
  readonly partNumber: number;
  readonly bytes: Buffer;
}

type Options = Partial<PartSenderOptions<Sent>>;

/** A sender whose parts arrive at once, unless `send` says otherwise. */
function sender(options: Options = {}): PartSender<Sent> {
  return new PartSender({
    partSize: 10,
    maxParts: 1000,
    concurrency: 4,
    pool: new BufferPool(),
    signal: new AbortController().signal,
    stop: new AbortController(),
    send: (partNumber, bytes) => Promise.resolve({ partNumber, bytes: Buffer.from(bytes) }),
    ...options,
  });
}

/** Parts that arrive when they are told to. */
class Wire {
  readonly buffers: ArrayBufferLike[] = [];
  readonly #arrivals: (() => void)[] = [];
  #watchers: (() => void)[] = [];
  underWay = 0;
  most = 0;

  readonly send = async (partNumber: number, bytes: Uint8Array): Promise<Sent> => {
    this.buffers.push(bytes.buffer);
    this.most = Math.max(this.most, ++this.underWay);
    for (const watch of this.#watchers.splice(0)) watch();
    await new Promise<void>((resolve) => this.#arrivals.push(resolve));
    this.underWay--;
    return { partNumber, bytes: Buffer.from(bytes) };
  };

  /** Resolves when so many are under way. */
  async until(underWay: number): Promise<void> {
    while (this.underWay < underWay) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  /** Lets the first of those arrive that have not. */
  arrive(): void {
    this.#arrivals.shift()!();
  }

  /** Lets everything arrive, from now on. */
  async arriveUntil(done: Promise<unknown>): Promise<void> {
    let ended = false;
    const end = done.then(
      () => (ended = true),
      () => (ended = true),
    );
    while (!ended) {
      while (this.#arrivals.length > 0) this.arrive();
      await Promise.race([end, new Promise<void>((resolve) => setImmediate(resolve))]);
    }
  }
}

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let start = 0; start < bytes.byteLength; start += size) {
    yield bytes.subarray(start, start + size);
  }
}

function sizes(parts: readonly Sent[]): number[] {
  return parts.map(({ bytes }) => bytes.byteLength);
}

function joined(parts: readonly Sent[]): Buffer {
  return Buffer.concat(parts.map(({ bytes }) => bytes));
}

describe('parts', () => {
  test.each([
    ['bytes', (bytes: Uint8Array) => bytes],
    ['small chunks', (bytes: Uint8Array) => chunksOf(bytes, 3)],
    ['chunks of a part', (bytes: Uint8Array) => chunksOf(bytes, 10)],
    ['chunks of many parts', (bytes: Uint8Array) => chunksOf(bytes, 47)],
  ])('are all of one size but the last, in order (%s)', async (_, body) => {
    const bytes = randomBytes(95);
    const parts = sender();
    const sent = await parts.run(body(bytes));
    expect(sizes(sent)).toEqual([...Array<number>(9).fill(10), 5]);
    expect(sent.map(({ partNumber }) => partNumber)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(joined(sent).equals(bytes)).toBe(true);
    expect(parts.size).toBe(95);
  });

  test.each([1, 7, 10, 11, 47])('begin with what was read already (chunks of %i)', async (size) => {
    const bytes = randomBytes(95);
    const pool = new BufferPool();
    const chunks = chunksOf(bytes, size);
    const beginning = await readBeginning(chunks, 10, pool, new AbortController().signal);
    const sent = await sender({ pool }).run(chunks, beginning);
    expect(joined(sent).equals(bytes)).toBe(true);
    expect(sizes(sent)).toEqual([...Array<number>(9).fill(10), 5]);
    expect(pool.held).toBe(0);
  });

  test('are none of an empty body', async () => {
    expect(await sender().run(chunksOf(Buffer.alloc(0), 1))).toEqual([]);
    expect(await sender().run(Buffer.alloc(0))).toEqual([]);
  });

  test('are no more than the service joins', async () => {
    const options = { maxParts: 3 };
    expect(sizes(await sender(options).run(chunksOf(Buffer.alloc(30), 7)))).toEqual([10, 10, 10]);
    for (const body of [Buffer.alloc(31), chunksOf(Buffer.alloc(31), 7)]) {
      const error = await sender(options)
        .run(body)
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StorageTooLargeError);
      expect((error as Error).message).toMatch(/3 parts of 10 bytes; tell its size/);
    }
  });
});

describe('parts that may grow', () => {
  test('double again and again, so that a few hold two thousand times as much', async () => {
    const options = { maxParts: 22, growTo: 10 * 2 ** 10 };
    const doubling = Array.from({ length: 22 }, (_, n) => 10 * 2 ** Math.floor(n / 2));
    const whole = doubling.reduce((sum, size) => sum + size, 0);
    expect(whole).toBe(2047 * 2 * 10);
    const bytes = randomBytes(whole);
    const sent = await sender(options).run(chunksOf(bytes, 999));
    expect(sizes(sent)).toEqual(doubling);
    expect(joined(sent).equals(bytes)).toBe(true);
    await expect(sender(options).run(chunksOf(Buffer.alloc(whole + 1), 999))).rejects.toThrow(
      StorageTooLargeError,
    );
  });

  test('grow no further than they may', async () => {
    const sent = await sender({ maxParts: 11, growTo: 35 }).run(chunksOf(Buffer.alloc(200), 10));
    expect(sizes(sent)).toEqual([10, 20, 35, 35, 35, 35, 30]);
  });

  test('stay as they are when they may not', async () => {
    const sent = await sender({ maxParts: 11 }).run(chunksOf(Buffer.alloc(105), 10));
    expect(sizes(sent)).toEqual([...Array<number>(10).fill(10), 5]);
  });

  test('never shrink where the part was larger than that from the start', async () => {
    const sent = await sender({ maxParts: 11, growTo: 5 }).run(chunksOf(Buffer.alloc(25), 10));
    expect(sizes(sent)).toEqual([10, 10, 5]);
  });

  test('are fewer at a time, so that they take no more memory together', async () => {
    let underWay = 0;
    const together: number[] = [];
    const parts = sender({
      maxParts: 11,
      growTo: 10 * 2 ** 10,
      concurrency: 4,
      async send(partNumber, bytes) {
        underWay += bytes.byteLength;
        together.push(underWay);
        await new Promise<void>((resolve) => setImmediate(resolve));
        underWay -= bytes.byteLength;
        return { partNumber, bytes: Buffer.from(bytes) };
      },
    });
    const sent = await parts.run(chunksOf(Buffer.alloc(150), 10));
    expect(sizes(sent)).toEqual([10, 20, 40, 80]);
    // Four parts of ten bytes, or what a single part takes.
    expect(together).toEqual([10, 30, 40, 80]);
  });
});

describe('sending', () => {
  test.each([1, 3])('has %i parts under way at once, and no more', async (concurrency) => {
    const wire = new Wire();
    const running = sender({ concurrency, send: wire.send }).run(chunksOf(Buffer.alloc(95), 7));
    await wire.until(concurrency);
    wire.arrive();
    await wire.until(concurrency);
    await wire.arriveUntil(running);
    expect(sizes(await running)).toEqual([...Array<number>(9).fill(10), 5]);
    expect(wire.most).toBe(concurrency);
  });

  test('reads no further while every part that may be under way is', async () => {
    const wire = new Wire();
    let read = 0;
    async function* body(): AsyncGenerator<Uint8Array, void> {
      for (; read < 100; read += 10) yield Buffer.alloc(10);
    }
    const running = sender({ concurrency: 2, send: wire.send }).run(body());
    await wire.until(2);
    await new Promise<void>((resolve) => setImmediate(resolve));
    // One chunk is read before it is known that it has to wait.
    expect(read).toBeLessThanOrEqual(20);
    await wire.arriveUntil(running);
    expect(await running).toHaveLength(10);
  });

  test('fills the same few buffers again and again', async () => {
    const wire = new Wire();
    const running = sender({ concurrency: 2, send: wire.send }).run(chunksOf(randomBytes(500), 7));
    await wire.arriveUntil(running);
    expect(wire.buffers).toHaveLength(50);
    expect(new Set(wire.buffers).size).toBeLessThanOrEqual(3);
  });

  test('holds no more memory than the pool gives, however many send at once', async () => {
    const pool = new BufferPool(40);
    const wire = new Wire();
    let most = 0;
    const send = (partNumber: number, bytes: Uint8Array): Promise<Sent> => {
      most = Math.max(most, pool.held);
      return wire.send(partNumber, bytes);
    };
    const bodies = Array.from({ length: 6 }, () => randomBytes(205));
    const running = Promise.all(
      bodies.map((body) => sender({ pool, send }).run(chunksOf(body, 7))),
    );
    await wire.arriveUntil(running);
    for (const [index, sent] of (await running).entries()) {
      expect(joined(sent).equals(bodies[index]!)).toBe(true);
    }
    expect(most).toBe(40);
    expect(pool.held).toBe(0);
  });

  test('keeps the order of the parts when they arrive in another', async () => {
    const arrivals: (() => void)[] = [];
    const parts = sender({
      concurrency: 3,
      async send(partNumber, bytes) {
        await new Promise<void>((resolve) => {
          arrivals.unshift(resolve);
          if (arrivals.length === 3) for (const arrive of arrivals) arrive();
        });
        return { partNumber, bytes: Buffer.from(bytes) };
      },
    });
    const bytes = randomBytes(30);
    expect(joined(await parts.run(bytes)).equals(bytes)).toBe(true);
  });
});

describe('a failure', () => {
  const broken = new Error('broken');

  test('of a part stops the others, ends the body, and is told when nothing is in flight', async () => {
    let inFlight = 0;
    const stop = new AbortController();
    const pool = new BufferPool();
    const parts = sender({
      stop,
      pool,
      async send(partNumber, _, signal) {
        inFlight++;
        try {
          if (partNumber === 3) throw broken;
          await new Promise((_resolve, reject) => {
            // What is cut takes its time to end.
            signal.addEventListener('abort', () => setImmediate(() => reject(new Error('cut'))));
          });
        } finally {
          inFlight--;
        }
        throw new Error('not reached');
      },
    });
    await expect(parts.run(chunksOf(Buffer.alloc(100), 10))).rejects.toBe(broken);
    expect(inFlight).toBe(0);
    expect(pool.held).toBe(0);
    expect(stop.signal.aborted).toBe(true);
    expect(stop.signal.reason).toBe(broken);
  });

  test('that others follow is the one that is told', async () => {
    const parts = sender({
      async send(partNumber, _, signal) {
        if (partNumber === 2) throw broken;
        if (!signal.aborted) {
          await new Promise<void>((resolve) => {
            signal.addEventListener('abort', () => resolve());
          });
        }
        throw new Error(`part ${partNumber} was cut`);
      },
    });
    await expect(parts.run(Buffer.alloc(40))).rejects.toBe(broken);
  });

  test('starts no further part', async () => {
    const numbers: number[] = [];
    const parts = sender({
      concurrency: 1,
      send(partNumber) {
        numbers.push(partNumber);
        return Promise.reject(broken);
      },
    });
    await expect(parts.run(Buffer.alloc(100))).rejects.toBe(broken);
    expect(numbers).toEqual([1]);
  });

  test('of the body waits for the parts under way, and is told as that of the body', async () => {
    const wire = new Wire();
    async function* body(): AsyncGenerator<Uint8Array, void> {
      yield Buffer.alloc(15);
      throw broken;
    }
    const pool = new BufferPool();
    const running = sender({ pool, send: wire.send }).run(body());
    let settled = false;
    const result = running.catch((thrown: unknown) => {
      settled = true;
      return thrown;
    });
    await wire.until(1);
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    wire.arrive();
    const error = await result;
    expect(error).toBeInstanceOf(BodyFailure);
    expect((error as BodyFailure).error).toBe(broken);
    expect(wire.underWay).toBe(0);
    expect(pool.held).toBe(0);
  });

  test('an abort by the caller reaches every part', async () => {
    const caller = new AbortController();
    const aborted: number[] = [];
    const parts = sender({
      signal: caller.signal,
      async send(partNumber, _, signal) {
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve());
          if (partNumber === 4) caller.abort(broken);
        });
        aborted.push(partNumber);
        throw signal.reason;
      },
    });
    await expect(parts.run(Buffer.alloc(100))).rejects.toBe(broken);
    expect(new Set(aborted)).toEqual(new Set([1, 2, 3, 4]));
  });
});
