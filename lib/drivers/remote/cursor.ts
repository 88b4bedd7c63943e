import { StorageConnectionError, StorageInvalidArgumentError } from '../../core/errors.js';

/** A page's place in a listing, of letters that pass through a URL: what the service calls a token. */
export function cursorOf(token: string): string {
  return Buffer.from(token).toString('base64url');
}

/** @throws StorageInvalidArgumentError when `cursorOf` did not give it */
export function tokenOf(cursor: string): string {
  const token = Buffer.from(cursor, 'base64url').toString();
  if (token === '' || cursorOf(token) !== cursor) throw notACursor();
  return token;
}

export function notACursor(): StorageInvalidArgumentError {
  return new StorageInvalidArgumentError(
    'cursor must be what an earlier page of the same listing gave',
  );
}

/** @throws StorageConnectionError when the page that follows is the one that was asked for: there would be no end of it */
export function assertGoesOn(next: string | undefined, asked: string | undefined): void {
  if (next === undefined || next !== asked) return;
  throw new StorageConnectionError('The service repeats its cursor; it does not go on listing', {
    retryable: false,
  });
}
