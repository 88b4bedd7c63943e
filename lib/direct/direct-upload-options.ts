import { Logger } from '@nestjs/common';
import { assertOptions, shown } from '../core/arguments.js';
import { StorageConfigurationError, StorageInvalidArgumentError } from '../core/errors.js';
import { randomSigningKeys, type SigningKey } from '../core/signing-keys.js';
import { parseByteSize, parseExpiresIn } from '../core/units.js';
import type {
  DirectUploadRules,
  DirectUploadsBehaviour,
} from '../interfaces/direct-uploads-options.interface.js';
import { randomKey, type UploadKey } from '../uploads/key-strategies.js';
import { type ParsedUploadOptions, parseUploadOptions } from '../uploads/upload-options.js';
import { RequestOptions } from '../uploads/upload-policy.js';

const DEFAULT_EXPIRES_IN = '12h';
const DEFAULT_THRESHOLD = '100mb';
const DEFAULT_PART_SIZE = '8mb';

export interface ParsedBehaviour {
  readonly rules: DirectUploadRules;
  readonly owner: (request: unknown) => string | Promise<string>;
  /** Absent where the rules are the same for all requests. */
  readonly policy: RequestOptions<unknown> | undefined;
  readonly signingKeys: readonly SigningKey[];
  /** Seconds. */
  readonly expiresIn: number;
  /** Bytes; `threshold` is infinite where no upload has parts. */
  readonly multipart: { readonly threshold: number; readonly partSize: number };
  readonly onUploaded: NonNullable<DirectUploadsBehaviour['onUploaded']> | undefined;
}

/** The rules for one upload. */
export interface ParsedRules extends Pick<
  ParsedUploadOptions,
  | 'accept'
  | 'maxSize'
  | 'minSize'
  | 'image'
  | 'scan'
  | 'scanTimeout'
  | 'metadata'
  | 'cacheControl'
  | 'publication'
> {
  readonly key: UploadKey;
}

const RULES: Readonly<Record<keyof DirectUploadRules, true>> = {
  accept: true,
  maxSize: true,
  minSize: true,
  image: true,
  scan: true,
  scanTimeout: true,
  metadata: true,
  cacheControl: true,
  key: true,
};

export const BEHAVIOUR_OPTIONS: Readonly<Record<keyof DirectUploadsBehaviour, true>> = {
  ...RULES,
  owner: true,
  policy: true,
  signingKeys: true,
  expiresIn: true,
  multipart: true,
  onUploaded: true,
};

/** @throws StorageConfigurationError, StorageInvalidArgumentError naming the option */
export function parseBehaviour(where: string, behaviour: DirectUploadsBehaviour): ParsedBehaviour {
  assertOptions(behaviour, where);
  const { owner, policy, signingKeys, onUploaded, ...others } = behaviour;
  const { expiresIn = DEFAULT_EXPIRES_IN, multipart = {}, ...rules } = others;
  if (typeof owner !== 'function') {
    throw new StorageConfigurationError(
      `${where}: say whose an upload is: owner: (request) => request.user.id; owner: () => "anybody" where they are everybody's`,
    );
  }
  for (const [name, given] of Object.entries({ policy, onUploaded })) {
    if (given === undefined || typeof given === 'function') continue;
    throw new StorageConfigurationError(`${where}: ${name} must be a function`);
  }
  // Tried now, so that what is wrong with them ends the start.
  parseRules(rules);
  return {
    rules,
    owner,
    policy: policy && new RequestOptions(policy),
    signingKeys: signingKeys ?? keysOfThisProcess(where),
    expiresIn: parseExpiresIn(expiresIn, Number.MAX_SAFE_INTEGER),
    multipart: {
      threshold:
        multipart === false
          ? Infinity
          : parseByteSize(multipart.threshold ?? DEFAULT_THRESHOLD, 'multipart.threshold'),
      partSize: parseByteSize(
        (multipart || {}).partSize ?? DEFAULT_PART_SIZE,
        'multipart.partSize',
      ),
    },
    onUploaded,
  };
}

/** @throws StorageInvalidArgumentError naming the rule */
export function parseRules(rules: DirectUploadRules): ParsedRules {
  const unknown = Object.keys(rules).find((name) => !Object.hasOwn(RULES, name));
  if (unknown !== undefined) {
    throw new StorageInvalidArgumentError(
      `There is no rule "${unknown}" for direct uploads; known are ${Object.keys(RULES).join(', ')}`,
    );
  }
  const { key = randomKey, ...others } = rules;
  // The bytes are not known when the key is chosen.
  if (typeof key !== 'function') {
    throw new StorageInvalidArgumentError(`key must be a function, not ${shown(key)}`);
  }
  return { ...parseUploadOptions({ ...others, key }), key };
}

function keysOfThisProcess(where: string): readonly SigningKey[] {
  if (process.env['NODE_ENV'] === 'production') {
    throw new StorageConfigurationError(
      `${where}: in production, it needs signingKeys: [{ id: "2026", secret: process.env.UPLOAD_SECRET }]`,
    );
  }
  new Logger('DirectUploads').warn(
    'Uploads are sealed with a random key, and end with this process; set signingKeys to keep them',
  );
  return randomSigningKeys();
}
