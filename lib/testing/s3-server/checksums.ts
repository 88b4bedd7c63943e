import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc32c } from '../../core/crc32c.js';

export const CHECKSUM_ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;

export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];

/** Whether a checksum covers the bytes, or the checksums of the parts. */
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64; a composite one ends in `-<number of parts>`. */
  readonly value: string;
  readonly type: ChecksumType;
}

/** A digest taken as the bytes pass. */
export interface Digest {
  update(chunk: Uint8Array): void;
  /** Ends the digest; call it once. */
  digest(): Buffer;
}

const LENGTH: Record<ChecksumAlgorithm, number> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

export function parseChecksumAlgorithm(name: string): ChecksumAlgorithm | undefined {
  return CHECKSUM_ALGORITHMS.find((algorithm) => algorithm === name.toUpperCase());
}

/** Whether this is the base64 of a digest of the algorithm's length. */
export function isChecksumOf(algorithm: ChecksumAlgorithm, value: string): boolean {
  const bytes = Buffer.from(value, 'base64');
  return bytes.length === LENGTH[algorithm] && bytes.toString('base64') === value;
}

export function createDigest(algorithm: ChecksumAlgorithm | 'MD5'): Digest {
  switch (algorithm) {
    case 'CRC32':
      return new Crc32Digest(crc32);
    case 'CRC32C':
      return new Crc32Digest(crc32c);
    case 'CRC64NVME':
      return new Crc64NvmeDigest();
    case 'MD5':
    case 'SHA1':
    case 'SHA256':
      return createHash(algorithm.toLowerCase());
  }
}

/** The checksum of checksums that S3 gives a multipart object. */
export function compositeChecksum(algorithm: ChecksumAlgorithm, parts: readonly string[]): string {
  const digest = createDigest(algorithm);
  for (const part of parts) digest.update(Buffer.from(part, 'base64'));
  return `${digest.digest().toString('base64')}-${parts.length}`;
}

class Crc32Digest implements Digest {
  #crc = 0;

  constructor(private readonly step: (chunk: Uint8Array, crc: number) => number) {}

  update(chunk: Uint8Array): void {
    this.#crc = this.step(chunk, this.#crc);
  }

  digest(): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(this.#crc >>> 0);
    return bytes;
  }
}

const CRC32_POLYNOMIAL = 0xedb88320;
const CRC32C_POLYNOMIAL = 0x82f63b78;
const CRC64NVME_POLYNOMIAL = 0x9a6c9329ac4bc9b5n;

// The 64-bit register is kept as two halves: BigInt arithmetic per byte is a
// hundred times slower.
const [CRC64_HIGH, CRC64_LOW] = ((): [Int32Array, Int32Array] => {
  const high = new Int32Array(256);
  const low = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1n ? (crc >> 1n) ^ CRC64NVME_POLYNOMIAL : crc >> 1n;
    }
    high[byte] = Number(crc >> 32n);
    low[byte] = Number(crc & 0xffffffffn);
  }
  return [high, low];
})();

class Crc64NvmeDigest implements Digest {
  #high = -1;
  #low = -1;

  update(chunk: Uint8Array): void {
    let high = this.#high;
    let low = this.#low;
    // By index: an iterator costs four times as much for each byte.
    for (let index = 0; index < chunk.length; index++) {
      const entry = (low ^ chunk[index]!) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ CRC64_LOW[entry]!;
      high = (high >>> 8) ^ CRC64_HIGH[entry]!;
    }
    this.#high = high;
    this.#low = low;
  }

  digest(): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeInt32BE(~this.#high, 0);
    bytes.writeInt32BE(~this.#low, 4);
    return bytes;
  }
}

const CRC_FIELDS: Partial<Record<ChecksumAlgorithm, { width: bigint; polynomial: bigint }>> = {
  CRC32: { width: 32n, polynomial: BigInt(CRC32_POLYNOMIAL) },
  CRC32C: { width: 32n, polynomial: BigInt(CRC32C_POLYNOMIAL) },
  CRC64NVME: { width: 64n, polynomial: CRC64NVME_POLYNOMIAL },
};

/**
 * The CRC of a concatenation from the CRCs of its pieces, without reading a
 * byte: appending n bytes multiplies a CRC by x^8n in the field.
 */
export function concatenatedCrc(
  algorithm: ChecksumAlgorithm,
  parts: readonly { checksum: string; size: number }[],
): string {
  const field = CRC_FIELDS[algorithm];
  if (!field) throw new TypeError(`${algorithm} is not a CRC`);
  const { width, polynomial } = field;
  const one = 1n << (width - 1n);

  const multiply = (a: bigint, b: bigint): bigint => {
    let product = 0n;
    for (let bit = one; bit > 0n; bit >>= 1n) {
      if (a & bit) product ^= b;
      b = b & 1n ? (b >> 1n) ^ polynomial : b >> 1n;
    }
    return product;
  };
  const shiftBy = (bytes: number): bigint => {
    let power = one >> 8n;
    let result = one;
    for (let rest = BigInt(bytes); rest > 0n; rest >>= 1n) {
      if (rest & 1n) result = multiply(result, power);
      power = multiply(power, power);
    }
    return result;
  };

  // Parts mostly share one size, so its multiplier is worked out once.
  const shifts = new Map<number, bigint>();
  let whole = 0n;
  for (const { checksum, size } of parts) {
    const shift = shifts.get(size) ?? shiftBy(size);
    shifts.set(size, shift);
    const crc = BigInt(`0x${Buffer.from(checksum, 'base64').toString('hex')}`);
    whole = multiply(shift, whole) ^ crc;
  }
  const digits = Number(width / 4n);
  return Buffer.from(whole.toString(16).padStart(digits, '0'), 'hex').toString('base64');
}
