import { inspect } from 'node:util';
import { ContainerClient, ContainerSASPermissions } from '@azure/storage-blob';
import type { Capabilities } from '../../../lib/core/capabilities.js';
import { StorageConfigurationError, StorageTimeoutError } from '../../../lib/core/errors.js';
import { secretsOf } from '../../../lib/drivers/azure/azure.option-checks.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import {
  type DriverOptions,
  openDriver,
  proxied,
  putOptions,
  readKey,
  signal,
  until,
  useAzurite,
} from './open-azure.js';

const fixture = useAzurite();
const { open } = fixture;
const KEY = Buffer.from('the key of an account').toString('base64');
const credential = { getToken: async () => ({ token: 'token', expiresOnTimestamp: Infinity }) };

describe('a container is opened', () => {
  const ways: [string, (accountUrl: string, sas: string) => DriverOptions][] = [
    [
      'a connection string with a key',
      () => ({ connectionString: fixture.azurite.connectionString }),
    ],
    [
      'a connection string with a signature',
      (accountUrl, sas) => ({
        connectionString: `BlobEndpoint=${accountUrl};SharedAccessSignature=${sas.slice(1)}`,
      }),
    ],
    [
      'the account’s URL, name and key',
      (accountUrl) => {
        const { accountName, accountKey } = fixture.azurite;
        return { accountUrl: `${accountUrl}/`, accountName, accountKey };
      },
    ],
    ['the account’s URL and a signature', (accountUrl, sasToken) => ({ accountUrl, sasToken })],
  ];
  test.each(ways)('by %s', async (_, options) => {
    await using azure = await open();
    const { endpoint } = fixture.azurite;
    const url = await azure.direct.generateSasUrl({
      permissions: ContainerSASPermissions.parse('racwdl'),
      expiresOn: new Date(Date.now() + 600_000),
    });
    const { container } = azure;
    const driver = await openDriver({ container, ...options(endpoint, new URL(url).search) });
    await driver.put('key', Buffer.from('hello'), putOptions());
    expect(String(await readKey(driver, 'key'))).toBe('hello');
    await driver.close();
  });

  test.each<[string, DriverOptions, string]>([
    [
      'the emulator',
      { connectionString: 'UseDevelopmentStorage=true' },
      'http://127.0.0.1:10000/devstoreaccount1/files',
    ],
    [
      'a name and a key',
      { accountName: 'ann', accountKey: KEY },
      'https://ann.blob.core.windows.net/files',
    ],
    [
      'a credential',
      { accountUrl: 'https://ann.blob.core.windows.net', credential },
      'https://ann.blob.core.windows.net/files',
    ],
    ['nothing but the account', { accountName: 'ann' }, 'https://ann.blob.core.windows.net/files'],
  ])('by %s, without a request', async (_, options, url) => {
    const driver = await openDriver({ container: 'files', ...options });
    expect(driver.client.url).toBe(url);
    await driver.close();
  });

  test('and can do everything but move, and sign as it is let in', async () => {
    const account = { container: 'files', accountName: 'ann' };
    const told = async (options: DriverOptions): Promise<Capabilities> => {
      const driver = await openDriver({ ...account, ...options });
      await driver.close();
      return driver.capabilities;
    };
    const withKey = await told({ accountKey: KEY });
    const signed = {
      createOnly: true,
      compareAndSet: true,
      conditionalDelete: true,
      createOnlyCopy: true,
      conditionalGet: true,
      ranges: true,
      metadata: true,
      headers: true,
      delimiters: 'any',
      atomicMove: false,
      multipart: true,
      multipartListing: true,
      signedUrls: true,
      signedCacheControl: true,
      signedUploads: { PUT: ['createOnly'], POST: false },
      signedParts: false,
      checksums: ['md5'],
      retries: true,
    };
    expect(withKey).toMatchObject(signed);
    const withToken = await told({ credential });
    expect(withToken).toMatchObject(signed);
    expect(withKey.limits.maxExpiresIn).toBeGreaterThan(withToken.limits.maxExpiresIn);
    expect(await told({ sasToken: 'sp=r&sig=x' })).toMatchObject({
      signedUrls: false,
      signedCacheControl: false,
      signedUploads: { PUT: false, POST: false },
    });
  });

  test('and signs with a delegated key where there is a token, which lives a week at most', async () => {
    const driver = await openDriver({ container: 'files', accountName: 'ann', credential });
    expect(driver.capabilities.signedUrls).toBe(true);
    expect(driver.capabilities.limits.maxExpiresIn).toBeLessThanOrEqual(7 * 86_400);
    await driver.close();
  });

  test('and waits for a token as long as for any answer', async () => {
    const silent = { getToken: () => new Promise<never>(() => {}) };
    const driver = await openDriver({
      container: 'files',
      accountName: 'ann',
      credential: silent,
      timeout: 100,
      retry: { maxRetries: 0 },
    });
    await expect(driver.info('key', { signal })).rejects.toThrow(StorageTimeoutError);
    await driver.close();
  });
});

