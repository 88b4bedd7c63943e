import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Storage as GcsClient } from '@google-cloud/storage';
import { jest } from '@jest/globals';
import {
  StorageAbortedError,
  StorageConfigurationError,
  StorageConnectionError,
  type StorageError,
  StoragePermissionError,
  StorageTimeoutError,
} from '../../../lib/core/errors.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { createGcsDriver } from '../../../lib/drivers/gcs/gcs.driver.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import { secretsOf } from '../../../lib/drivers/gcs/gcs.option-checks.js';
import type { GcsStorageOptions } from '../../../lib/drivers/gcs/gcs.options.js';
import type { GcsOperationName, GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { holdTimeouts } from '../../held-timeouts.js';
import {
  clientOf,
  openDriver,
  openGcs,
  type OpenGcs,
  putOptions,
  rejection,
  signal,
  started,
} from './open-gcs.js';

const OWN = [
  'GOOGLE_APPLICATION_CREDENTIALS',
  'GCE_METADATA_HOST',
  'METADATA_SERVER_DETECTION',
  'HOME',
];
const environment = Object.fromEntries(OWN.map((name) => [name, process.env[name]]));
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gcs-client-'));
  // Nobody's own credentials.
  process.env['HOME'] = folder;
});

afterEach(async () => {
  for (const name of OWN) {
    const before = environment[name];
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
  await rm(folder, { recursive: true, force: true });
});

/** Stores and reads a file with the credentials of the client. */
async function expectAccess(gcs: OpenGcs, client: GcsClient): Promise<void> {
  const driver = await openDriver(gcs.server, { client });
  await driver.put('key', Buffer.from('x'), putOptions());
  expect((await driver.info('key', { signal })).size).toBe(1);
  expect(await driver.url('key', { signal, expiresIn: 60 })).toContain('X-Goog-Signature=');
  expect(driver.client).toBe(client);
  await driver.close();
}

describe('credentials', () => {
  test('of a service account get one token for many requests', async () => {
    await using gcs = await openGcs();
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        gcs.driver.put(`key ${index}`, Buffer.from('x'), putOptions()),
      ),
    );
    const tokens = gcs.server.requests.filter(({ operation }) => operation === 'auth.token');
    expect(tokens).toHaveLength(1);
  });

  test('of a key file are read', async () => {
    await using gcs = await openGcs();
    const keyFilename = join(folder, 'key.json');
    const { client_email, private_key } = gcs.server.credentials;
    await writeFile(
      keyFilename,
      JSON.stringify({ type: 'service_account', client_email, private_key }),
    );
    const { credentials: _, ...options } = gcs.server.clientOptions;
    await expectAccess(gcs, new GcsClient({ ...options, keyFilename }));
    const storage = await openStorage('gcs', { driver: 'gcs', bucket: 'bucket', keyFilename });
    expect(await storage.url('key')).toContain(encodeURIComponent(client_email));
    await storage.close();
  });

  test('that are given inline sign by themselves', async () => {
    await using gcs = await openGcs();
    const { client_email, private_key } = gcs.server.credentials;
    const warned = jest.spyOn(console, 'warn').mockImplementation(() => {});
    const driver = await openDriver(gcs.server, {
      apiEndpoint: gcs.server.endpoint,
      credentials: { client_email, private_key },
    });
    await gcs.driver.put('key', Buffer.from('hello'), putOptions());
    const response = await fetch(await driver.url('key', { signal, expiresIn: 60 }));
    expect(await response.text()).toBe('hello');
    // The SDK has a warning for its own option of that name.
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
    await driver.close();
  });

  test('of a workload identity are exchanged, and IAM signs', async () => {
    await using gcs = await openGcs();
    const file = join(folder, 'workload.json');
    await writeFile(file, JSON.stringify(gcs.server.workloadIdentity));
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = file;
    const { credentials: _, ...options } = gcs.server.clientOptions;
    await expectAccess(gcs, new GcsClient(options));
    const operations = gcs.server.requests.map(({ operation }) => operation);
    expect(operations).toContain('auth.exchange');
    expect(operations).toContain('auth.signBlob');
    expect(operations).not.toContain('auth.token');
  });

  test('of the metadata server are found, and IAM signs', async () => {
    await using gcs = await openGcs();
    process.env['GCE_METADATA_HOST'] = `127.0.0.1:${gcs.server.port}`;
    process.env['METADATA_SERVER_DETECTION'] = 'assume-present';
    const { credentials: _, ...options } = gcs.server.clientOptions;
    await expectAccess(gcs, new GcsClient(options));
    const operations = gcs.server.requests.map(({ operation }) => operation);
    expect(operations).toContain('metadata');
    expect(operations).toContain('auth.signBlob');
  });

  test('are not sent to an http endpoint without any, as to emulators', async () => {
    await using gcs = await openGcs({ server: { anonymous: true } });
    const driver = await openDriver(gcs.server, { apiEndpoint: gcs.server.endpoint });
    await driver.put('key', Buffer.from('x'), putOptions());
    expect(gcs.server.requests.map(({ operation }) => operation)).toEqual(['objects.insert']);
    expect(gcs.server.requests[0]!.headers['authorization']).toBeUndefined();
    await driver.close();
  });

  test('are renewed once when the service does not take the token any more', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', Buffer.from('x'), putOptions());
    gcs.server.revokeTokens();
    gcs.server.clearRequests();
    await Promise.all(Array.from({ length: 5 }, () => gcs.driver.info('key', { signal })));
    const statuses = gcs.server.requests
      .filter(({ operation }) => operation === 'objects.get')
      .map(({ status }) => String(status))
      .toSorted((left, right) => left.localeCompare(right));
    expect(statuses).toEqual([...Array(5).fill('200'), ...Array(5).fill('401')]);
  });

  test('that are refused all the same reject', async () => {
    await using gcs = await openGcs();
    gcs.server.fail({
      operation: 'objects.get',
      times: Infinity,
      with: { status: 401, reason: 'authError', message: 'Invalid Credentials' },
    });
    await expect(gcs.driver.info('key', { signal })).rejects.toThrow(StoragePermissionError);
    expect(gcs.operations()).toHaveLength(2);
  });

  test('that Google does not know reject, and show nothing of themselves', async () => {
    await using gcs = await openGcs();
    const client = clientOf(gcs.server);
    const { private_key } = gcs.server.credentials;
    client.authClient.jsonContent = { client_email: 'nobody@example.com', private_key };
    const driver = await openDriver(gcs.server, { client });
    const error = (await rejection(driver.info('key', { signal }))) as StorageError;
    expect(error).toBeInstanceOf(StoragePermissionError);
    const shown = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error);
    expect(shown).not.toContain('PRIVATE KEY');
    expect(shown).not.toMatch(/eyJ[\w-]+\.[\w-]+\./);
    await driver.close();
  });

  test('that are nowhere to be found are a wrong configuration', async () => {
    await using gcs = await openGcs();
    process.env['METADATA_SERVER_DETECTION'] = 'none';
    const { credentials: _, ...options } = gcs.server.clientOptions;
    const driver = await openDriver(gcs.server, { client: new GcsClient(options) });
    const words = 'set keyFilename or credentials, or provide Application Default Credentials';
    expect(await rejection(driver.info('key', { signal }))).toMatchObject({
      code: 'CONFIGURATION',
      message: `No credentials for the bucket: ${words}`,
    });
    expect(await rejection(driver.url('key', { signal, expiresIn: 60 }))).toMatchObject({
      code: 'CONFIGURATION',
      message: `No credentials to sign with: ${words}`,
    });
    await driver.close();
  });

  test('whose service fails are asked for again', async () => {
    await using gcs = await openGcs();
    gcs.server.fail({ operation: 'auth.token', times: 2, with: { status: 503, reason: 'x' } });
    await gcs.driver.put('key', Buffer.from('x'), putOptions());
    expect(gcs.operations()).toEqual(['objects.insert']);
  });
});

