import { notACursor } from '../../core/cursor.js';

/** @param after what the page ends with: a key, or the prefix of several */
export function encodeCursor(after: string): string {
  return Buffer.from(`after ${after}`).toString('base64url');
}

/** @throws StorageInvalidArgumentError */
export function decodeCursor(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString();
  if (text.startsWith('after ')) return text.slice('after '.length);
  throw notACursor();
}
