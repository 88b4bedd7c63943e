import { finished, pipeline, Readable, Transform } from 'node:stream';
import { type Checksum, type RunningChecksum, startChecksum } from './checksum.js';
import { StorageIntegrityError, StorageUnsupportedError } from './errors.js';
import type { DriverDownload } from './storage-driver.js';

/**
 * A whole file whose body fails with `StorageIntegrityError`, instead of ending, when its bytes are not those that the
 * file's checksum was computed of. The last chunk is held back until it is certain: who hands the bytes on never hands on all
 * of a damaged file.
 *
 * @throws StorageUnsupportedError when the file has no checksum, StorageIntegrityError when all bytes are there already
 */
export function verified({ file, body }: DriverDownload): DriverDownload {
  try {
    const checksum = keptChecksum(file);
    if (body instanceof Readable) return { file, body: verifiedStream(body, checksum) };
    const running = startChecksum(checksum.algorithm);
    running.update(body);
    assertKept(checksum, running);
    return { file, body };
  } catch (error) {
    if (body instanceof Readable) body.on('error', () => {}).destroy();
    throw error;
  }
}

/** @throws StorageUnsupportedError when there is nothing that the bytes could be compared with */
export function keptChecksum({ checksum }: DriverDownload['file']): Checksum {
  if (checksum) return checksum;
  throw new StorageUnsupportedError(
    'The backend keeps no checksum of the whole file, so its bytes cannot be verified; put it with the option checksum, ' +
      'of an algorithm in capabilities.checksums',
  );
}

function verifiedStream(body: Readable, checksum: Checksum): Readable {
  const running = startChecksum(checksum.algorithm);
  let held: Uint8Array | undefined;
  const verifying = new Transform({
    transform(chunk: Uint8Array, _encoding, callback) {
      running.update(chunk);
      const before = held;
      held = chunk;
      callback(null, before);
    },
    flush(callback) {
      try {
        assertKept(checksum, running);
        callback(null, held);
      } catch (error) {
        callback(error as Error);
      }
    },
    // The connection or descriptor behind it is not to outlive it.
    destroy(error, callback) {
      finished(body, () => callback(error));
      body.destroy();
    },
  });
  // pipeline() destroys both sides when one fails; the error reaches whoever reads `verifying`.
  return pipeline(body, verifying, () => {});
}

function assertKept(checksum: Checksum, running: RunningChecksum): void {
  if (running.digest().value === checksum.value) return;
  throw new StorageIntegrityError(
    `The bytes of the file do not have the ${checksum.algorithm} that it was stored with`,
  );
}