describe('a token service that is silent', () => {
  const MINUTE = 60_000;

  /** A driver with a client of its own, whose service account is known to the server. @param timeout milliseconds */
  async function openOwn(
    server: GcsTestServer,
    timeout: number,
  ): Promise<StorageDriver<GcsClient>> {
    const { client_email, private_key } = server.credentials;
    const driver = await openDriver(server, {
      apiEndpoint: server.endpoint,
      credentials: { client_email, private_key },
      timeout,
      retry: { maxRetries: 0 },
    });
    // Leads to the server what the SDK asks of Google's hosts.
    const { clientOptions } = driver.client.authClient as unknown as {
      clientOptions: GcsTestServer['clientOptions']['clientOptions'];
    };
    Object.assign(
      clientOptions.transporterOptions,
      server.clientOptions.clientOptions.transporterOptions,
    );
    return driver;
  }

  /** The calls come to wait for the operation, and are given up when their minute has passed. */
  async function expectGivenUp(
    server: GcsTestServer,
    operation: GcsOperationName,
    start: () => Promise<unknown>[],
  ): Promise<void> {
    using timeouts = holdTimeouts();
    const calls = start().map((call) => expect(call).rejects.toThrow(StorageTimeoutError));
    const givenUp = Promise.all(calls);
    await started(server, operation, calls.length);
    await timeouts.passUntil(givenUp);
    await givenUp;
  }

  test('is waited for as long as for any answer', async () => {
    await using gcs = await openGcs({ timeout: 200, retry: { maxRetries: 0 } });
    gcs.server.fail({ operation: 'auth.token', times: Infinity, with: 'stall' });
    const calls: Promise<unknown>[] = [
      gcs.driver.info('key', { signal }),
      gcs.driver.get('key', { signal }),
      gcs.driver.put('key', Buffer.from('x'), putOptions()),
      gcs.driver.deleteMany(['a', 'b'], { signal }),
    ];
    // All at once: one that rejects before it is looked at would end the process.
    await Promise.all(calls.map((call) => expect(call).rejects.toThrow(StorageTimeoutError)));
    expect(gcs.operations()).toEqual([]);
  });

  test('does not keep an abort waiting, nor the end of the storage', async () => {
    await using gcs = await openGcs();
    gcs.server.fail({ operation: 'auth.token', times: Infinity, with: 'stall' });
    const storage = await openStorage('gcs', {
      driver: 'gcs',
      bucket: 'bucket',
      client: clientOf(gcs.server),
    });
    const abort = new AbortController();
    const aborted = rejection(storage.info('key', { signal: abort.signal }));
    const closed = rejection(storage.info('key'));
    await started(gcs.server, 'auth.token');
    abort.abort();
    expect(await aborted).toBeInstanceOf(StorageAbortedError);
    await storage.close({ timeout: 0 });
    expect(await closed).toBeInstanceOf(StorageAbortedError);
  });

  test('has its request cut', async () => {
    await using gcs = await openGcs();
    const driver = await openOwn(gcs.server, 300);
    gcs.server.fail({ operation: 'auth.token', with: 'stall' });
    await expect(driver.info('key', { signal })).rejects.toThrow(StorageTimeoutError);
    await gcs.server.until(({ inFlight }) => inFlight === 0);
    await driver.close();
  });

  test('does not hold up the calls that come when it answers again', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', Buffer.from('x'), putOptions());
    const driver = await openOwn(gcs.server, MINUTE);
    gcs.server.fail({ operation: 'auth.token', with: 'stall' });
    await expectGivenUp(gcs.server, 'auth.token', () => [driver.info('key', { signal })]);
    expect((await driver.info('key', { signal })).size).toBe(1);
    await driver.close();
  });

  test.each(['auth.subjectToken', 'auth.exchange', 'auth.generateAccessToken'] as const)(
    'does not hold up the calls of a workload identity that come when it answers again (%s)',
    async (operation) => {
      await using gcs = await openGcs();
      await gcs.driver.put('key', Buffer.from('x'), putOptions());
      const driver = await openDriver(gcs.server, {
        apiEndpoint: gcs.server.endpoint,
        credentials: gcs.server.workloadIdentity as never,
        timeout: MINUTE,
        retry: { maxRetries: 0 },
      });
      gcs.server.fail({ operation, with: 'stall' });
      await expectGivenUp(gcs.server, operation, () => [driver.info('key', { signal })]);
      expect((await driver.info('key', { signal })).size).toBe(1);
      await driver.close();
    },
  );

  test('does not hold up calls in the name of another account that come when it answers again', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', Buffer.from('x'), putOptions());
    const { workloadIdentity, endpoint } = gcs.server;
    const { service_account_impersonation_url, ...source_credentials } = workloadIdentity;
    const driver = await openDriver(gcs.server, {
      apiEndpoint: endpoint,
      credentials: {
        type: 'impersonated_service_account',
        service_account_impersonation_url,
        source_credentials,
        endpoint,
      } as never,
      timeout: MINUTE,
      retry: { maxRetries: 0 },
    });
    gcs.server.fail({ operation: 'auth.exchange', with: 'stall' });
    await expectGivenUp(gcs.server, 'auth.exchange', () => [driver.info('key', { signal })]);
    expect((await driver.info('key', { signal })).size).toBe(1);
    await driver.close();
  });

  test('is waited for when it is to sign, too', async () => {
    await using gcs = await openGcs();
    const { credentials: _, ...options } = gcs.server.clientOptions;
    const client = new GcsClient(options);
    client.authClient.jsonContent = gcs.server.workloadIdentity as never;
    const driver = await openDriver(gcs.server, { client, timeout: MINUTE });
    gcs.server.fail({ operation: 'auth.signBlob', times: Infinity, with: 'stall' });
    const put = { signal, method: 'PUT', expiresIn: 60 } as const;
    await expectGivenUp(gcs.server, 'auth.signBlob', () => [
      driver.url('key', { signal, expiresIn: 60 }),
      driver.uploadUrl('key', put),
      driver.uploadUrl('key', { ...put, method: 'POST' }),
    ]);
    const abort = new AbortController();
    const patient = await openDriver(gcs.server, { client });
    const signing = rejection(patient.url('key', { signal: abort.signal, expiresIn: 60 }));
    await started(gcs.server, 'auth.signBlob', 4);
    abort.abort();
    expect(await signing).toBeInstanceOf(StorageAbortedError);
    await driver.close();
    await patient.close();
  });
});

