import { type Checksum, startChecksum } from '../../core/checksum.js';
import { StorageConnectionError } from '../../core/errors.js';

/** Whether it is the checksum of no bytes. */
export function isOfNothing(checksum: Checksum | undefined): boolean {
  return (
    checksum !== undefined && checksum.value === startChecksum(checksum.algorithm).digest().value
  );
}

/**
 * A HEAD request was answered as if the file were empty. Some proxies tell the length of the body that such an answer does not
 * have; believed, that makes an empty copy, after which the file is deleted when it was to be moved.
 *
 * @param place what to check
 */
export function notEmpty(size: number, place: string): StorageConnectionError {
  return new StorageConnectionError(
    `The file has ${size} bytes, but the answer to a HEAD request says 0: check ${place}, and the proxies on the way`,
    { retryable: false },
  );
}
