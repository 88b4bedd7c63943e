import { hkdfSync, randomBytes } from 'node:crypto';
import { StorageConfigurationError } from './errors.js';

/** A key that signs URLs and seals tokens. The first of a list signs, all of them verify: put a new one in front to rotate. */
export interface SigningKey {
  /** Travels with what is signed, so that the right key verifies. `[A-Za-z0-9_-]`. */
  readonly id: string;
  /** At least 32 bytes. Each purpose derives a key of its own from it. */
  readonly secret: string | Uint8Array;
}

/** A key for one purpose only. */
export interface DerivedKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Buffer;
}

/**
 * @param name how messages name them
 * @throws StorageConfigurationError when there is none, one is too short, or an id is not plain or not unique
 */
export function assertSigningKeys(signingKeys: readonly SigningKey[], name = 'signingKeys'): void {
  if (!Array.isArray(signingKeys)) {
    throw new StorageConfigurationError(`${name} must be a list of { id, secret }`);
  }
  if (signingKeys.length === 0) {
    throw new StorageConfigurationError(`${name} must hold at least one key`);
  }
  const ids = new Set<string>();
  for (const signingKey of signingKeys as readonly SigningKey[]) {
    // Never shown, whatever they are: one that is misplaced may be the secret.
    const { id, secret } = signingKey ?? {};
    if (typeof id !== 'string' || !/^[\w-]+$/.test(id) || ids.has(id)) {
      throw new StorageConfigurationError(`${name}: each needs an id of its own, of [A-Za-z0-9_-]`);
    }
    ids.add(id);
    if (typeof secret !== 'string' && !(secret instanceof Uint8Array)) {
      throw new StorageConfigurationError(
        `${name}: the secret of "${id}" must be a string or a Uint8Array${secret === undefined ? ', and is undefined: is it set in the environment?' : ''}`,
      );
    }
    const { length } = Buffer.from(secret);
    if (length < 32) {
      throw new StorageConfigurationError(
        `${name}: the secret of "${id}" has ${length} bytes, at least 32 are needed`,
      );
    }
  }
}

/**
 * Derives a key from each (HKDF with SHA-256, RFC 5869), in the same order: what one purpose signs never passes for
 * another's.
 *
 * @throws StorageConfigurationError as `assertSigningKeys`
 */
export function deriveKeys(
  signingKeys: readonly SigningKey[],
  purpose: string,
): [DerivedKey, ...DerivedKey[]] {
  assertSigningKeys(signingKeys);
  const keys = signingKeys.map(({ id, secret }) => {
    const derived = hkdfSync('sha256', secret, '', `nestjs-storages ${purpose}`, 32);
    return { id, key: Buffer.from(derived) };
  });
  return keys as [DerivedKey, ...DerivedKey[]];
}

/** Keys for one process: what they sign ends with it. */
export function randomSigningKeys(): readonly SigningKey[] {
  return [{ id: 'random', secret: randomBytes(32) }];
}
