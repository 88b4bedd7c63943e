import type { StorageName } from './core/storage-names.js';

const PREFIX = 'nestjs-storages:';
// Without the colon, so that it is no storage's name.
const DEFAULT = 'nestjs-storages(default)';

/** The injection token of a storage; without a name, of the default one. For `overrideProvider()` and `inject: […]`. */
export function getStorageToken(name?: StorageName): string {
  return name === undefined ? DEFAULT : `${PREFIX}${name}`;
}

/** The name behind a token of `getStorageToken`; `undefined` for any other token, and for the default's. */
export function storageNameOf(token: unknown): string | undefined {
  if (typeof token !== 'string' || !token.startsWith(PREFIX)) return undefined;
  return token.slice(PREFIX.length);
}
