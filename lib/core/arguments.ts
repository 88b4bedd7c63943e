import { inspect } from 'node:util';
import { StorageInvalidArgumentError } from './errors.js';

/** A wrong value as a message shows it: of text and of objects only the kind, since there may be secrets. Never throws. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'an empty string' : 'a string';
  return inspect(value, { depth: -1, customInspect: false });
}

/** @throws StorageInvalidArgumentError when it is not an object that can hold options. */
export function assertOptions(options: unknown, name = 'options'): void {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return;
  throw new StorageInvalidArgumentError(`${name} must be an object, not ${shown(options)}`);
}

/**
 * @param known every option that there is
 * @throws StorageInvalidArgumentError naming an option that is none: what it asks for would not hold
 */
export function assertKnownOptions<Options extends object>(
  call: string,
  options: Options,
  known: Readonly<Record<keyof Options, true>>,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || Object.hasOwn(known, name)) continue;
    throw new StorageInvalidArgumentError(
      `${call}: unknown option "${name}"; known are ${Object.keys(known).sort().join(', ')}`,
    );
  }
}
