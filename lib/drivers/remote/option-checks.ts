import { StorageConfigurationError } from '../../core/errors.js';

/** What an option must be, in words and as a judgement. */
export type Check = readonly [expected: string, isRight: (value: unknown) => boolean];

/** By option. */
export type Checks<Options> = Partial<Record<keyof Options, Check>>;

export const FLAG: Check = ['true or false', (value) => typeof value === 'boolean'];

export const CONNECTIONS: Check = ['a whole number of connections, at least 1', isCount];

/**
 * Judges the options that are given. The wrong value is never told: it may be a secret in the wrong place.
 *
 * @throws StorageConfigurationError that says which option is wrong and what it should be
 */
export function assertChecked<Options extends object>(
  options: Options,
  checks: Checks<Options>,
): void {
  for (const [name, [expected, isRight]] of Object.entries<Check>(
    checks as Record<string, Check>,
  )) {
    const value = options[name as keyof Options];
    if (value === undefined || isRight(value)) continue;
    throw new StorageConfigurationError(`${name} must be ${expected}`);
  }
}

/** `Infinity` is the count that sets no limit. */
export function isCount(value: unknown): boolean {
  return (Number.isInteger(value) || value === Infinity) && (value as number) >= 1;
}
