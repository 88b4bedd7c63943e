import { StorageConfigurationError } from '../../core/errors.js';
import { assertEndpoint } from '../remote/endpoint-check.js';
import {
  assertChecked,
  type Check,
  type Checks,
  CONNECTIONS,
  FLAG,
} from '../remote/option-checks.js';
import type { AzureStorageOptions } from './azure.options.js';

const TEXT: Check = [
  'a string without line breaks or other control characters',
  (value) => typeof value === 'string' && value !== '' && !/[\u0000-\u001F\u007F]/.test(value),
];

/** What an option must be, where it is given. */
const CHECKS: Checks<AzureStorageOptions> = {
  connectionString: TEXT,
  accountName: [
    'the name of a storage account',
    (value) => typeof value === 'string' && /^[a-z0-9-]+$/.test(value),
  ],
  accountKey: [
    'the key of the storage account, in base64',
    (value) => typeof value === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(value),
  ],
  sasToken: [
    'a shared access signature such as "sv=…&sp=…&sig=…"',
    (value) => typeof value === 'string' && /^\??[^?#\s]*\bsig=[^?#\s]+$/.test(value),
  ],
  credential: ['a TokenCredential, with a method getToken()', hasMethod('getToken')],
  allowInsecureEndpoint: FLAG,
  maxSockets: CONNECTIONS,
  engine: ['"direct" or "sdk"', (value) => value === 'direct' || value === 'sdk'],
  client: ['a ContainerClient of @azure/storage-blob', hasMethod('getBlockBlobClient')],
};

/** Ways to be let in; more than one would leave open which of them holds. */
const CREDENTIALS = ['client', 'connectionString', 'accountKey', 'sasToken', 'credential'] as const;

/** @throws StorageConfigurationError that says which option is wrong and what it should be. */
export function assertOptions(options: AzureStorageOptions): void {
  const refuse = (reason: string): never => {
    throw new StorageConfigurationError(reason);
  };
  const { container, client, connectionString, accountUrl, accountName, accountKey } = options;
  if (!client && !isContainerName(container)) {
    refuse(
      'container must be the name of a container: 3 to 63 lower-case letters, digits and single dashes',
    );
  }
  assertChecked(options, CHECKS);
  const given = CREDENTIALS.filter((name) => options[name] !== undefined);
  if (given.length > 1) refuse(`${given.join(' and ')} exclude each other: set one of them`);
  if (client) {
    if (container !== undefined && container !== client.containerName) {
      refuse(
        `container is not that of client: name ${JSON.stringify(client.containerName)}, or give the client of the container that you mean`,
      );
    }
    if (options.maxSockets !== undefined) {
      refuse('maxSockets has no effect beside client: set it where the client is made');
    }
    return;
  }
  if (connectionString !== undefined) {
    if (accountUrl !== undefined || accountName !== undefined) {
      refuse('connectionString names the account already: leave accountUrl and accountName out');
    }
    return;
  }
  if (accountUrl !== undefined) assertAccountUrl(accountUrl, options.allowInsecureEndpoint);
  if (accountUrl === undefined && accountName === undefined) {
    refuse(
      'the account is missing: set connectionString, or accountUrl such as "https://<account>.blob.core.windows.net"',
    );
  }
  if (accountKey !== undefined && accountName === undefined) {
    refuse('accountName is missing: accountKey needs the name of its account');
  }
}

/** What must show nowhere: keys, and signatures as they are given. */
export function secretsOf({
  connectionString = '',
  accountKey,
  sasToken = '',
}: AzureStorageOptions): string[] {
  const keys = matchesOf(/AccountKey=([^;]+)/gi, connectionString);
  const signatures = matchesOf(/\bsig=([^&;]+)/gi, `${connectionString};${sasToken}`);
  return [...keys, ...signatures, ...(accountKey === undefined ? [] : [accountKey])];
}

function matchesOf(pattern: RegExp, text: string): string[] {
  return Array.from(text.matchAll(pattern), ([, found]) => found!);
}

/** The account's URL without a slash at its end. */
export function accountUrlOf({ accountUrl, accountName }: AzureStorageOptions): string {
  const url = accountUrl ?? `https://${accountName!}.blob.core.windows.net`;
  return url.replace(/\/+$/, '');
}

function isContainerName(name: unknown): boolean {
  if (typeof name !== 'string') return false;
  const special = name === '$root' || name === '$web';
  return (
    special || (/^[a-z0-9](?:-?[a-z0-9])+$/.test(name) && name.length >= 3 && name.length <= 63)
  );
}

function assertAccountUrl(accountUrl: string, allowInsecure: boolean | undefined): void {
  const { search, hash } = assertEndpoint('accountUrl', accountUrl, allowInsecure);
  if (!search && !hash) return;
  throw new StorageConfigurationError(
    'accountUrl must not have a query or a fragment: a shared access signature goes to sasToken',
  );
}

function hasMethod(name: string): (value: unknown) => boolean {
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Record<string, unknown>)[name] === 'function';
}
