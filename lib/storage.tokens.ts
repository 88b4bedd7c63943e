const PREFIX = 'nestjs-storages:';
const DEFAULT = `${PREFIX}(default)`;

/**
 * The injection token of a storage; without a name, of the default one. For `overrideProvider()` and `inject: […]`.
 *
 * @publicApi
 */
export function getStorageToken(name?: string): string {
  return name === undefined ? DEFAULT : `${PREFIX}${name}`;
}

/** The name behind a token of `getStorageToken`; `undefined` for any other token, and for the default's. */
export function storageNameOf(token: unknown): string | undefined {
  if (typeof token !== 'string' || !token.startsWith(PREFIX) || token === DEFAULT) return undefined;
  return token.slice(PREFIX.length);
}
