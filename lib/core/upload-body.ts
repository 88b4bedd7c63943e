import { assertHeld, type DriverBody, type OpenBody, readChunks } from './body.js';
import { assertChecksum, type Checksum, startChecksum } from './checksum.js';
import { StorageIntegrityError, StorageTooLargeError } from './errors.js';

interface UploadChecks {
  readonly signal: AbortSignal;
  /** In bytes, as the caller announced it. */
  readonly size: number | undefined;
  readonly checksum: Checksum | undefined;
  readonly maxSize: number;
  /** The body waits for its source, or no longer. */
  readonly onWait: (waiting: boolean) => void;
  readonly onBytes: (bytes: number) => void;
}

/**
 * The body as a driver reads it: it fails before its end when it is longer, shorter or other than announced, so that
 * a driver that stores only complete bodies stores only right ones.
 *
 * @throws StorageTooLargeError, StorageIntegrityError at once, where that can be known.
 */
export function uploadBody(body: OpenBody, checks: UploadChecks): DriverBody {
  const { signal, checksum, maxSize, onBytes } = checks;
  const size = 'bytes' in body ? body.size : (checks.size ?? body.size);
  if (size !== undefined && size > maxSize) throw tooLarge(maxSize);
  if (!('bytes' in body)) return checkedChunks(body, { ...checks, size });
  if (checks.size !== undefined && checks.size !== size) throw wrongSize(checks.size, size!);
  assertHeld(body.bytes.byteLength, body.size);
  const running = checksum && startChecksum(checksum.algorithm);
  running?.update(body.bytes);
  if (checksum && running) assertChecksum(checksum, running.digest());
  signal.throwIfAborted();
  onBytes(body.bytes.byteLength);
  return body.bytes;
}

async function* checkedChunks(
  { chunks, sharesChunks }: Extract<OpenBody, { chunks: unknown }>,
  { signal, size, checksum, maxSize, onWait, onBytes }: UploadChecks,
): AsyncGenerator<Uint8Array, void> {
  const running = checksum && startChecksum(checksum.algorithm);
  let received = 0;
  const inspect = (chunk: Uint8Array): void => {
    received += chunk.byteLength;
    if (size !== undefined && received > size) throw wrongSize(size);
    if (received > maxSize) throw tooLarge(maxSize);
    running?.update(chunk);
    onBytes(chunk.byteLength);
  };
  yield* readChunks(chunks, signal, inspect, onWait, sharesChunks);
  if (size !== undefined && received !== size) throw wrongSize(size, received);
  if (checksum && running) assertChecksum(checksum, running.digest());
}

function tooLarge(maxSize: number): StorageTooLargeError {
  return new StorageTooLargeError(`The file is larger than the limit of ${maxSize} bytes`);
}

function wrongSize(announced: number, received?: number): StorageIntegrityError {
  const what = received === undefined ? 'more' : `${received} bytes`;
  return new StorageIntegrityError(`The body has ${what}, not the announced ${announced} bytes`);
}
