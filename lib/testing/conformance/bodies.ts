import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import type { Storage } from '../../core/storage.js';

export const MiB = 1024 * 1024;
const KiB = 1024;

/** Bytes of a part with which a body that is longer goes up in several requests. GCS rounds parts up to 256 KiB. */
export function partSizeOf(storage: Storage): number {
  return Math.max(storage.capabilities.limits.minPartSize, 256 * KiB);
}

/**
 * Bytes without a pattern that a lost, doubled or exchanged chunk could hide in; the same ones each time, on machines of one byte
 * order. Nothing else is in their buffer.
 */
export function someBytes(size: number, seed = 1): Buffer<ArrayBuffer> {
  const words = new Int32Array(Math.ceil(size / 4));
  let state = (seed * 2_654_435_761) | 0 || 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return Buffer.from(size % 4 === 0 ? words.buffer : words.buffer.slice(0, size));
}

/** A source of unknown length. */
export async function* chunked(bytes: Uint8Array, chunkSize = 65_536): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += chunkSize) {
    yield bytes.subarray(start, start + chunkSize);
  }
}

export function nodeStream(bytes: Uint8Array, chunkSize?: number): Readable {
  return Readable.from(chunked(bytes, chunkSize), { objectMode: false });
}

export function webStream(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  const left = [...chunks];
  return new ReadableStream({
    pull(controller) {
      const chunk = left.shift();
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
  });
}

/** A stream that gives its bytes and then fails, or with no error given is destroyed without one. */
export function breakingStream(bytes: Uint8Array, error?: Error): Readable {
  let given = 0;
  return new Readable({
    read() {
      if (given >= bytes.byteLength) {
        this.destroy(error);
        return;
      }
      const chunk = bytes.subarray(given, given + 65_536);
      given += chunk.byteLength;
      this.push(chunk);
    },
  });
}

/** A stream that gives its bytes and then nothing more, and never ends. `waiting` resolves when it has come so far. */
export function stallingStream(bytes: Uint8Array): { body: Readable; waiting: Promise<void> } {
  let tell: () => void;
  const waiting = new Promise<void>((resolve) => (tell = resolve));
  let given = 0;
  const body = new Readable({
    read() {
      if (given >= bytes.byteLength) {
        tell();
        return;
      }
      const chunk = bytes.subarray(given, given + 65_536);
      given += chunk.byteLength;
      this.push(chunk);
    },
  });
  return { body, waiting };
}

/** A source that gives its bytes and then nothing more, and never ends. `waiting` resolves when it has come so far. */
export function stallingSource(bytes: Uint8Array): {
  body: AsyncGenerator<Uint8Array>;
  waiting: Promise<void>;
} {
  let tell: () => void;
  const waiting = new Promise<void>((resolve) => (tell = resolve));
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* chunked(bytes);
    tell();
    await new Promise<never>(() => {});
  }
  return { body: body(), waiting };
}
