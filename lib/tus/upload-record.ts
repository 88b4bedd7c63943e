import { StorageFileNotFoundError } from '../core/errors.js';
import type { MultipartUpload } from '../core/multipart.js';
import type { Storage } from '../core/storage.js';

/** What is known of an upload beside its bytes. Plain JSON in the staging area: any process goes on with it. */
export interface UploadRecord {
  /** Bytes; absent while the client has not told. */
  readonly length?: number;
  /** Bytes of each part but the last. */
  readonly partSize: number;
  /** Absent where the whole file fits into one part. */
  readonly multipart?: MultipartUpload;
  readonly metadata?: Readonly<Record<string, string | null>>;
  /** The header that says so, as the client sent it: what is no UTF-8 has no text that could be made into it again. */
  readonly metadataHeader?: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** `partial`: to be joined with others; a list of URLs: joined from them. */
  readonly concat?: 'partial' | readonly string[];
  /** Where all bytes are to be published, or are already. */
  readonly file?: PublishedAs;
  /**
   * The app is being told of the file, or was, and may have accepted it: it may do with the file what it likes, so that one
   * which is not under its key any more is the app's.
   */
  readonly isTold?: boolean;
  /** The app has the file; nothing is left to do. */
  readonly isDone?: true;
}

export interface PublishedAs {
  readonly key: string;
  readonly contentType: string;
}

function recordKey(name: string): string {
  return `${name}.json`;
}

/** `undefined` when the upload is not there any more. */
export async function readRecord(
  staging: Storage,
  name: string,
): Promise<UploadRecord | undefined> {
  try {
    const bytes = await staging.getBytes(recordKey(name));
    return JSON.parse(bytes.toString()) as UploadRecord;
  } catch (error) {
    if (error instanceof StorageFileNotFoundError) return undefined;
    throw error;
  }
}

export async function writeRecord(
  staging: Storage,
  name: string,
  record: UploadRecord,
): Promise<void> {
  await staging.put(recordKey(name), JSON.stringify(record));
}

/** From here on the upload is not there, whatever else is left of it. */
export function deleteRecord(staging: Storage, name: string): Promise<void> {
  return staging.delete(recordKey(name));
}
