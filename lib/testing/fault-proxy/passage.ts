import { Duplex, Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

const SLICES_PER_SECOND = 50;

/** Flips a bit of the byte at this offset. */
export function corrupting(at: number): Transform {
  let offset = 0;
  return new Transform({
    transform(chunk: Buffer, _, callback) {
      const index = at - offset;
      if (index >= 0 && index < chunk.byteLength) chunk[index]! ^= 1;
      offset += chunk.byteLength;
      callback(null, chunk);
    },
  });
}

/** Lets so many bytes pass, and drops what follows. `onPassed` is called once they are out, and there is more. */
export function passing(bytes: number, onPassed: () => void): Transform {
  let left = bytes;
  let isOver = false;
  return new Transform({
    transform(chunk: Buffer, _, callback) {
      const part = chunk.subarray(0, left);
      left -= part.byteLength;
      callback(null, part.byteLength > 0 ? part : undefined);
      if (isOver || part.byteLength === chunk.byteLength) return;
      isOver = true;
      // What was handed over goes out with the current turn of the event loop.
      setImmediate(onPassed);
    },
  });
}

/** Lets so many bytes pass in a second. */
export function slowed(bytesPerSecond: number): Duplex {
  const { slice, pause } = paceOf(bytesPerSecond);
  return Duplex.from(async function* (source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      for (let start = 0; start < chunk.byteLength; start += slice) {
        await sleep(pause);
        yield chunk.subarray(start, start + slice);
      }
    }
  });
}

/** Bytes that pass at once, and the milliseconds of the pause before each such slice. */
export function paceOf(bytesPerSecond: number): { slice: number; pause: number } {
  const slice = Math.max(1, Math.floor(bytesPerSecond / SLICES_PER_SECOND));
  return { slice, pause: (slice * 1000) / bytesPerSecond };
}
