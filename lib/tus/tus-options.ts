import { shown } from '../core/arguments.js';
import { StorageConfigurationError, StorageError } from '../core/errors.js';
import { assertSigningKeys, type SigningKey } from '../core/signing-keys.js';
import { parseByteSize, parseExpiresIn, parseMilliseconds } from '../core/units.js';
import { randomKey, type UploadKey } from '../uploads/key-strategies.js';
import { parseUploadOptions } from '../uploads/upload-options.js';
import type { TusBehaviour, TusLocker } from './tus-module-options.interface.js';
import { UploadLocker } from './upload-locker.js';

const DEFAULT_PART_SIZE = '8mb';
const DEFAULT_EXPIRES_IN = '1d';
const DEFAULT_DRAIN_TIMEOUT = '3s';
const LONGEST_EXPIRES_IN = 365 * 24 * 60 * 60;

export interface ParsedTusBehaviour {
  readonly signingKeys: readonly SigningKey[];
  /** Bytes. */
  readonly maxSize: number;
  readonly accept: readonly string[] | undefined;
  readonly owner: (request: unknown) => string | Promise<string>;
  readonly key: UploadKey;
  /** The key may be in use, which is an error then. */
  readonly isCreateOnly: boolean;
  /** Seconds. */
  readonly expiresIn: number;
  /** Bytes. */
  readonly partSize: number;
  readonly locker: TusLocker;
  /** Milliseconds. */
  readonly drainTimeout: number;
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly onUploaded: NonNullable<TusBehaviour['onUploaded']>;
}

export const TUS_BEHAVIOUR_OPTIONS: Readonly<Record<keyof TusBehaviour, true>> = {
  signingKeys: true,
  maxSize: true,
  accept: true,
  owner: true,
  key: true,
  expiresIn: true,
  partSize: true,
  locker: true,
  drainTimeout: true,
  baseUrl: true,
  onUploaded: true,
};

/** @throws StorageConfigurationError naming the option */
export function parseTusBehaviour(where: string, behaviour: TusBehaviour): ParsedTusBehaviour {
  try {
    return parse(where, behaviour);
  } catch (cause) {
    if (!(cause instanceof StorageError) || cause instanceof StorageConfigurationError) throw cause;
    throw new StorageConfigurationError(`${where}: ${cause.reason}`, { cause });
  }
}

function parse(where: string, behaviour: TusBehaviour): ParsedTusBehaviour {
  const { signingKeys, maxSize, accept, key = randomKey, baseUrl = '' } = behaviour;
  const { owner = () => '', onUploaded = () => {}, locker = new UploadLocker() } = behaviour;
  if (maxSize === undefined) {
    throw new StorageConfigurationError(
      `${where} needs the size of the largest file: maxSize: "5gb"`,
    );
  }
  assertSigningKeys(signingKeys, `${where}: signingKeys`);
  for (const [name, given] of Object.entries({ owner, key, onUploaded })) {
    if (typeof given === 'function') continue;
    throw new StorageConfigurationError(
      `${where}: ${name} must be a function, not ${shown(given)}`,
    );
  }
  if (typeof locker?.newLock !== 'function') {
    throw new StorageConfigurationError(
      `${where}: locker must have the method newLock, as those of @tus/server, not ${shown(locker)}`,
    );
  }
  if (baseUrl !== '' && !/^https?:\/\/[^\s?#]+$/.test(baseUrl)) {
    throw new StorageConfigurationError(
      `${where}: baseUrl must be a URL such as "https://app.example.com", not ${shown(baseUrl)}`,
    );
  }
  const { publication, ...rules } = parseUploadOptions({
    key,
    maxSize,
    ...(accept !== undefined && { accept }),
  });
  return {
    signingKeys,
    maxSize: rules.maxSize,
    accept: rules.accept,
    owner,
    key,
    isCreateOnly: publication === 'create',
    expiresIn: parseExpiresIn(behaviour.expiresIn ?? DEFAULT_EXPIRES_IN, LONGEST_EXPIRES_IN),
    partSize: parseByteSize(behaviour.partSize ?? DEFAULT_PART_SIZE, 'partSize'),
    locker,
    drainTimeout: parseMilliseconds(
      behaviour.drainTimeout ?? DEFAULT_DRAIN_TIMEOUT,
      'drainTimeout',
    ),
    baseUrl: baseUrl.replace(/\/+$/, ''),
    onUploaded,
  };
}