describe('options', () => {
  const account = { container: 'files', accountName: 'ann' };
  const client = new ContainerClient('https://ann.blob.core.windows.net/files');
  const WRONG: [string, Record<string, unknown>, string][] = [
    ['no container', { connectionString: 'UseDevelopmentStorage=true' }, 'container must be'],
    [
      'a name that no container has',
      { container: 'Files', accountName: 'ann' },
      'container must be',
    ],
    ['a container of two letters', { container: 'ab', accountName: 'ann' }, 'container must be'],
    ['a path', { container: '../files', accountName: 'ann' }, 'container must be'],
    ['no account', { container: 'files' }, 'the account is missing'],
    [
      'a key without its account',
      { container: 'files', accountUrl: 'https://a.b', accountKey: KEY },
      'accountName is missing',
    ],
    [
      'two kinds of credentials',
      { ...account, accountKey: KEY, credential },
      'accountKey and credential exclude',
    ],
    [
      'a connection string beside an account',
      { ...account, connectionString: 'UseDevelopmentStorage=true' },
      'leave accountUrl and accountName out',
    ],
    [
      'a connection string that is none',
      { container: 'files', connectionString: 'AccountName=ann;AccountKey' },
      'connectionString is not one',
    ],
    ['a key that is none', { ...account, accountKey: 'not base64!' }, 'accountKey must be'],
    ['a signature that is none', { ...account, sasToken: 'secret-token' }, 'sasToken must be'],
    ['a credential that is none', { ...account, credential: {} }, 'credential must be'],
    ['a client that is none', { client: {} }, 'client must be'],
    ['an engine that there is not', { ...account, engine: 'fast' }, 'engine must be'],
    [
      'a connection string beside the URL of an account',
      {
        container: 'files',
        connectionString: 'UseDevelopmentStorage=true',
        accountUrl: 'https://ann.blob.core.windows.net',
      },
      'leave accountUrl and accountName out',
    ],
    [
      'a connection string of none',
      { container: 'files', connectionString: '' },
      'must be a string',
    ],
    [
      'a line break in a connection string',
      { container: 'files', connectionString: 'a\nb' },
      'connectionString must be a string without line breaks',
    ],
    ['a name that no account has', { ...account, accountName: 'Ann' }, 'accountName must be'],
    [
      'a name that is no text',
      { ...account, accountName: 5 as unknown as string },
      'accountName must be',
    ],
    [
      'a key that is no text',
      { ...account, accountKey: 5 as unknown as string },
      'accountKey must be',
    ],
    ['a key with more', { ...account, accountKey: `${KEY}=!` }, 'accountKey must be'],
    ['a signature with more', { ...account, sasToken: 'sp=r&sig=secret#x' }, 'sasToken must be'],
    ['a URL within', { ...account, sasToken: 'https://x/?sig=secret' }, 'sasToken must be'],
    ['two dashes', { ...account, container: 'a--b' }, 'container must be'],
    ['a dash at the end', { ...account, container: 'abc-' }, 'container must be'],
    ['a container of 64 letters', { ...account, container: 'a'.repeat(64) }, 'container must be'],
    ['a container that is a number', { ...account, container: 7 }, 'container must be'],
    ['a special container that there is not', { ...account, container: '$logs' }, 'container must'],
    [
      'another container than that of a client',
      { client, container: 'other' },
      'container is not that of client: name "files", or give the client of',
    ],
    [
      'sockets beside a client',
      { client, maxSockets: 2 },
      'maxSockets has no effect beside client',
    ],
    ['a key beside a client', { client, accountKey: KEY }, 'client and accountKey exclude'],
    ['a client of nothing', { ...account, client: null }, 'client must be'],
    [
      'a URL with a fragment',
      { container: 'files', accountUrl: 'https://ann.blob.core.windows.net#secret' },
      'must not have a query or a fragment',
    ],
    ['half a socket', { ...account, maxSockets: 0.5 }, 'maxSockets must be'],
    ['a URL that is none', { container: 'files', accountUrl: 'ann' }, 'accountUrl must be'],
    [
      'a URL with a signature',
      { container: 'files', accountUrl: 'https://ann.blob.core.windows.net?sig=secret' },
      'goes to sasToken',
    ],
    [
      'a token over http',
      { container: 'files', accountUrl: 'http://ann.blob.core.windows.net', credential },
      'must be an https URL',
    ],
    ['an option that there is not', { ...account, bucket: 'files' }, 'unknown option "bucket"'],
  ];
  test.each(WRONG)('are refused: %s', async (_, options, message) => {
    const opened = openStorage('docs', { driver: 'azure', ...options } as never);
    const error: unknown = await opened.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageConfigurationError);
    const shown = inspect(error, { showHidden: true, depth: Infinity });
    expect(shown).toContain(message);
    expect(shown).toContain('docs');
    for (const secret of ['secret', KEY, 'AccountKey;']) expect(shown).not.toContain(secret);
  });
});

