/** A service that speaks S3. */
export type S3Provider =
  'aws' | 'r2' | 'b2' | 'spaces' | 'minio' | 'ceph' | 'wasabi' | 'gcs' | 'generic';

/** Checksums that S3 takes as `x-amz-checksum-*`, of those that core knows. */
export type S3ChecksumAlgorithm = 'crc32' | 'sha1' | 'sha256';

/**
 * In what a service differs from the others, as data. Parts of one upload have the same size everywhere (R2 demands
 * it), and no ACL is sent to any of them.
 */
export interface S3Profile {
  /** The end of the host names that tell the service. */
  readonly hosts: RegExp | undefined;
  /** Where the options name no region; absent: from the SDK's default chain. */
  readonly region: string | undefined;
  readonly pathStyle: boolean;
  /** Checksum headers that the service takes, verifies and keeps. None: none is sent. */
  readonly checksums: readonly S3ChecksumAlgorithm[];
  /** DeleteObjects is sent with Content-MD5 rather than the SDK's CRC-32. */
  readonly contentMd5: boolean;
  /** If-None-Match and If-Match on PutObject and on CompleteMultipartUpload, both decided atomically. */
  readonly conditionalWrites: boolean;
  /** The header with which a copy only creates. */
  readonly createOnlyCopyHeader: string | undefined;
  readonly multipartCopy: boolean;
  /** `encoding-type=url` in listings. */
  readonly encodedListings: boolean;
  readonly maxParts: number;
  readonly deleteBatch: number;
}

const GENERIC: S3Profile = {
  hosts: undefined,
  region: 'us-east-1',
  pathStyle: true,
  checksums: [],
  contentMd5: true,
  conditionalWrites: true,
  createOnlyCopyHeader: undefined,
  multipartCopy: true,
  encodedListings: true,
  maxParts: 10_000,
  deleteBatch: 1000,
};

export const S3_PROFILES: Readonly<Record<S3Provider, S3Profile>> = {
  aws: {
    ...GENERIC,
    hosts: /(^|\.)amazonaws\.com(\.cn)?$/,
    region: undefined,
    pathStyle: false,
    checksums: ['crc32', 'sha1', 'sha256'],
    contentMd5: false,
    createOnlyCopyHeader: 'if-none-match',
  },
  r2: {
    ...GENERIC,
    hosts: /\.r2\.cloudflarestorage\.com$/,
    region: 'auto',
    createOnlyCopyHeader: 'cf-copy-destination-if-none-match',
    deleteBatch: 700,
  },
  // Answers 400 to every x-amz-checksum-* and x-amz-sdk-checksum-algorithm header.
  b2: { ...GENERIC, hosts: /\.backblazeb2\.com$/, conditionalWrites: false },
  spaces: {
    ...GENERIC,
    hosts: /\.digitaloceanspaces\.com$/,
    pathStyle: false,
    conditionalWrites: false,
    encodedListings: false,
  },
  minio: GENERIC,
  // Pacific ignores If-None-Match on CompleteMultipartUpload, and later releases differ among themselves.
  ceph: { ...GENERIC, hosts: /\.your-objectstorage\.com$/, conditionalWrites: false },
  wasabi: { ...GENERIC, hosts: /\.wasabisys\.com$/, conditionalWrites: false },
  // The S3 face of Google Cloud Storage ignores If-None-Match and has no UploadPartCopy.
  gcs: {
    ...GENERIC,
    hosts: /(^|\.)storage\.googleapis\.com$/,
    region: 'auto',
    conditionalWrites: false,
    multipartCopy: false,
    deleteBatch: 1,
  },
  generic: GENERIC,
};

/** The service behind an endpoint, by its host; `'generic'` when the host tells nothing. */
export function providerOf(endpoint: string | undefined): S3Provider {
  if (endpoint === undefined) return 'aws';
  const host = new URL(endpoint).hostname;
  const known = Object.entries(S3_PROFILES).find(([, { hosts }]) => hosts?.test(host));
  return (known?.[0] as S3Provider | undefined) ?? 'generic';
}

/** The region that such hosts as `s3.eu-central-003.backblazeb2.com` name. */
export function regionOf(endpoint: string): string | undefined {
  const host = new URL(endpoint).hostname;
  return /^(?:s3[.-])?([a-z]+(?:-[a-z]+)*-?\d+)\.(?:backblazeb2|wasabisys|digitaloceanspaces)\.com$/.exec(
    host,
  )?.[1];
}
