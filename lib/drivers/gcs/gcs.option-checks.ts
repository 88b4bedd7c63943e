import { readFile } from 'node:fs/promises';
import { StorageConfigurationError } from '../../core/errors.js';
import { toRecord } from '../remote/answer-fields.js';
import { assertEndpoint } from '../remote/endpoint-check.js';
import { assertChecked, type Checks, CONNECTIONS, FLAG } from '../remote/option-checks.js';
import type { GcsCredentials, GcsStorageOptions } from './gcs.options.js';

/** What an option must be, where it is given. */
const CHECKS: Checks<GcsStorageOptions> = {
  projectId: ['the id of a project such as "my-project"', isText],
  keyFilename: ['the path of a JSON file', isText],
  credentials: [
    'what a key file holds: { client_email, private_key }, or credentials with a "type"',
    isCredentials,
  ],
  allowInsecureEndpoint: FLAG,
  maxSockets: CONNECTIONS,
  client: [
    'a Storage of @google-cloud/storage',
    (value) => {
      const { authClient, apiEndpoint } = toRecord(value);
      return typeof toRecord(authClient)['getRequestHeaders'] === 'function' && isText(apiEndpoint);
    },
  ],
};

/** Options that `client` has already. */
const OF_CLIENT = [
  'projectId',
  'keyFilename',
  'credentials',
  'apiEndpoint',
  'allowInsecureEndpoint',
] as const;

/** @throws StorageConfigurationError that says which option is wrong and what it should be. */
export function assertOptions(options: GcsStorageOptions): void {
  const { bucket, client, keyFilename, credentials } = options;
  if (typeof bucket !== 'string' || !/^[\w.-]+$/.test(bucket) || /^\.+$/.test(bucket)) {
    throw new StorageConfigurationError(
      'bucket must be the name of a bucket such as "media": letters, digits, "-", "_" and "."',
    );
  }
  assertChecked(options, CHECKS);
  assertApiEndpoint(options);
  if (keyFilename !== undefined && credentials !== undefined) {
    throw new StorageConfigurationError('keyFilename and credentials exclude each other: set one');
  }
  const beside = client && OF_CLIENT.find((name) => options[name] !== undefined);
  if (beside) {
    throw new StorageConfigurationError(
      `${beside} has no effect beside client: set it where the client is made`,
    );
  }
}

/** @throws StorageConfigurationError */
export async function readCredentials(
  options: GcsStorageOptions,
): Promise<GcsCredentials | undefined> {
  const { keyFilename, credentials } = options;
  if (keyFilename === undefined) return credentials;
  if (keyFilename.includes('{')) {
    throw new StorageConfigurationError(
      'keyFilename must be the path of a key file; what is in one goes into credentials, parsed',
    );
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(keyFilename, 'utf8'));
  } catch (error) {
    // The message of JSON.parse() shows what the file holds.
    const code = (error as NodeJS.ErrnoException).code ?? 'it is not JSON';
    throw new StorageConfigurationError(
      `keyFilename ${JSON.stringify(keyFilename)} cannot be read (${code})`,
    );
  }
  if (isCredentials(parsed)) return parsed;
  throw new StorageConfigurationError(
    `keyFilename ${JSON.stringify(keyFilename)} holds no credentials: it needs client_email and private_key, or a "type"`,
  );
}

/** Fields of credentials that let in whoever has them. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  'private_key',
  'client_secret',
  'refresh_token',
]);

/** What must show nowhere of credentials, and of those that they are made from; of a private key each line. */
export function secretsOf(credentials: unknown): string[] {
  return Object.entries(toRecord(credentials)).flatMap(([name, value]) => {
    if (typeof value !== 'string') return secretsOf(value);
    return SECRET_FIELDS.has(name) ? value.split(/\r?\n|\\n/) : [];
  });
}

function isCredentials(value: unknown): value is GcsCredentials {
  const { client_email, private_key, type } = toRecord(value);
  return (
    (isText(client_email) && isText(private_key)) || (isText(type) && type !== 'service_account')
  );
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** @throws StorageConfigurationError */
function assertApiEndpoint({ apiEndpoint, allowInsecureEndpoint }: GcsStorageOptions): void {
  if (apiEndpoint === undefined) return;
  const { search, hash, pathname } = assertEndpoint(
    'apiEndpoint',
    apiEndpoint,
    allowInsecureEndpoint,
  );
  if (!search && !hash && pathname === '/') return;
  throw new StorageConfigurationError(
    'apiEndpoint must be a scheme, a host and a port: no path, query or fragment',
  );
}