test('a project is that of the client', async () => {
  await using gcs = await openGcs();
  const { client_email, private_key } = gcs.server.credentials;
  const driver = await openDriver(gcs.server, {
    apiEndpoint: gcs.server.endpoint,
    projectId: 'my-project',
    credentials: { client_email, private_key },
  });
  expect(await driver.client.getProjectId()).toBe('my-project');
  await driver.close();
});

describe('a client of the driver’s own', () => {
  const credentials = { client_email: 'a@example.com', private_key: 'x' };

  test.each<[string, Partial<GcsStorageOptions>, object]>([
    [
      'leads to Google',
      {},
      { apiEndpoint: 'https://storage.googleapis.com', customEndpoint: false },
    ],
    [
      'sends its token to another https endpoint',
      { apiEndpoint: 'https://storage.example.com' },
      { apiEndpoint: 'https://storage.example.com', useAuthWithCustomEndpoint: true },
    ],
    [
      'sends its token to another http endpoint where it is given credentials',
      { apiEndpoint: 'http://127.0.0.1:1', credentials },
      { useAuthWithCustomEndpoint: true },
    ],
    [
      'sends none to an http endpoint without',
      { apiEndpoint: 'http://127.0.0.1:1' },
      { useAuthWithCustomEndpoint: false },
    ],
  ])('%s, and repeats nothing by itself', async (_, options, expected) => {
    const driver = await createGcsDriver(
      { bucket: 'bucket', ...options },
      { storage: 'files', retry: parseRetryOptions(), concurrency: 4 },
    );
    expect(driver.client).toMatchObject({ ...expected, retryOptions: { autoRetry: false } });
    await driver.close();
  });
});

