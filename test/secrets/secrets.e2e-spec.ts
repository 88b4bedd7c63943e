import type { Storage as GcsClient } from '@google-cloud/storage';
import { ConsoleLogger, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { inspect, types } from 'node:util';
import {
  createStorage,
  type Storage,
  type StorageConfiguration,
  StorageModule,
  StorageRegistry,
} from 'nestjs-storages';
import { closeApps, startApp } from '../nest/app-fixture.js';
import { EchoingServer } from './echoing-server.js';

const SECRET = 'Qz7sEcReTwJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLE';
const TOKEN = 'IQoJtOkEnb3JpZ2luX2VjEJrEXAMPLEtoken0123456789';
const ACCOUNT_KEY = Buffer.from('the-account-key-that-nobody-may-ever-see-anywhere').toString(
  'base64',
);
const SAS = 'Zm9yZ2VkLXNpZ25hdHVyZS1vZi1hLXNhcy10b2tlbg==';
const SAS_TOKEN = `sv=2024-08-04&ss=b&srt=sco&sp=rwdl&se=2020-01-01T00:00:00Z&sig=${encodeURIComponent(SAS)}`;
const SIGNING = 'signing-secret-of-at-least-thirty-two-bytes-000';
const PASSWORD = 'hunter2-in-the-user-info';
const PRIVATE_KEY = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
}).privateKey;
const KEY_LINE = PRIVATE_KEY.split('\n')[3]!;

/** What may be found nowhere: secrets as they are and as URLs have them, and whatever a request is signed with. */
const SECRETS: readonly (string | RegExp)[] = [
  ...[SECRET, TOKEN, ACCOUNT_KEY, SAS, SIGNING, PASSWORD, KEY_LINE].flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
  ]),
  /\bsig=[\w%]/i,
  /Signature=[\w%]/i,
  /Credential=[\w%]/i,
  /Bearer [\w.-]/i,
  /SharedKey [\w:]/i,
  /BEGIN PRIVATE KEY/,
];

