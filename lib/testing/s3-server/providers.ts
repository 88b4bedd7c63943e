import type { ProviderBehaviour, S3ServerProvider } from './provider-behaviour.js';

/**
 * S3 itself, by its API reference. The others are described by their differences from it. Not played: for a while S3 answers a repeated
 * CompleteMultipartUpload as it did the first (adobe/S3Mock#2586, minio#13318); here it is a NoSuchUpload, the harder of the two.
 */
const AWS: ProviderBehaviour = {
  addressing: ['path', 'virtual-host'],
  basePath: '',
  regions: ['us-east-1'],
  anyRegion: false,
  maxKeyBytes: 1024,
  checksums: {
    algorithms: ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'],
    ofWholeUploads: ['CRC32', 'CRC32C', 'CRC64NVME'],
    others: 'NotImplemented',
    unasked: 'CRC64NVME',
  },
  contentMd5: 'honoured',
  signedChunks: 'honoured',
  trailers: 'honoured',
  deleteObjects: { support: 'honoured', maxKeys: 1000, integrity: 'any' },
  conditions: { put: 'honoured', complete: 'honoured', copy: 'honoured', absent: 'NoSuchKey' },
  copyConditionPrefix: undefined,
  forbidOverwriteHeader: undefined,
  copySourceConditions: 'honoured',
  uploadPartCopy: 'honoured',
  equalParts: false,
  maxParts: 10_000,
  multipartEtags: 'md5',
  uploadListings: 'by-prefix',
  encodedListings: 'honoured',
  overridesOnHead: 'honoured',
  operationIds: 'honoured',
  acl: 'honoured',
  forms: 'honoured',
};

const NO_CHECKSUMS = { algorithms: [], ofWholeUploads: [], unasked: undefined } as const;

/** Nothing is known of conditions. The worst is assumed: a write that looks conditional, and is not. */
const CONDITIONS_IGNORED = {
  put: 'ignored',
  complete: 'ignored',
  copy: 'ignored',
  absent: 'NoSuchKey',
} as const;

/**
 * What is assumed of services that are not S3 where nothing is documented: none of the checksums of 2022, no framing
 * with them, no ACLs, no forms, a Content-MD5 with DeleteObjects. Most are kinder in one thing or another.
 */
const COMPATIBLE: ProviderBehaviour = {
  ...AWS,
  checksums: { ...NO_CHECKSUMS, others: 'InvalidArgument' },
  trailers: 'NotImplemented',
  deleteObjects: { ...AWS.deleteObjects, integrity: 'content-md5' },
  conditions: CONDITIONS_IGNORED,
  acl: 'NotImplemented',
  forms: 'NotImplemented',
};

/**
 * Ceph's radosgw 16.2.15, as measured; later releases differ. It takes any region, answers 411 to a body that ends in a
 * checksum, looks at no checksum header, and ignores conditions of CompleteMultipartUpload and of copies. Those of
 * PutObject are its own extension, older than S3's. Not played: it does not mind the order of parts, nor metadata on a
 * presigned PUT that was not signed.
 */
const CEPH: ProviderBehaviour = {
  ...COMPATIBLE,
  anyRegion: true,
  checksums: { ...NO_CHECKSUMS, others: 'ignored' },
  trailers: 'MissingContentLength',
  conditions: { ...CONDITIONS_IGNORED, put: 'honoured' },
  copySourceConditions: 'ignored',
  forms: 'honoured',
};

