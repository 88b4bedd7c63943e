import type { ChecksumAlgorithm } from './checksums.js';
import type { S3ErrorCode } from './errors.js';

/** A service that speaks S3, as `startS3Server` can play it. */
export type S3ServerProvider =
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

/** What a provider makes of something that S3 knows: does it, or answers with this code. */
type Support = 'honoured' | S3ErrorCode;

/** The same of a header or parameter, which can also be left out in silence, as if it had not been sent. */
export type Treatment = Support | 'ignored';

/** In what a provider differs from S3, as data. */
export interface ProviderBehaviour {
  /** Where requests may name the bucket; `'virtual-host'` is `<bucket>.localhost`. */
  readonly addressing: readonly ('path' | 'virtual-host')[];
  /** What every path begins with, signed with the rest; empty for most. */
  readonly basePath: string;
  /** The region of the service, and others that signatures may name. */
  readonly regions: readonly [string, ...string[]];
  /** Signatures may name any region at all. */
  readonly anyRegion: boolean;
  readonly maxKeyBytes: number;

  /** `x-amz-checksum-*` and the headers beside it. */
  readonly checksums: {
    readonly algorithms: readonly ChecksumAlgorithm[];
    /** Those that can cover a whole object made of parts (`FULL_OBJECT`). */
    readonly ofWholeUploads: readonly ChecksumAlgorithm[];
    /** What meets any other algorithm or, where there is none, any of these headers. */
    readonly others: Treatment;
    /** Computed for uploads that declare none. */
    readonly unasked: ChecksumAlgorithm | undefined;
  };
  /** Content-MD5 of PutObject and UploadPart. */
  readonly contentMd5: Treatment;
  /** Bodies in aws-chunked framing whose chunks are signed. */
  readonly signedChunks: Support;
  /** Bodies in aws-chunked framing that end in a checksum. */
  readonly trailers: Support;

  readonly deleteObjects: {
    readonly support: Support;
    readonly maxKeys: number;
    /** What has to vouch for the list. */
    readonly integrity: 'content-md5' | 'any';
  };

  /** If-Match and If-None-Match on writes. */
  readonly conditions: {
    readonly put: Treatment;
    readonly complete: Treatment;
    readonly copy: Treatment;
    /** Answered to an If-Match where there is no object. */
    readonly absent: S3ErrorCode;
  };
  /** The beginning of the headers that carry the conditions of CopyObject, where it is the provider's own. */
  readonly copyConditionPrefix: string | undefined;
  /** A header of the provider's own that makes a write create only, when `true`; a taken key is a 409. */
  readonly forbidOverwriteHeader: string | undefined;
  /** `x-amz-copy-source-if-*`. */
  readonly copySourceConditions: Treatment;

  readonly uploadPartCopy: Support;
  /** All parts but the last have to have one size. */
  readonly equalParts: boolean;
  readonly maxParts: number;
  /** Etags of objects made of parts: S3's hash of hashes, or anything at all. */
  readonly multipartEtags: 'md5' | 'opaque';
  /** What the prefix of ListMultipartUploads selects. */
  readonly uploadListings: 'by-prefix' | 'by-key';

  /** `encoding-type` of listings. */
  readonly encodedListings: Treatment;
  /** `response-*` parameters of HeadObject. */
  readonly overridesOnHead: Treatment;
  /** `x-id`, with which SDKs name the operation in the query. */
  readonly operationIds: Treatment;
  /** `x-amz-acl`. Where it is honoured, ACLs are off, as on new buckets of S3. */
  readonly acl: Treatment;
  /** Uploads from browser forms with a signed policy. */
  readonly forms: Support;
}