test('a client that was given keeps its credential, also when that hangs', async () => {
  await using gcs = await openGcs();
  const client = clientOf(gcs.server);
  const credential = await client.authClient.getClient();
  const driver = await openDriver(gcs.server, { client, timeout: 50, retry: { maxRetries: 0 } });
  gcs.server.fail({ operation: 'auth.token', with: 'stall' });
  expect(await rejection(driver.info('key', { signal }))).toMatchObject({
    code: 'TIMEOUT',
    message: 'There was no answer for 50 ms to the credentials for the bucket',
  });
  expect(client.authClient.cachedCredential).toBe(credential);
  await driver.close();
});

describe('options', () => {
  const CLIENT = { authClient: { getRequestHeaders() {} }, apiEndpoint: 'https://x' } as never;
  const NAME =
    'bucket must be the name of a bucket such as "media": letters, digits, "-", "_" and "."';
  const NO_CREDENTIALS =
    'credentials must be what a key file holds: { client_email, private_key }, or credentials with a "type" ';
  const PARTS = 'apiEndpoint must be a scheme, a host and a port: no path, query or fragment';
  const besides = (name: string): string =>
    `${name} has no effect beside client: set it where the client is made`;

  test.each<[string, Partial<GcsStorageOptions>]>([
    [NAME, { bucket: '' }],
    [NAME, { bucket: 'a/b' }],
    [NAME, { bucket: '/a' }],
    [NAME, { bucket: 'a b' }],
    [NAME, { bucket: '.' }],
    [NAME, { bucket: '..' }],
    [NAME, { bucket: 5 as never }],
    ['projectId', { projectId: '' }],
    [
      'keyFilename "/nowhere/key.json" cannot be read (ENOENT)',
      { keyFilename: '/nowhere/key.json' },
    ],
    ['keyFilename', { keyFilename: 5 as never }],
    [
      'keyFilename must be the path of a key file; what is in one goes into credentials, parsed',
      { keyFilename: '{"private_key":"secret"}' },
    ],
    [NO_CREDENTIALS, { credentials: { client_email: 'a', private_key: '' } }],
    [NO_CREDENTIALS, { credentials: { client_email: '', private_key: 'secret' } }],
    [NO_CREDENTIALS, { credentials: { type: '' } }],
    [PARTS, { apiEndpoint: 'https://storage.example.com/?a=b' }],
    [PARTS, { apiEndpoint: 'https://storage.example.com/#a' }],
    ['client', { client: { authClient: {}, apiEndpoint: 'https://x' } as never }],
    ['client', { client: { ...(CLIENT as object), apiEndpoint: '' } as never }],
    [NO_CREDENTIALS, { credentials: { client_email: 'a' } as never }],
    [NO_CREDENTIALS, { credentials: { type: 'service_account' } }],
    [NO_CREDENTIALS, { credentials: 'secret' as never }],
    [
      'keyFilename and credentials exclude each other: set one',
      { credentials: { client_email: 'a', private_key: 'b' }, keyFilename: 'x' },
    ],
    ['apiEndpoint', { apiEndpoint: 'storage.example.com' }],
    ['apiEndpoint', { apiEndpoint: 'ftp://storage.example.com' }],
    ['apiEndpoint', { apiEndpoint: 'https://u:p@storage.example.com' }],
    [PARTS, { apiEndpoint: 'https://storage.example.com/path' }],
    ['apiEndpoint', { apiEndpoint: 'http://169.254.169.254' }],
    ['apiEndpoint', { apiEndpoint: 'http://[::ffff:169.254.169.254]' }],
    ['apiEndpoint', { apiEndpoint: 'http://[fe80::1]' }],
    ['apiEndpoint', { apiEndpoint: 'http://[fd00:ec2::254]' }],
    ['apiEndpoint', { apiEndpoint: 'http://0xa9fea9fe' }],
    ['apiEndpoint', { apiEndpoint: 'http://metadata.google.internal.' }],
    ['client', { client: {} as never }],
    [besides('projectId'), { client: CLIENT, projectId: 'p' }],
    [besides('keyFilename'), { client: CLIENT, keyFilename: 'x' }],
    [besides('apiEndpoint'), { client: CLIENT, apiEndpoint: 'https://x.example.com' }],
  ])('that are wrong are told by name: %s', async (name, options) => {
    const opening = openStorage('gcs', { driver: 'gcs', bucket: 'bucket', ...options });
    const error = (await rejection(opening)) as Error;
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain(name);
    expect(error.message).not.toContain('secret');
  });

  test.each(['a.b', 'with_some-of.each', '0'])('may name the bucket %s', async (bucket) => {
    const storage = await openStorage('gcs', { driver: 'gcs', bucket, client: CLIENT });
    expect(storage.client).toBe(CLIENT);
    await storage.close();
  });

  test('hold secrets, whatever they are made from: each line of a key, and what lets in', () => {
    const credentials = {
      type: 'impersonated_service_account',
      private_key: 'one\ntwo\r\nthree\\nfour',
      source_credentials: { client_id: 'id', client_secret: 'five', refresh_token: 'six' },
    };
    expect(secretsOf(credentials)).toEqual(['one', 'two', 'three', 'four', 'five', 'six']);
    expect(secretsOf(undefined)).toEqual([]);
  });

  test('do not show what a key file holds', async () => {
    const keyFilename = join(folder, 'key.json');
    for (const [content, words] of [
      ['secret', 'cannot be read (it is not JSON)'],
      [
        '{"private_key":"secret"}',
        'holds no credentials: it needs client_email and private_key, or a "type"',
      ],
    ] as const) {
      await writeFile(keyFilename, content);
      const opening = openStorage('gcs', { driver: 'gcs', bucket: 'bucket', keyFilename });
      const error = await rejection(opening);
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect((error as Error).message).toContain(
        `keyFilename ${JSON.stringify(keyFilename)} ${words}`,
      );
      expect(inspect(error, { depth: 10 })).not.toContain('secret');
    }
  });
});

