import { isDeepStrictEqual } from 'node:util';
import type { FileAttributes } from '../../core/stored-file.js';

/** Whether the file has the attributes that were sent. Services trim header values, and leave out empty ones. */
export function sameAttributes(sent: FileAttributes, stored: FileAttributes): boolean {
  const headers = [
    'contentType',
    'cacheControl',
    'contentDisposition',
    'contentEncoding',
    'contentLanguage',
  ] as const;
  return (
    headers.every((name) => (sent[name] ?? '').trim() === (stored[name] ?? '').trim()) &&
    isDeepStrictEqual({ ...sent.metadata }, { ...stored.metadata })
  );
}
