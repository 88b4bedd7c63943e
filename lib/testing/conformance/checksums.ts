import { type Checksum, type ChecksumAlgorithm, startChecksum } from '../../core/checksum.js';

// A record, so that none is left out.
const KNOWN: Readonly<Record<ChecksumAlgorithm, true>> = {
  sha256: true,
  crc32c: true,
  crc32: true,
  md5: true,
  sha1: true,
};

export const ALGORITHMS = Object.keys(KNOWN) as readonly ChecksumAlgorithm[];

export function checksumOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Checksum {
  const running = startChecksum(algorithm);
  running.update(bytes);
  return running.digest();
}
