import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { Checksum } from '../../core/checksum.js';
import type { S3Bucket } from './s3.client.js';
import type { S3ChecksumAlgorithm } from './s3.profiles.js';

type Profiled = Pick<S3Bucket, 'profile'>;

const FIELDS = {
  crc32: 'ChecksumCRC32',
  crc32c: 'ChecksumCRC32C',
  sha1: 'ChecksumSHA1',
  sha256: 'ChecksumSHA256',
} as const satisfies Record<S3ChecksumAlgorithm, keyof PutObjectCommandInput>;

export type ChecksumInput = Pick<
  PutObjectCommandInput,
  (typeof FIELDS)[S3ChecksumAlgorithm] | 'ContentMD5'
>;

/** The announced checksum for the service to compare, where it takes it; core has compared it in any case. */
function checksumInput({ profile }: Profiled, checksum: Checksum | undefined): ChecksumInput {
  if (!checksum) return {};
  const { algorithm, value } = checksum;
  if (algorithm === 'md5') return { ContentMD5: value };
  return profile.checksums.includes(algorithm) ? { [FIELDS[algorithm]]: value } : {};
}

/** The announced checksum or, so that damage on the way is found and the file is kept with one, a CRC-32. */
export function bodyChecksum(
  bucket: Profiled,
  checksum: Checksum | undefined,
): ChecksumInput | { ChecksumAlgorithm: 'CRC32' } {
  const announced = checksumInput(bucket, checksum);
  const { ContentMD5, ...kept } = announced;
  if (Object.keys(kept).length > 0 || !bucket.profile.checksums.includes('crc32')) return announced;
  return { ...(ContentMD5 !== undefined && { ContentMD5 }), ChecksumAlgorithm: 'CRC32' };
}

/** The header, or the field of a form, that has the service compare the checksum. */
export function checksumHeader({ profile }: Profiled, { algorithm }: Checksum): string | undefined {
  if (algorithm === 'md5') return 'content-md5';
  return profile.checksums.includes(algorithm) ? `x-amz-checksum-${algorithm}` : undefined;
}

/** A checksum that S3 can join from those of the parts into that of the whole file. */
export type PartChecksum = 'CRC32' | 'CRC32C';

/** What an upload in parts is kept with, where the service keeps anything: what was announced, if possible, or CRC-32. */
export function partChecksum(
  { profile }: Profiled,
  announced?: Checksum,
): PartChecksum | undefined {
  if (!profile.wholeUploadChecksums) return undefined;
  return announced?.algorithm === 'crc32c' ? 'CRC32C' : 'CRC32';
}

/** The announced checksum of a whole file, if it is of the kind that the service joins from the parts. */
export function joinedChecksum(
  bucket: Profiled,
  algorithm: PartChecksum | undefined,
  announced: Checksum | undefined,
): ChecksumInput | undefined {
  if (!announced || announced.algorithm !== algorithm?.toLowerCase()) return undefined;
  return checksumInput(bucket, announced);
}
