import { StorageInvalidArgumentError } from '../../core/errors.js';

/**
 * Refuses lone surrogates: no URL can carry them, and SDKs fail with errors that do not say why.
 *
 * @param texts by the names of their options
 * @throws StorageInvalidArgumentError
 */
export function assertWellFormed(texts: Readonly<Record<string, string | undefined>>): void {
  for (const [name, text] of Object.entries(texts)) {
    if (text === undefined || text.isWellFormed()) continue;
    throw new StorageInvalidArgumentError(`${name} must be Unicode text without lone surrogates`);
  }
}
