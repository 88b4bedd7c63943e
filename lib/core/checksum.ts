import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc32c } from './crc32c.js';
import { StorageIntegrityError, StorageInvalidArgumentError } from './errors.js';

export type ChecksumAlgorithm = 'crc32' | 'crc32c' | 'md5' | 'sha1' | 'sha256';

/** A checksum of the whole file. */
export interface Checksum {
  /** What `value` is the digest of the bytes by. */
  readonly algorithm: ChecksumAlgorithm;
  /** Base64 of the digest; those of `crc32` and `crc32c` are four bytes in big-endian order. */
  readonly value: string;
}

const DIGEST_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  crc32: 4,
  crc32c: 4,
  md5: 16,
  sha1: 20,
  sha256: 32,
};

export const CHECKSUM_ALGORITHMS = Object.keys(DIGEST_BYTES) as readonly ChecksumAlgorithm[];

/** A checksum that is fed chunk by chunk. */
export interface RunningChecksum {
  update(chunk: Uint8Array): void;
  digest(): Checksum;
}

export function startChecksum(algorithm: ChecksumAlgorithm): RunningChecksum {
  if (algorithm === 'crc32') return startCrc(algorithm, crc32);
  if (algorithm === 'crc32c') return startCrc(algorithm, crc32c);
  const hash = createHash(algorithm);
  return {
    update(chunk) {
      hash.update(chunk);
    },
    digest: () => ({ algorithm, value: hash.digest('base64') }),
  };
}

function startCrc(
  algorithm: ChecksumAlgorithm,
  compute: (bytes: Uint8Array, previous: number) => number,
): RunningChecksum {
  let value = 0;
  return {
    update(chunk) {
      value = compute(chunk, value);
    },
    digest() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return { algorithm, value: bytes.toString('base64') };
    },
  };
}

/** @throws StorageInvalidArgumentError when it is none of `CHECKSUM_ALGORITHMS` */
export function parseChecksumAlgorithm(algorithm: ChecksumAlgorithm): ChecksumAlgorithm {
  if (CHECKSUM_ALGORITHMS.includes(algorithm)) return algorithm;
  throw new StorageInvalidArgumentError(
    `checksum must be one of ${CHECKSUM_ALGORITHMS.join(', ')}`,
  );
}

/** @throws StorageInvalidArgumentError when it is not a checksum of a known kind, in base64, of the right length. */
export function parseChecksum(checksum: Checksum): Checksum {
  const bytes = Object.entries(DIGEST_BYTES).find(([name]) => name === checksum?.algorithm)?.[1];
  if (bytes === undefined) {
    throw new StorageInvalidArgumentError(
      `checksum.algorithm must be one of ${CHECKSUM_ALGORITHMS.join(', ')}`,
    );
  }
  const digest = typeof checksum.value === 'string' && Buffer.from(checksum.value, 'base64');
  if (!digest || digest.length !== bytes || digest.toString('base64') !== checksum.value) {
    throw new StorageInvalidArgumentError(
      `checksum.value must be the base64 of the ${bytes} bytes of a ${checksum.algorithm} digest`,
    );
  }
  return { algorithm: checksum.algorithm, value: checksum.value };
}

/** @throws StorageIntegrityError when they differ. */
export function assertChecksum(expected: Checksum, actual: Checksum): void {
  if (expected.value === actual.value) return;
  throw new StorageIntegrityError(
    `The ${expected.algorithm} of the bytes is ${actual.value}, not the announced ${expected.value}`,
  );
}
