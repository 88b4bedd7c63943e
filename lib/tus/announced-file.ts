import { invalidUploadRequest } from './tus.exceptions.js';
import type { UploadRecord } from './upload-record.js';

/** Characters of a media type: 127 on either side of its slash (RFC 6838 §4.2). */
const LONGEST_TYPE = 255;

/** What clients say of the file, by the names that are usual: those of the protocol's own client, and Uppy's. */
export function announcedFile({ metadata = {} }: Pick<UploadRecord, 'metadata'>): {
  readonly filename: string;
  readonly mimetype: string;
} {
  return {
    filename: metadata['filename'] ?? metadata['name'] ?? '',
    mimetype: metadata['filetype'] ?? metadata['type'] ?? '',
  };
}

/** @throws UploadException 400 before bytes come, for a type that no file can have */
export function assertAnnouncedType(record: Pick<UploadRecord, 'metadata'>): void {
  const [type = ''] = announcedFile(record).mimetype.split(';');
  if (type.trim().length <= LONGEST_TYPE) return;
  throw invalidUploadRequest(
    `The filetype in Upload-Metadata must be a media type of at most ${LONGEST_TYPE} characters`,
  );
}