let echoing: EchoingServer;
let refusing: string;
let folder: string;
beforeAll(async () => {
  echoing = await EchoingServer.start();
  // A port on which nobody listens any more.
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  refusing = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
  gone.close();
  folder = await mkdtemp(join(tmpdir(), 'secrets-'));
});
afterAll(async () => {
  await closeApps();
  await echoing[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const NO_RETRY = { retry: { maxRetries: 0 } } as const;
const s3 = (options: object = {}): StorageConfiguration =>
  ({
    driver: 's3',
    bucket: 'bucket',
    region: 'eu-central-1',
    forcePathStyle: true,
    endpoint: echoing.origin,
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: SECRET,
    sessionToken: TOKEN,
    ...NO_RETRY,
    ...options,
  }) as StorageConfiguration;
const gcs = (options: object = {}): StorageConfiguration =>
  ({
    driver: 'gcs',
    bucket: 'bucket',
    apiEndpoint: echoing.origin,
    credentials: { client_email: 'someone@example.com', private_key: PRIVATE_KEY },
    ...NO_RETRY,
    ...options,
  }) as StorageConfiguration;
/** One whose token is there already: its requests carry it. */
const gcsWithToken = async (options: object = {}): Promise<StorageConfiguration> => {
  const { Storage: GcsClient } = await import('@google-cloud/storage');
  const client = new GcsClient({
    apiEndpoint: echoing.origin,
    projectId: 'project',
    useAuthWithCustomEndpoint: true,
    retryOptions: { autoRetry: false },
  });
  const headers = new Headers({ authorization: `Bearer ${TOKEN}` });
  client.authClient.getRequestHeaders = async () => headers;
  return {
    driver: 'gcs',
    bucket: 'bucket',
    client,
    ...NO_RETRY,
    ...options,
  } as StorageConfiguration;
};
const azure = (options: object = {}): StorageConfiguration =>
  ({
    driver: 'azure',
    container: 'container',
    accountUrl: `${echoing.origin}/account`,
    accountName: 'account',
    accountKey: ACCOUNT_KEY,
    ...NO_RETRY,
    ...options,
  }) as StorageConfiguration;
const azureWithSas = (options: object = {}): StorageConfiguration =>
  azure({ accountName: undefined, accountKey: undefined, sasToken: SAS_TOKEN, ...options });
const azureConnected = (credentials: string): StorageConfiguration =>
  azure({
    accountUrl: undefined,
    accountName: undefined,
    accountKey: undefined,
    connectionString: `BlobEndpoint=${echoing.origin}/account;${credentials}`,
  });
/** What `gcloud` writes for a user. */
const userWith = (fields: object): object => ({
  type: 'authorized_user',
  client_id: 'client',
  client_secret: 'secret',
  refresh_token: 'token',
  ...fields,
});
const local = (options: object = {}): StorageConfiguration =>
  ({
    driver: 'local',
    root: join(folder, 'root'),
    durability: 'rename',
    baseUrl: 'https://example.com/files',
    signingKeys: [{ id: 'one', secret: SIGNING }],
    ...options,
  }) as StorageConfiguration;

/** A secret in the place of each of these options, of which no text is the right value. */
const misplaced = (
  driver: string,
  configure: (options: object) => StorageConfiguration,
  names: readonly string[],
): [string, readonly [() => StorageConfiguration, Call]][] =>
  names.map((name) => {
    const [group, inner] = name.split('.');
    const option = inner ? { [group!]: { [inner]: SECRET } } : { [name]: SECRET };
    return [`${driver}: a secret in the place of ${name}`, [() => configure(option), open]];
  });

type Call = (storage: Storage) => Promise<unknown>;
const get: Call = (storage) => storage.get('key');
const put: Call = (storage) => storage.put('key', 'hello');
const putStream: Call = (storage) =>
  storage.put('key', Readable.from([Buffer.alloc(9 * 1024 ** 2)]));
const open: Call = (storage) => storage.open();
const list: Call = (storage) => storage.listPage();
const copy: Call = (storage) => storage.copy('key', 'other');
const remove: Call = (storage) => storage.delete('key');

/** How it goes wrong, and what is called then. */
const PATHS: Readonly<
  Record<string, readonly [() => StorageConfiguration | Promise<StorageConfiguration>, Call]>
> = {
  's3: a service that repeats a GET': [s3, get],
  's3: a service that repeats a PUT': [s3, put],
  's3: a service that repeats an upload in parts': [s3, putStream],
  's3: a service that repeats a listing': [s3, list],
  's3: a service that repeats a copy': [s3, copy],
  's3: a service that repeats a deletion': [s3, remove],
  's3: nobody at the endpoint': [() => s3({ endpoint: refusing }), get],
  's3: credentials in the endpoint': [
    () => s3({ endpoint: `https://me:${PASSWORD}@s3.example.com` }),
    open,
  ],
  's3: a secret without its id': [() => s3({ accessKeyId: undefined }), open],
  's3: a secret with a line break': [() => s3({ secretAccessKey: `${SECRET}\n` }), open],
  's3: a secret in the place of the region': [() => s3({ region: `${SECRET}/+` }), open],
  's3: a signed URL in the place of a key': [
    s3,
    async (storage) => storage.get(await storage.url('key')),
  ],
  's3: a signed URL in the place of the key of a copy': [
    s3,
    async (storage) => storage.copy('key', await storage.url('key')),
  ],
  'local: a signed URL in the place of a key': [
    local,
    async (storage) => storage.put(await storage.url('key'), 'hello'),
  ],
  's3: a metadata address': [
    () => s3({ endpoint: `http://169.254.169.254/latest?token=${TOKEN}` }),
    open,
  ],
  'gcs: a service that repeats a GET': [gcsWithToken, get],
  'gcs: a service that repeats a PUT': [gcsWithToken, put],
  'gcs: a service that repeats a resumable upload': [gcsWithToken, putStream],
  'gcs: a service that repeats a listing': [gcsWithToken, list],
  'gcs: a service that repeats a copy': [gcsWithToken, copy],
  'gcs: a service that repeats a deletion': [gcsWithToken, remove],
  'gcs: a private key with broken lines': [
    () =>
      gcs({
        credentials: {
          client_email: 'a@example.com',
          private_key: PRIVATE_KEY.replace(/\n/g, '\\n'),
        },
      }),
    get,
  ],
  'gcs: credentials without an e-mail': [
    () => gcs({ credentials: { private_key: PRIVATE_KEY } }),
    open,
  ],
  'gcs: a key file that is no JSON': [
    async () => {
      const keyFilename = join(folder, 'key.json');
      await writeFile(keyFilename, `{"private_key": "${PRIVATE_KEY}"`);
      return gcs({ credentials: undefined, keyFilename });
    },
    open,
  ],
  'gcs: a key in the place of the name of its file': [
    () =>
      gcs({
        credentials: undefined,
        keyFilename: JSON.stringify({ client_email: 'a@example.com', private_key: PRIVATE_KEY }),
      }),
    open,
  ],
  'gcs: credentials in the endpoint': [
    () => gcs({ apiEndpoint: `https://me:${PASSWORD}@gcs.example.com` }),
    open,
  ],
  'azure: a service that repeats a GET': [azure, get],
  'azure: a service that repeats a PUT': [azure, put],
  'azure: a service that repeats an upload in blocks': [azure, putStream],
  'azure: a service that repeats a listing': [azure, list],
  'azure: a service that repeats a copy': [azure, copy],
  'azure: a service that repeats a deletion': [azure, remove],
  'azure: a service that repeats an expired SAS': [azureWithSas, get],
  'azure: a service that repeats the SAS of a copy': [azureWithSas, copy],
  'azure: nobody at the URL with a SAS': [
    () => azureWithSas({ accountUrl: `${refusing}/account` }),
    put,
  ],
  'azure: a broken connection string': [
    () =>
      azure({
        accountUrl: undefined,
        accountName: undefined,
        accountKey: undefined,
        connectionString: `AccountName=account;AccountKey==${ACCOUNT_KEY};EndpointSuffix`,
      }),
    open,
  ],
  'azure: a SAS in the account URL': [
    () =>
      azure({
        accountName: undefined,
        accountKey: undefined,
        accountUrl: `https://account.blob.core.windows.net/?${SAS_TOKEN}`,
      }),
    open,
  ],
  'azure: a key that is no base64': [() => azure({ accountKey: `${SECRET}!` }), open],
  'azure: a credential that fails with its token': [
    () =>
      azure({
        accountUrl: 'https://127.0.0.1:9/account',
        accountName: undefined,
        accountKey: undefined,
        credential: {
          getToken: () =>
            Promise.reject(
              Object.assign(new Error(`Bearer ${TOKEN} is expired`), { token: TOKEN }),
            ),
        },
      }),
    get,
  ],
  'local: a signing secret that is too short': [
    () => local({ signingKeys: [{ id: 'one', secret: SIGNING.slice(0, 31) }] }),
    open,
  ],
  'local: a signing secret in the place of its id': [
    () => local({ signingKeys: [{ id: `${SIGNING}!`, secret: SIGNING }] }),
    open,
  ],
  'local: a file that is not there': [local, get],
  'local: a closed storage': [
    local,
    async (storage) => {
      await storage.close();
      return storage.get('key');
    },
  ],
  ...Object.fromEntries([
    ...misplaced('s3', s3, [
      'provider',
      'engine',
      'maxSockets',
      'timeout',
      'totalTimeout',
      'concurrency',
      'uploadMemory',
      'maxObjectSize',
      'expiresIn',
      'retry',
      'retry.maxRetries',
      'retry.jitter',
    ]),
    ...misplaced('gcs', gcs, ['maxSockets']),
    ...misplaced('azure', azure, ['engine', 'maxSockets']),
    ...misplaced('local', local, ['durability', 'symlinks', 'permissions', 'checksum', 'baseUrl']),
    ...misplaced('memory', (options) => ({ driver: 'memory', ...options }), ['maxSize']),
  ]),
  'local: an upload whose source fails': [
    local,
    (storage) =>
      storage.put(
        'key',
        Readable.from(
          (async function* () {
            yield Buffer.from('a');
            throw new Error('The source is gone');
          })(),
        ),
      ),
  ],
};

/** Credentials without what others are told by: length, digits, a name beside them. */
const PLAIN: Readonly<
  Record<string, readonly [configure: (secret: string) => StorageConfiguration, secret: string]>
> = {
  's3: a secret access key': [(secret) => s3({ secretAccessKey: secret }), 'plain-words/of a key'],
  's3: a session token': [(secret) => s3({ sessionToken: secret }), 'plain-words=of+a;session'],
  'gcs: the secret of a client': [
    (secret) => gcs({ credentials: userWith({ client_secret: secret }) }),
    'plain-words/of-a-client',
  ],
  'gcs: the refresh token behind an impersonation': [
    (secret) =>
      gcs({
        credentials: {
          type: 'impersonated_service_account',
          service_account_impersonation_url:
            'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.example:generateAccessToken',
          source_credentials: userWith({ refresh_token: secret }),
        },
      }),
    'plain//words-of-a-refresh',
  ],
  'gcs: the password of a proxy': [
    (secret) => {
      // Only for the token, which the test has no need of.
      process.env['HTTPS_PROXY'] = `http://me:${encodeURIComponent(secret)}@127.0.0.1:9`;
      return gcs();
    },
    'plain/words-of-a-proxy',
  ],
  'azure: the key of an account': [
    (secret) => azure({ accountKey: secret }),
    'plain/words+ofakey=',
  ],
  'azure: a shared access signature': [
    (secret) => azureWithSas({ sasToken: `sv=2024-08-04&sig=${encodeURIComponent(secret)}&sp=r` }),
    'plain/words+ofasignature=',
  ],
  'azure: the key in a connection string': [
    (secret) =>
      azureConnected(`DefaultEndpointsProtocol=http;AccountName=account;AccountKey=${secret}`),
    'plain/words+inastring=',
  ],
  'azure: the signature in a connection string': [
    (secret) =>
      azureConnected(`SharedAccessSignature=sv=2024-08-04&sig=${encodeURIComponent(secret)}`),
    'plain/words+ofanother=',
  ],
};

/** A logger of Nest's own, whose lines are kept. */
class KeptLog extends ConsoleLogger {
  readonly lines: string[] = [];

  protected override printMessages(messages: unknown[], ...rest: unknown[]): void {
    this.lines.push(inspect([messages, rest], { depth: Infinity }));
    this.lines.push(messages.map((message) => this.stringifyMessage(message, 'error')).join('\n'));
  }

  protected override printStackTrace(stack: string): void {
    this.lines.push(stack);
  }
}

/** Everything that somebody may print of a value. */
async function allThatShows(value: unknown): Promise<string> {
  const logger = new KeptLog();
  logger.error(value);
  logger.error('It failed', value);
  if (types.isNativeError(value)) logger.error(value.message, value.stack);
  const chain: string[] = [];
  // Not by instanceof: what Node itself throws is of another realm than the tests are.
  for (let error = value; types.isNativeError(error); error = error.cause) {
    chain.push(String(error), error.stack ?? '', JSON.stringify(error));
    chain.push(JSON.stringify(error, Object.getOwnPropertyNames(error)));
  }
  return [
    inspect(value, { showHidden: true, depth: Infinity, maxStringLength: Infinity }),
    JSON.stringify(value) ?? '',
    ...chain,
    ...logger.lines,
  ].join('\n');
}

function secretsIn(shown: string): string[] {
  return SECRETS.filter((secret) =>
    typeof secret === 'string' ? shown.includes(secret) : secret.test(shown),
  ).map(String);
}

describe('no secret shows', () => {
  it('without being found: a refusal that nobody has cleaned is full of them', async () => {
    const answer = await fetch(`${echoing.origin}/a?${SAS_TOKEN}`, {
      headers: { authorization: `Bearer ${TOKEN}`, 'x-ms-version': '1', 'x-key': ACCOUNT_KEY },
    });
    const found = secretsIn(await allThatShows(new Error(await answer.text())));
    expect(found.length).toBeGreaterThan(4);
  });

  it.each(Object.entries(PATHS))('of an error, %s', async (_what, [configure, call]) => {
    const given = await configure();
    let storage: Storage | undefined;
    let error: unknown;
    try {
      storage = createStorage('files', given);
      await call(storage);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: expect.any(String) });
    const shown = (await allThatShows(error)) + (storage ? await allThatShows(storage) : '');
    await storage?.close();
    expect(secretsIn(shown)).toEqual([]);
  });

  it.each(Object.entries(PLAIN))(
    'of an error, %s that looks like words and is named by nobody',
    async (_what, [configure, secret]) => {
      const storage = createStorage('files', configure(secret));
      await storage.open().finally(() => delete process.env['HTTPS_PROXY']);
      if (storage.driver === 'gcs') {
        const { authClient } = storage.client as GcsClient;
        authClient.getRequestHeaders = async () => new Headers();
      }
      const query = encodeURIComponent(secret);
      echoing.words = `It is not ${secret}, nor ${query}, nor ${encodeURIComponent(query)}.`;
      const refused = storage.get('key').catch((thrown: unknown) => thrown);
      const error = await refused.finally(() => (echoing.words = undefined));
      await storage.close();
      expect(String(error)).toContain('It is not …, nor …, nor ….');
      const shown = await allThatShows(error);
      for (const form of [secret, query, encodeURIComponent(query)]) {
        expect(shown).not.toContain(form);
      }
    },
  );

  it('of the module, its registry and its storages', async () => {
    const module = StorageModule.forRoot({
      default: 'local',
      storages: { s3: s3(), gcs: gcs(), azure: azure(), sas: azureWithSas(), local: local() },
    });
    const app = await NestFactory.createApplicationContext(module, { logger: false });
    const registry = app.get(StorageRegistry);
    const storages = registry.names.map((name) => registry.get(name));
    await Promise.all(storages.map((storage) => storage.open()));
    const shown = await Promise.all(
      [module, registry, ...storages, storages[0]!.scope('a/'), storages[0]!.readonly()].map(
        allThatShows,
      ),
    );
    await app.close();
    expect(secretsIn(shown.join('\n'))).toEqual([]);
  });

  it('of an app that does not start', async () => {
    const logger = new KeptLog();
    const endpoint = `https://me:${PASSWORD}@s3.example.com`;
    const module = StorageModule.forRoot({ eager: true, storages: { files: s3({ endpoint }) } });
    const start = NestFactory.createApplicationContext(module, { logger, abortOnError: false });
    const error = await start.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'CONFIGURATION' });
    const shown = [await allThatShows(error), ...logger.lines].join('\n');
    Logger.overrideLogger(false);
    expect(secretsIn(shown)).toEqual([]);
  });

  it('of a signed URL that is refused, neither in the answer nor in the log', async () => {
    const root = join(folder, 'served');
    const { app, port, log } = await startApp({
      imports: [
        StorageModule.forRoot({
          routes: { signingKeys: [{ id: 'one', secret: SIGNING }] },
          storages: { files: { driver: 'local', root, durability: 'rename' } },
        }),
      ],
    });
    const storage = app.get(StorageRegistry).get('files');
    await storage.put('a', 'hello');
    const url = new URL(await storage.url('a'));
    url.host = `127.0.0.1:${port}`;
    url.protocol = 'http:';
    const query = url.search.slice(1);
    const answer = await fetch(`${url.href}x`);
    const text = (await answer.text()) + inspect([...answer.headers]) + log.text;
    expect(answer.status).toBe(403);
    expect(secretsIn(text)).toEqual([]);
    for (const [, value] of new URLSearchParams(query)) {
      if (value.length > 20) expect(text).not.toContain(value);
    }
  });
});
