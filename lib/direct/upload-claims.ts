import type { Checksum } from '../core/checksum.js';
import type { FileAttributes } from '../core/stored-file.js';
import type { ImageLimits } from '../uploads/image-limits.js';

/** What the id of an upload says: all there is to know about it, so that any replica of the app can go on with it. */
export interface UploadClaims {
  /** In the staging area. */
  readonly name: string;
  /** Where the file will be published. */
  readonly key: string;
  readonly owner: string;
  readonly filename: string;
  /** As the client announced it. */
  readonly contentType: string;
  /** Bytes; absent where the client's protocol does not tell. */
  readonly size?: number;
  readonly maxSize: number;
  readonly minSize: number;
  readonly accept?: readonly string[];
  readonly image?: ImageLimits;
  /** What no signature binds the bytes to, so that they have to be read. */
  readonly checksum?: Checksum;
  readonly metadata: Readonly<Record<string, string>>;
  readonly cacheControl?: string;
  /** Whoever has the URL can replace what was sent with it. */
  readonly isReplaceable: boolean;
  /** The rules had its bytes examined when it was begun. */
  readonly isScanned: boolean;
  /** The id is noted beside the file, for clients that know only where they sent it. */
  readonly isNoted: boolean;
  /** Milliseconds since 1970, until when the file may come. */
  readonly expires: number;
  readonly multipart?: MultipartClaims;
}

export interface MultipartClaims {
  readonly uploadId: string;
  /** Bytes of each part but the last; absent where the client divides the file. */
  readonly partSize?: number;
  /** Parts have numbers from 1 to this. */
  readonly partCount: number;
}

/** Milliseconds for which an id outlives the URLs, so that a file which came in time can be completed. */
export const TIME_TO_COMPLETE = 60 * 60_000;

/**
 * Milliseconds that a completion may take, beside its scan, which began before the id was over: no sweep takes the upload
 * from it.
 */
export const LONGEST_COMPLETION = 60 * 60_000;

/** Metadata of a published file that says which upload it comes from. */
export const UPLOAD_MARK = 'direct-upload';

/** What the file is published with, whatever its uploader sent. */
export function publishedAttributes(
  claims: Pick<UploadClaims, 'name' | 'filename' | 'metadata' | 'cacheControl'>,
): FileAttributes {
  const { name, filename, metadata, cacheControl } = claims;
  return {
    metadata: { ...metadata, filename, [UPLOAD_MARK]: name },
    ...(cacheControl !== undefined && { cacheControl }),
  };
}

/** Where the id of an upload is noted, in the staging area. */
export function idKey(name: string): string {
  return `${name}.id`;
}
