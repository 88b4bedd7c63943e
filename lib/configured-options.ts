import { StorageConfigurationError } from './core/errors.js';

/**
 * Holds options that the app is configured with to those that there are.
 *
 * @throws StorageConfigurationError naming what is no option, and those that there are
 */
export function assertConfiguredOptions(
  where: string,
  options: object,
  known: Readonly<Record<string, unknown>>,
): void {
  if (typeof options !== 'object' || options === null) {
    throw new StorageConfigurationError(`${where} needs an object with its options`);
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    throw new StorageConfigurationError(
      `${where}: unknown option "${name}"; known are ${Object.keys(known).sort().join(', ')}`,
    );
  }
}

/** What of the options of a module is known before the app starts, and the rest, which a factory may make. */
export function dividedOptions<Options extends object, Setting extends keyof Options>(
  options: Options,
  settings: Readonly<Record<Setting, true>>,
): [settings: Pick<Options, Setting>, rest: Omit<Options, Setting>] {
  const entries = Object.entries(options);
  const isSetting = ([name]: [string, unknown]): boolean => Object.hasOwn(settings, name);
  return [
    Object.fromEntries(entries.filter(isSetting)) as Pick<Options, Setting>,
    Object.fromEntries(entries.filter((entry) => !isSetting(entry))) as Omit<Options, Setting>,
  ];
}

/** @throws StorageConfigurationError when there is nothing that makes the rest */
export function assertFactory(where: string, useFactory: unknown): void {
  if (typeof useFactory === 'function') return;
  throw new StorageConfigurationError(`${where}: useFactory must be a function`);
}
