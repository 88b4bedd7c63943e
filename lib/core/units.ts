import bytes from 'bytes';
import ms, { type StringValue } from 'ms';
import { shown } from './arguments.js';
import { StorageInvalidArgumentError } from './errors.js';

/** Milliseconds. setTimeout() fires at once for anything longer. */
export const MAX_TIMER = 2 ** 31 - 1;

/** Bytes as a number, or as text such as `'10mb'` (1 kb = 1,024 bytes). */
export type ByteSize = number | string;

/** @throws StorageInvalidArgumentError naming the option. */
export function parseByteSize(size: ByteSize, name: string): number {
  const parsed = typeof size === 'string' ? parseSize(size) : size;
  if (parsed !== null && Number.isSafeInteger(parsed) && parsed >= 0) return parsed;
  throw new StorageInvalidArgumentError(
    `${name} must be a whole number of bytes or text such as "10mb", not ${shownAs(size, parsed)}`,
  );
}

function parseSize(text: string): number | null {
  // bytes.parse() makes 10 of '10 apples' and of '10mib'.
  return /^\d+(?:\.\d+)? *(?:b|kb|mb|gb|tb|pb)?$/i.test(text) ? bytes.parse(text) : null;
}

/**
 * Milliseconds from a number of them, or from text such as `'30s'`: what is longer than a timer can run is `MAX_TIMER`.
 *
 * @throws StorageInvalidArgumentError naming the option.
 */
export function parseMilliseconds(
  duration: number | string,
  name: string,
  most = MAX_TIMER,
): number {
  const parsed = typeof duration === 'string' ? parseDuration(duration) : duration;
  if (typeof parsed === 'number' && Number.isFinite(parsed) && parsed > 0) {
    return Math.min(parsed, most);
  }
  throw new StorageInvalidArgumentError(
    `${name} must be a number of milliseconds above 0 or text such as "30s", not ${shownAs(duration, parsed)}`,
  );
}

/** Whole seconds from a number of them, or from text such as `'15m'`. @throws StorageInvalidArgumentError naming the option. */
export function parseExpiresIn(expiresIn: number | string, maximum: number): number {
  const parsed = typeof expiresIn === 'string' ? parseDuration(expiresIn) / 1000 : expiresIn;
  if (Number.isFinite(parsed) && parsed >= 1 && parsed <= maximum) return Math.floor(parsed);
  throw new StorageInvalidArgumentError(
    `expiresIn must be 1 to ${maximum} seconds, as a number or as text such as "15m", not ${shownAs(expiresIn, parsed)}`,
  );
}

/** Milliseconds; NaN when it is no duration. */
function parseDuration(text: string): number {
  // ms() throws for the empty string.
  return text === '' ? Number.NaN : (ms(text as StringValue) ?? Number.NaN);
}

/** A refused value as a message shows it: text by the number that it says, since the text itself may be a secret. */
function shownAs(given: unknown, parsed: number | null): string {
  if (typeof given !== 'string' || given === '') return shown(given);
  return Number.isFinite(parsed) ? String(parsed) : 'another text';
}

/** @throws StorageInvalidArgumentError naming the option when it is not a whole number in the range. */
export function assertCount(
  count: number,
  name: string,
  least = 0,
  most = Number.MAX_SAFE_INTEGER,
): number {
  if (Number.isSafeInteger(count) && count >= least && count <= most) return count;
  const bounds = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `from ${least} to ${most}`;
  throw new StorageInvalidArgumentError(
    `${name} must be a whole number, ${bounds}, not ${shown(count)}`,
  );
}
