import { Readable } from 'node:stream';
import { StorageIntegrityError } from './errors.js';

/** What Node's streams, and those of `readable-stream`, keep of themselves. */
interface WithState {
  readonly _readableState?: {
    readonly ended?: boolean;
    readonly buffer?: Partial<Iterable<string | Uint8Array | null>>;
    /** Where what is still to be read begins in it. */
    readonly bufferIndex?: number;
  };
}

/**
 * Holds what a driver delivers to the length that it announced: nothing beyond it comes out, and a body that is longer or
 * shorter fails instead of ending. No byte is copied for that.
 *
 * @param onBytes is told how many bytes come from the backend, and at once of those that are there by now
 * @throws StorageIntegrityError when it is known already
 */
export function holdToSize(
  body: Uint8Array | Readable,
  size: number,
  onBytes?: (count: number) => void,
): void {
  if (!(body instanceof Readable)) {
    if (body.byteLength !== size) throw otherSize(body.byteLength, size);
    onBytes?.(size);
    return;
  }
  // Small bodies may be there as a whole by now.
  let received = body.readableObjectMode ? bufferedBytes(body) : body.readableLength;
  const hasEnded = (body as WithState)._readableState?.ended === true;
  if (received > size || (hasEnded && received < size)) {
    const error = otherSize(received, size);
    body.on('error', () => {}).destroy();
    throw error;
  }
  if (received > 0) onBytes?.(received);
  const push = body.push.bind(body);
  body.push = (chunk: string | Uint8Array | null, encoding) => {
    const count = chunk === null ? 0 : Buffer.byteLength(chunk);
    received += count;
    if (received <= size && (chunk !== null || received === size)) {
      if (count > 0) onBytes?.(count);
      return push(chunk, encoding);
    }
    body.destroy(otherSize(received, size));
    return false;
  };
}

/** Of a stream in object mode, whose own length is that of its chunks. */
function bufferedBytes(body: Readable): number {
  const { buffer, bufferIndex = 0 } = (body as WithState)._readableState ?? {};
  const chunks = buffer?.[Symbol.iterator] ? [...(buffer as Iterable<string | Uint8Array>)] : [];
  return chunks.slice(bufferIndex).reduce((bytes, chunk) => bytes + Buffer.byteLength(chunk), 0);
}

function otherSize(received: number, size: number): StorageIntegrityError {
  return new StorageIntegrityError(
    received > size
      ? `The backend delivers more than the ${size} bytes that it announced`
      : `The backend delivered ${received} bytes of the ${size} that it announced`,
  );
}