test.each(['abc', 'a-b', '0-9', 'a'.repeat(63), '$root', '$web'])(
  'a container may be called %s',
  async (container) => {
    const driver = await openDriver({ container, accountName: 'ann', accountKey: KEY });
    expect(driver.client.containerName).toBe(container);
    await driver.close();
  },
);

test('what must not be shown is known, however it was given', () => {
  const connectionString = `AccountName=ann;accountkey=one==;BlobEndpoint=https://x/?a=b&sig=two&c=d;SharedAccessSignature=sp=r&sig=three`;
  expect(secretsOf({ connectionString } as never)).toEqual(['one==', 'two', 'three']);
  expect(secretsOf({ accountKey: 'four' } as never)).toEqual(['four']);
  expect(secretsOf({ sasToken: '?sv=1&sig=five&se=2&design=6' } as never)).toEqual(['five']);
  expect(secretsOf({} as never)).toEqual([]);
});

test('connections are kept for later requests, and closed with the driver', async () => {
  await using azure = await open();
  for (let round = 0; round < 5; round++) {
    await azure.driver.put('key', Buffer.from('a'), putOptions());
    await azure.driver.info('key', { signal });
  }
  expect(azure.proxy.connections).toBe(1);
  const again = await openDriver({
    container: azure.container,
    connectionString: proxied(fixture.azurite, azure.proxy),
  });
  await again.info('key', { signal });
  expect(azure.proxy.connections).toBe(2);
  await again.close();
  await until(() => azure.proxy.connections === 1);
});

test('a client of one’s own is used as it is, and not closed', async () => {
  await using azure = await open();
  const driver = await openDriver({ client: azure.direct });
  expect(driver.client).toBe(azure.direct);
  const bytes = Buffer.alloc(9 * 1024 ** 2, 'a');
  await driver.put('key', bytes, putOptions());
  expect((await readKey(driver, 'key')).equals(bytes)).toBe(true);
  await driver.copy('key', 'copy', { signal });
  await driver.close();
  expect(await azure.direct.getBlobClient('copy').exists()).toBe(true);
});
