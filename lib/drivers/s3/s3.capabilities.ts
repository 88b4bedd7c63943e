import type { Capabilities } from '../../core/capabilities.js';
import type { S3Profile } from './s3.profiles.js';

const SEVEN_DAYS = 604_800;

/** What the driver can do with a service of the profile. */
export function capabilitiesOf(profile: S3Profile): Capabilities {
  const { checksums, maxObjectSize, minPartSize, maxPartSize, maxParts, deleteBatch } = profile;
  return {
    createOnly: profile.createOnly !== undefined,
    compareAndSet: profile.compareAndSet,
    conditionalDelete: profile.conditionalDelete,
    createOnlyCopy: profile.createOnlyCopy !== undefined,
    conditionalGet: true,
    ranges: true,
    metadata: true,
    headers: true,
    delimiters: 'any',
    atomicMove: false,
    multipart: true,
    multipartListing: profile.multipartListing,
    signedUrls: true,
    signedCacheControl: true,
    signedUploads: {
      PUT: [
        'contentType',
        'size',
        ...(checksums.length > 0 ? (['checksum'] as const) : []),
        ...(profile.createOnly ? (['createOnly'] as const) : []),
      ],
      POST: profile.postPolicies && [
        'contentType',
        'size',
        'maxSize',
        ...(checksums.length > 0 ? (['checksum'] as const) : []),
      ],
    },
    signedParts: ['size', ...(profile.wholeUploadChecksums ? (['checksum'] as const) : [])],
    checksums,
    retries: true,
    limits: {
      maxObjectSize,
      minPartSize,
      maxPartSize,
      maxParts,
      deleteBatch,
      maxExpiresIn: SEVEN_DAYS,
    },
  };
}
