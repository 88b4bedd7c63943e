import { StorageConfigurationError } from './core/errors.js';

/** @throws StorageConfigurationError naming what is no option, and those that there are */
export function assertOptions(
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
