import { type Checksum, type ChecksumAlgorithm, parseChecksum } from '../core/checksum.js';
import { StorageInvalidArgumentError } from '../core/errors.js';
import { invalidUploadRequest } from './tus.exceptions.js';

/** The first is the one that every server has. */
export const CHECKSUM_ALGORITHMS: readonly ChecksumAlgorithm[] = [
  'sha1',
  'sha256',
  'md5',
  'crc32',
  'crc32c',
];

/**
 * The value of `Upload-Checksum`: an algorithm, a space, and the digest in base64.
 *
 * @throws UploadException 400
 */
export function parseUploadChecksum(header: string | undefined): Checksum | undefined {
  if (header === undefined) return undefined;
  const [algorithm, value = '', ...rest] = header.split(' ');
  try {
    if (rest.length > 0) {
      throw new StorageInvalidArgumentError('Upload-Checksum is not well-formed');
    }
    return parseChecksum({ algorithm: algorithm as ChecksumAlgorithm, value });
  } catch (error) {
    if (!(error instanceof StorageInvalidArgumentError)) throw error;
    throw invalidUploadRequest(
      `Upload-Checksum must be one of ${CHECKSUM_ALGORITHMS.join(', ')}, and the digest in base64`,
    );
  }
}
