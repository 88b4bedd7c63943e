import { notACursor } from '../../core/cursor.js';
import { StorageConnectionError } from '../../core/errors.js';

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

/**
 * The places where the pages of a listing begin. It remembers two of them, the last one and one that it takes anew after 1, 2, 4, 8, …
 * more (Brent's algorithm): enough to notice any circle, however many pages there are.
 */
export class CursorTrail {
  #last: string | undefined;
  #kept: string | undefined;
  #stepsToKeep = 1;
  #steps = 0;

  /** @param first where the listing begins, unless it does so at its start */
  constructor(first?: string) {
    this.#last = first;
    this.#kept = first;
  }

  /** @throws StorageConnectionError when the listing has been there: there would be no end of it */
  follow(next: string | undefined): void {
    if (next === undefined) return;
    if (next === this.#last || next === this.#kept) {
      throw new StorageConnectionError(
        'The service repeats its cursor; it does not go on listing',
        { retryable: false },
      );
    }
    this.#last = next;
    if (++this.#steps < this.#stepsToKeep) return;
    this.#kept = next;
    this.#stepsToKeep *= 2;
    this.#steps = 0;
  }
}
