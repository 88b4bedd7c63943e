import { createReadStream, readFileSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Bytes that never change once stored. Objects, parts and running downloads share one body, so each of them retains it and releases it
 * when done; the last release frees it.
 */
export interface StoredBody {
  readonly size: number;
  /** The bytes from `start` up to, not including, `end`. */
  read(start: number, end: number): AsyncIterable<Buffer>;
  /** The same at once, for whoever does not retain the body. @throws Error when it was freed */
  readSync(start: number, end: number): Buffer;
  retain(): this;
  release(): void;
}

/** Takes one body in. Ends in exactly one of `finish` and `discard`. */
export interface BodyWriter {
  write(chunk: Buffer): Promise<void> | void;
  /** The body, retained once for the caller. */
  finish(): Promise<StoredBody>;
  discard(): Promise<void>;
}

export interface BodyStorage {
  create(): Promise<BodyWriter>;
  close(): Promise<void>;
}

abstract class CountedBody {
  #holders = 1;

  retain(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    if (--this.#holders === 0) this.free();
  }

  protected assertHeld(): void {
    if (this.#holders === 0)
      throw new Error('The bytes are gone: the object was replaced or deleted');
  }

  protected abstract free(): void;
}

class MemoryBody extends CountedBody implements StoredBody {
  constructor(
    private chunks: readonly Buffer[],
    readonly size: number,
  ) {
    super();
  }

  // oxlint-disable-next-line require-await -- the contract is asynchronous
  async *read(start: number, end: number): AsyncGenerator<Buffer> {
    yield* this.#slices(start, end);
  }

  readSync(start: number, end: number): Buffer {
    this.assertHeld();
    return Buffer.concat([...this.#slices(start, end)]);
  }

  *#slices(start: number, end: number): Generator<Buffer> {
    let offset = 0;
    for (const chunk of this.chunks) {
      if (offset >= end) return;
      const from = Math.max(0, start - offset);
      const to = Math.min(chunk.length, end - offset);
      if (from < to) yield chunk.subarray(from, to);
      offset += chunk.length;
    }
  }

  protected free(): void {
    this.chunks = [];
  }
}

class FileBody extends CountedBody implements StoredBody {
  constructor(
    private readonly path: string,
    readonly size: number,
  ) {
    super();
  }

  async *read(start: number, end: number): AsyncGenerator<Buffer> {
    if (start >= end) return;
    const stream = createReadStream(this.path, {
      start,
      end: end - 1,
      highWaterMark: 256 * 1024,
    });
    for await (const chunk of stream) yield chunk as Buffer;
  }

  readSync(start: number, end: number): Buffer {
    this.assertHeld();
    return readFileSync(this.path).subarray(start, end);
  }

  protected free(): void {
    rmSync(this.path, { force: true });
  }
}

export interface BodySlice {
  readonly body: StoredBody;
  readonly start: number;
  readonly end: number;
}

/** A body made of stretches of others, which it retains. */
export class JoinedBody extends CountedBody implements StoredBody {
  readonly size: number;

  constructor(private readonly slices: readonly BodySlice[]) {
    super();
    this.size = slices.reduce((sum, { start, end }) => sum + end - start, 0);
    for (const { body } of slices) body.retain();
  }

  async *read(start: number, end: number): AsyncGenerator<Buffer> {
    for (const slice of this.#overlap(start, end)) {
      yield* slice.body.read(slice.start, slice.end);
    }
  }

  readSync(start: number, end: number): Buffer {
    this.assertHeld();
    return Buffer.concat(
      [...this.#overlap(start, end)].map((slice) => slice.body.readSync(slice.start, slice.end)),
    );
  }

  *#overlap(start: number, end: number): Generator<BodySlice> {
    let offset = 0;
    for (const slice of this.slices) {
      const from = slice.start + Math.max(0, start - offset);
      const to = Math.min(slice.end, slice.start + end - offset);
      if (from < to) yield { body: slice.body, start: from, end: to };
      offset += slice.end - slice.start;
    }
  }

  protected free(): void {
    for (const { body } of this.slices) body.release();
  }
}

/** Keeps bodies in files below `folder`, or without one in memory. */
export function bodyStorage(folder: string | undefined): BodyStorage {
  return folder === undefined ? new MemoryBodyStorage() : new DiskBodyStorage(folder);
}

export class MemoryBodyStorage implements BodyStorage {
  create(): Promise<BodyWriter> {
    const chunks: Buffer[] = [];
    let size = 0;
    return Promise.resolve({
      write: (chunk) => {
        // A small slice would pin the whole 64 KiB the socket was read into.
        chunks.push(chunk.length * 2 < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk);
        size += chunk.length;
      },
      finish: () => Promise.resolve(new MemoryBody(chunks, size)),
      discard: () => {
        chunks.length = 0;
        return Promise.resolve();
      },
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Keeps each body in a file below a folder of its own inside `parent`. */
class DiskBodyStorage implements BodyStorage {
  #folder: Promise<string> | undefined;
  #count = 0;

  constructor(private readonly parent: string) {}

  async create(): Promise<BodyWriter> {
    this.#folder ??= mkdir(this.parent, { recursive: true }).then(() =>
      mkdtemp(join(this.parent, 'bodies-')),
    );
    const path = join(await this.#folder, String(++this.#count));
    const file = await open(path, 'wx');
    let size = 0;
    return {
      write: async (chunk) => {
        await file.writeFile(chunk);
        size += chunk.length;
      },
      finish: async () => {
        await file.close();
        return new FileBody(path, size);
      },
      discard: async () => {
        await file.close();
        await rm(path, { force: true });
      },
    };
  }

  async close(): Promise<void> {
    if (this.#folder) {
      await rm(await this.#folder, { recursive: true, force: true });
    }
  }
}
