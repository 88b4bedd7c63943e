import type { DriverBody } from './body.js';
import { type Checksum, type ChecksumAlgorithm, startChecksum } from './checksum.js';

/** A body, and the checksum of what was read of it. */
export interface SummedBody {
  readonly body: DriverBody;
  /** Of all that was read so far. */
  readonly digest: () => Checksum;
}

/** Computes the checksum of a body while a driver reads it: no byte is read twice or copied. */
export function summedBody(body: DriverBody, algorithm: ChecksumAlgorithm): SummedBody {
  const running = startChecksum(algorithm);
  if (body instanceof Uint8Array) {
    running.update(body);
    return { body, digest: () => running.digest() };
  }
  async function* chunks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of source) {
      running.update(chunk);
      yield chunk;
    }
  }
  return { body: chunks(body), digest: () => running.digest() };
}