/** Each says what it rests on. "Unverified" is a guess, and then the less kind one. */
export const PROVIDERS: Readonly<Record<S3ServerProvider, ProviderBehaviour>> = {
  aws: AWS,

  // https://developers.cloudflare.com/r2/api/s3/api/ and …/conditional-operations/: regions, checksum types by
  // algorithm, conditional headers, no ACL, no POST. That other headers are a 501 is R2's habit of naming them so.
  // Equal parts: https://developers.cloudflare.com/r2/objects/multipart-objects/. 700 keys: OpenDAL's limit, where the
  // documentation has 1,000. Etags of parts: rclone. Unverified: trailers, and whether overrides on HEAD are refused
  // or left out.
  r2: {
    ...AWS,
    addressing: ['path', 'virtual-host'],
    regions: ['auto', 'us-east-1', ''],
    checksums: {
      algorithms: AWS.checksums.algorithms,
      ofWholeUploads: ['CRC64NVME'],
      others: 'NotImplemented',
      unasked: undefined,
    },
    trailers: 'NotImplemented',
    deleteObjects: { support: 'honoured', maxKeys: 700, integrity: 'any' },
    conditions: {
      put: 'honoured',
      complete: 'honoured',
      copy: 'NotImplemented',
      absent: 'PreconditionFailed',
    },
    copyConditionPrefix: 'cf-copy-destination-',
    equalParts: true,
    multipartEtags: 'opaque',
    overridesOnHead: 'NotImplemented',
    acl: 'NotImplemented',
    forms: 'NotImplemented',
  },

  // Checksum headers are a 400 "Unsupported header" (xen-orchestra#8358, home-assistant#143995); some of its regions
  // have begun to take CRC32, which this does not. Conditional writes are a 501
  // (sathinduga/obsidian-s3-sync-and-backup#78). Unverified: conditions of copies, batch deletes without Content-MD5.
  // Not played: buckets keep versions, and a deletion hides.
  b2: {
    ...COMPATIBLE,
    regions: ['us-west-004'],
    conditions: {
      put: 'NotImplemented',
      complete: 'NotImplemented',
      copy: 'NotImplemented',
      absent: 'NoSuchKey',
    },
  },

  // A Ceph of its own: listings come unescaped, whatever is asked (rclone), which is a refusal here so that nobody
  // asks. Signatures name us-east-1 or the data centre. Unverified: conditions.
  spaces: {
    ...CEPH,
    regions: ['us-east-1', 'fra1'],
    anyRegion: false,
    conditions: CONDITIONS_IGNORED,
    encodedListings: 'InvalidArgument',
  },

  // Servers before 2024, which stay in use since the project was archived: Content-MD5 for DeleteObjects
  // (aws-sdk-java-v2#5805), no trailers, uploads listed by their whole key. Conditional writes since 2024
  // (https://min.io/docs/minio/linux/reference/s3-api-compatibility.html); they are honoured here, those of copies
  // (unverified) are not.
  minio: {
    ...COMPATIBLE,
    addressing: ['path'],
    conditions: { put: 'honoured', complete: 'honoured', copy: 'ignored', absent: 'NoSuchKey' },
    uploadListings: 'by-key',
    forms: 'honoured',
  },

  ceph: CEPH,

  // Everything but forms is unverified.
  wasabi: { ...COMPATIBLE, forms: 'honoured' },

  // The XML API: conditions by etag are ignored on writes (aws-sdk-java-v2#6055), there is no UploadPartCopy
  // (https://issuetracker.google.com/issues/323465186), x-id is an invalid argument (aws-sdk-js-v3#6430, rclone),
  // checksum headers break the signature (aws-sdk-java-v2#5987), forms have a policy of another kind. Any region is
  // taken. Multi-object deletes came late; here they are still missing. Unverified: signed chunks.
  gcs: {
    ...COMPATIBLE,
    regions: ['auto'],
    anyRegion: true,
    checksums: { ...NO_CHECKSUMS, others: 'SignatureDoesNotMatch' },
    signedChunks: 'SignatureDoesNotMatch',
    trailers: 'SignatureDoesNotMatch',
    deleteObjects: { ...COMPATIBLE.deleteObjects, support: 'NotImplemented' },
    uploadPartCopy: 'NotImplemented',
    multipartEtags: 'opaque',
    operationIds: 'InvalidArgument',
  },

  // https://www.tigrisdata.com/docs/objects/conditionals.md and …/api/s3/: checksums and conditional writes.
  // Unverified: conditions of copies, other regions than auto.
  tigris: {
    ...AWS,
    regions: ['auto'],
    checksums: { ...AWS.checksums, unasked: undefined },
    conditions: { ...AWS.conditions, copy: 'ignored' },
    acl: 'NotImplemented',
    forms: 'NotImplemented',
  },

  // A Ceph; of what release is not told. Unverified: conditions, forms.
  hetzner: {
    ...CEPH,
    regions: ['fsn1'],
    anyRegion: false,
    conditions: CONDITIONS_IGNORED,
    forms: 'NotImplemented',
  },

  // No CRC32 and no trailers (ovh/public-cloud-roadmap#781). The rest is unverified.
  ovh: { ...COMPATIBLE, regions: ['gra'], signedChunks: 'NotImplemented' },

  // https://www.scaleway.com/en/docs/object-storage/api-cli/using-conditional-writes/: PutObject and CopyObject.
  // 1,000 parts: …/api-cli/multipart-uploads/, rclone. Unverified: CompleteMultipartUpload with a condition, checksums.
  scaleway: {
    ...COMPATIBLE,
    regions: ['fr-par'],
    conditions: { ...AWS.conditions, complete: 'ignored' },
    maxParts: 1000,
    forms: 'honoured',
  },

  // https://supabase.com/docs/guides/storage/s3/compatibility: conditions of reads and of the copy's source only, no
  // ACL, Content-MD5 not looked at. The path is part of the endpoint, and signed.
  supabase: {
    ...COMPATIBLE,
    addressing: ['path'],
    basePath: '/storage/v1/s3',
    contentMd5: 'ignored',
  },

  // https://garagehq.deuxfleurs.fr/documentation/reference-manual/s3-compatibility/: both styles, no ACL. It verifies
  // checksums; those of an empty body in a presigned URL are its InvalidDigest (kaneo#1196). Unverified: trailers
  // (since 2.0), conditions.
  garage: {
    ...COMPATIBLE,
    regions: ['garage'],
    checksums: {
      ...NO_CHECKSUMS,
      algorithms: ['CRC32', 'CRC32C', 'SHA1', 'SHA256'],
      others: 'NotImplemented',
    },
    deleteObjects: AWS.deleteObjects,
  },

  // Any region; it verifies checksums (seaweedfs#10216); trailers came in 2025 (seaweedfs#6517). Of racing
  // conditional writes several win (seaweedfs#8800): worse than none, and played as none. Etags of parts: rclone.
  seaweedfs: {
    ...COMPATIBLE,
    addressing: ['path'],
    anyRegion: true,
    checksums: { ...AWS.checksums, ofWholeUploads: [], unasked: undefined },
    deleteObjects: AWS.deleteObjects,
    multipartEtags: 'opaque',
  },

  // Buckets are hosts only, a 403; no aws-chunked; Content-MD5 for DeleteObjects (milvus-storage#500);
  // x-oss-forbid-overwrite and its 409 FileAlreadyExists; keys of at most 1,023 bytes
  // (https://www.alibabacloud.com/help/en/oss/support/http-400-status-code). Unverified: checksum headers, regions.
  // Not played: etags in upper case.
  oss: {
    ...COMPATIBLE,
    addressing: ['virtual-host'],
    regions: ['cn-hangzhou'],
    anyRegion: true,
    maxKeyBytes: 1023,
    signedChunks: 'NotImplemented',
    forbidOverwriteHeader: 'x-oss-forbid-overwrite',
    multipartEtags: 'opaque',
  },

  // No service, but what any of them refuses or leaves out: the careful profile has to live with all of it. What nobody
  // can live with who does not know the service stays out: buckets in hosts only (OSS), no UploadPartCopy and no
  // DeleteObjects (GCS), 1,000 parts (Scaleway: where parts are equal, too, streams of unknown length would end early).
  generic: {
    ...COMPATIBLE,
    addressing: ['path'],
    signedChunks: 'NotImplemented',
    deleteObjects: { support: 'honoured', maxKeys: 700, integrity: 'content-md5' },
    contentMd5: 'ignored',
    copySourceConditions: 'ignored',
    equalParts: true,
    multipartEtags: 'opaque',
    uploadListings: 'by-key',
    encodedListings: 'InvalidArgument',
    overridesOnHead: 'NotImplemented',
    operationIds: 'InvalidArgument',
  },
};