test('a private key that cannot be read is told in plain words, and not shown', async () => {
  await using gcs = await openGcs();
  const { client_email, private_key } = gcs.server.credentials;
  for (const broken of [
    private_key.replaceAll('\n', '\\n'),
    '-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n',
    'SECRET',
  ]) {
    const driver = await openDriver(gcs.server, {
      apiEndpoint: gcs.server.endpoint,
      credentials: { client_email, private_key: broken },
    });
    for (const call of [
      driver.info('key', { signal }),
      driver.url('key', { signal, expiresIn: 60 }),
    ]) {
      const error = (await rejection(call)) as Error;
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toContain('private_key cannot be read');
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('SECRET');
    }
    await driver.close();
  }
});

test('close frees the connections, and opening made none', async () => {
  await using gcs = await openGcs();
  expect(gcs.server.totalConnections).toBe(0);
  await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      gcs.driver.put(`key ${index}`, Buffer.from('x'), putOptions()),
    ),
  );
  await gcs.driver.close();
  await gcs.server.until(({ inFlight }) => inFlight === 0);
  const ours = gcs.server.requests.filter(({ operation }) => operation === 'objects.insert');
  expect(ours).toHaveLength(10);
  await gcs.server.until(({ connections }) => connections <= 1);
});

test('an endpoint where nobody listens is a failed connection', async () => {
  await using gcs = await openGcs();
  const closed = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const driver = await openDriver(gcs.server, {
    apiEndpoint: `http://127.0.0.1:${port}`,
    retry: { maxRetries: 1 },
  });
  await expect(driver.info('key', { signal })).rejects.toThrow(StorageConnectionError);
  await driver.close();
});
