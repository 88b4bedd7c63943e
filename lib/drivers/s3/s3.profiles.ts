/** A service that speaks S3. */
export type S3Provider =
  | 'aws'
  | 'r2'
  | 'b2'
  | 'spaces'
  | 'minio'
  | 'ceph'
  | 'wasabi'
  | 'gcs'
  | 'tigris'
  | 'hetzner'
  | 'ovh'
  | 'scaleway'
  | 'supabase'
  | 'garage'
  | 'seaweedfs'
  | 'oss'
  | 'generic';

/** Checksums that S3 takes as `x-amz-checksum-*`, of those that core knows. */
export type S3ChecksumAlgorithm = 'crc32' | 'crc32c' | 'sha1' | 'sha256';

/** A header with which a write only creates. */
export interface CreateOnlyHeader {
  readonly name: string;
  readonly value: string;
}

/** In what a service differs from the others, as data. No ACL is sent to any of them. Sizes are bytes. */
export interface S3Profile {
  /** The end of the host names that tell the service. */
  readonly hosts: RegExp | undefined;
  /** Where the options name no endpoint, with `{region}` and `{accountId}` to be filled in. */
  readonly endpoint: string | undefined;
  /** What `accountId` is the name of, where the endpoint has it. */
  readonly account: string | undefined;
  /** Where neither the options nor the endpoint name a region; absent: from the SDK's default chain. */
  readonly region: string | undefined;
  /** How requests name the bucket, unless told otherwise; `'virtual-host-only'` cannot be told otherwise. */
  readonly addressing: 'path' | 'virtual-host' | 'virtual-host-only';
  /** Checksum headers that the service takes, verifies and keeps. None: none is sent. */
  readonly checksums: readonly S3ChecksumAlgorithm[];
  /** Uploads in parts can be kept with the CRC of the whole file (`x-amz-checksum-type: FULL_OBJECT`). */
  readonly wholeUploadChecksums: boolean;
  /** DeleteObjects is sent with Content-MD5 rather than the SDK's CRC-32. */
  readonly contentMd5: boolean;
  /** Makes PutObject and CompleteMultipartUpload only create, decided atomically on both. */
  readonly createOnly: CreateOnlyHeader | undefined;
  /** The same on CopyObject. */
  readonly createOnlyCopy: CreateOnlyHeader | undefined;
  /** If-Match on PutObject and on CompleteMultipartUpload, decided atomically on both. */
  readonly compareAndSet: boolean;
  /** If-Match on DeleteObject. */
  readonly conditionalDelete: boolean;
  readonly multipartCopy: boolean;
  /** ListMultipartUploads lists all uploads below a prefix. */
  readonly multipartListing: boolean;
  /** `encoding-type=url` in listings. */
  readonly encodedListings: boolean;
  /** Uploads from browser forms with a policy that is signed as S3 signs it. */
  readonly postPolicies: boolean;
  /** All parts of an upload but the last must have the same size. */
  readonly equalParts: boolean;
  /** Files that are joined from parts have S3's etag: the MD5 of the parts' MD5. */
  readonly md5OfParts: boolean;
  readonly minPartSize: number;
  readonly maxPartSize: number;
  readonly maxParts: number;
  readonly maxObjectSize: number;
  readonly deleteBatch: number;
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const TIB = 1024 ** 4;

const IF_NONE_MATCH: CreateOnlyHeader = { name: 'if-none-match', value: '*' };
const FORBID_OVERWRITE: CreateOnlyHeader = { name: 'x-oss-forbid-overwrite', value: 'true' };

/**
 * What every service understands as far as is known. A condition that a service does not know it leaves out in silence,
 * and the write goes through: none is sent to one that is not known to honour it.
 */
const CAREFUL: S3Profile = {
  hosts: undefined,
  endpoint: undefined,
  account: undefined,
  region: 'us-east-1',
  addressing: 'path',
  checksums: [],
  wholeUploadChecksums: false,
  contentMd5: true,
  createOnly: undefined,
  createOnlyCopy: undefined,
  compareAndSet: false,
  conditionalDelete: false,
  multipartCopy: true,
  multipartListing: false,
  encodedListings: true,
  postPolicies: false,
  equalParts: false,
  md5OfParts: true,
  minPartSize: 5 * MIB,
  maxPartSize: 5 * GIB,
  maxParts: 10_000,
  maxObjectSize: 5 * TIB,
  deleteBatch: 1000,
};

/** Where nothing is said of a field, it is unverified, and the careful value holds. */
export const S3_PROFILES: Readonly<Record<S3Provider, S3Profile>> = {
  aws: {
    ...CAREFUL,
    hosts: /(^|\.)amazonaws\.com(\.cn)?$/,
    region: undefined,
    addressing: 'virtual-host',
    checksums: ['crc32', 'crc32c', 'sha1', 'sha256'],
    wholeUploadChecksums: true,
    contentMd5: false,
    createOnly: IF_NONE_MATCH,
    createOnlyCopy: IF_NONE_MATCH,
    compareAndSet: true,
    conditionalDelete: true,
    multipartListing: true,
    postPolicies: true,
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: 48.8 TiB.
    maxObjectSize: 10_000 * 5 * GIB,
  },

  // Its documentation has checksums, but CRC-32 not of whole uploads, and in 2025 it answered 501 to it
  // (aws-sdk-js-v3#6810). The conditions of a copy go by a header of its own. All parts have one size
  // (https://developers.cloudflare.com/r2/objects/multipart-objects/), and limits are a little below S3's.
  r2: {
    ...CAREFUL,
    hosts: /\.r2\.cloudflarestorage\.com$/,
    endpoint: 'https://{accountId}.r2.cloudflarestorage.com',
    account: 'the id of the Cloudflare account',
    region: 'auto',
    createOnly: IF_NONE_MATCH,
    createOnlyCopy: { name: 'cf-copy-destination-if-none-match', value: '*' },
    compareAndSet: true,
    multipartListing: true,
    equalParts: true,
    md5OfParts: false,
    maxPartSize: 4_995 * MIB,
    maxObjectSize: 4_995 * GIB,
    deleteBatch: 700,
  },

  // Answers 400 to every x-amz-checksum-* and x-amz-sdk-checksum-algorithm header.
  b2: {
    ...CAREFUL,
    hosts: /\.backblazeb2\.com$/,
    endpoint: 'https://s3.{region}.backblazeb2.com',
    multipartListing: true,
  },

  // A Ceph, whose listings come unescaped whatever is asked.
  spaces: {
    ...CAREFUL,
    hosts: /\.digitaloceanspaces\.com$/,
    endpoint: 'https://{region}.digitaloceanspaces.com',
    addressing: 'virtual-host',
    multipartListing: true,
    encodedListings: false,
    postPolicies: true,
  },

  // Conditional writes since 2024, but not of copies. Older servers want Content-MD5 (aws-sdk-java-v2#5805). Uploads are
  // listed only by their whole key (minio#20989).
  minio: { ...CAREFUL, createOnly: IF_NONE_MATCH, compareAndSet: true, postPolicies: true },

  // Pacific ignores If-None-Match on CompleteMultipartUpload, and later releases differ among themselves.
  ceph: { ...CAREFUL, multipartListing: true, postPolicies: true },

  wasabi: {
    ...CAREFUL,
    hosts: /\.wasabisys\.com$/,
    endpoint: 'https://s3.{region}.wasabisys.com',
    multipartListing: true,
    postPolicies: true,
  },

  // The S3-compatible API of Google Cloud Storage ignores conditions (aws-sdk-java-v2#6055), has no UploadPartCopy
  // (https://issuetracker.google.com/issues/323465186), and for long had no DeleteObjects. Forms have a policy of
  // another kind.
  gcs: {
    ...CAREFUL,
    hosts: /(^|\.)storage\.googleapis\.com$/,
    endpoint: 'https://storage.googleapis.com',
    region: 'auto',
    multipartCopy: false,
    multipartListing: true,
    md5OfParts: false,
    deleteBatch: 1,
  },

  // https://www.tigrisdata.com/docs/objects/conditionals.md
  tigris: {
    ...CAREFUL,
    hosts: /(^|\.)(t3\.storage\.dev|storage\.tigris\.dev)$/,
    endpoint: 'https://t3.storage.dev',
    region: 'auto',
    addressing: 'virtual-host',
    checksums: ['crc32', 'crc32c', 'sha1', 'sha256'],
    contentMd5: false,
    createOnly: IF_NONE_MATCH,
    compareAndSet: true,
    multipartListing: true,
  },

  // A Ceph.
  hetzner: {
    ...CAREFUL,
    hosts: /\.your-objectstorage\.com$/,
    endpoint: 'https://{region}.your-objectstorage.com',
    multipartListing: true,
  },

  // No CRC-32 and no trailers (ovh/public-cloud-roadmap#781).
  ovh: {
    ...CAREFUL,
    hosts: /\.cloud\.ovh\.(net|us)$/,
    endpoint: 'https://s3.{region}.io.cloud.ovh.net',
    multipartListing: true,
  },

  // https://www.scaleway.com/en/docs/object-storage/api-cli/multipart-uploads/: 1,000 parts of up to 5 GB. Conditional
  // writes are documented since 2026 for PutObject and CopyObject, not for CompleteMultipartUpload.
  scaleway: {
    ...CAREFUL,
    hosts: /\.scw\.cloud$/,
    endpoint: 'https://s3.{region}.scw.cloud',
    multipartListing: true,
    postPolicies: true,
    maxPartSize: 5e9,
    maxParts: 1000,
    maxObjectSize: 5e12,
  },

  // https://supabase.com/docs/guides/storage/s3/compatibility: conditions of reads only.
  supabase: {
    ...CAREFUL,
    hosts: /\.supabase\.co$/,
    endpoint: 'https://{accountId}.storage.supabase.co/storage/v1/s3',
    account: 'the reference of the Supabase project',
    region: undefined,
    multipartListing: true,
  },

  garage: { ...CAREFUL, multipartListing: true, region: 'garage', contentMd5: false },

  // Of racing conditional writes several win (seaweedfs#8800).
  seaweedfs: { ...CAREFUL, multipartListing: true, contentMd5: false, md5OfParts: false },

  // https://help.aliyun.com/en/oss/developer-reference/use-aws-sdks-to-access-oss. It ignores If-None-Match, and has a
  // header of its own for puts, completions and copies.
  oss: {
    ...CAREFUL,
    hosts: /(^|\.)oss-[a-z\d-]+\.aliyuncs\.com$/,
    endpoint: 'https://s3.oss-{region}.aliyuncs.com',
    region: undefined,
    addressing: 'virtual-host-only',
    createOnly: FORBID_OVERWRITE,
    createOnlyCopy: FORBID_OVERWRITE,
    multipartListing: true,
    md5OfParts: false,
  },

  // An unknown service may be any of these, but for the few parts of Scaleway: its hosts tell it, and with equal parts a
  // body of unknown length would have to end at 5 GiB.
  generic: {
    ...CAREFUL,
    encodedListings: false,
    equalParts: true,
    md5OfParts: false,
    deleteBatch: 700,
  },
};
