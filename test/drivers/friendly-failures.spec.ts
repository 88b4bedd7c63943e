import { generateKeyPairSync } from 'node:crypto';
import {
  BlobServiceClient,
  ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { examine } from '../../lib/command-line/doctor/examine.js';
import type { Observation } from '../../lib/command-line/doctor/observation.js';
import { StorageError } from '../../lib/core/errors.js';
import type { Storage } from '../../lib/core/storage.js';
import { createStorage } from '../../lib/drivers/open-storage.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { startFaultProxy } from '../../lib/testing/fault-proxy/index.js';
import { type GcsTestServer, startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { type S3TestServer, startS3Server } from '../../lib/testing/s3-server/index.js';
import { type Azurite, connectionString, startAzurite } from './azure/azurite.js';
import { gcsClient } from './gcs/open-gcs.js';

// What goes wrong when an app is set up, each provoked against a server that behaves as the service does. The sentences are
// printed as a table at the end.
const table: { failure: string; driver: string; sentence: string }[] = [];
const HOUR = 3_600_000;
const ORIGIN = 'https://app.example.com';
const NOWHERE = 'http://127.0.0.1:1';

let s3: S3TestServer;
let gcs: GcsTestServer;
let azurite: Azurite;

beforeAll(async () => {
  s3 = await startS3Server({ region: 'eu-central-1' });
  gcs = await startGcsServer();
  azurite = await startAzurite();
  await new ContainerClient(azurite.connectionString, 'docs').create();
});

afterAll(async () => {
  await Promise.all([s3.close(), gcs.close(), azurite[Symbol.asyncDispose]()]);
  const lines = table.map(({ failure, driver, sentence }) =>
    [failure.padEnd(26), driver.padEnd(6), sentence].join('  '),
  );
  process.stdout.write(`${lines.join('\n')}\n`);
});

type Configuration = StorageConfiguration & object;

function onS3(changes: object = {}): Configuration {
  const { endpoint, region, credentials } = s3;
  const given = { driver: 's3', bucket: 'bucket', provider: 'aws', forcePathStyle: true };
  return { ...given, endpoint, region, ...credentials, ...changes } as Configuration;
}

function onGcs(changes: object = {}): Configuration {
  const client = gcsClient(gcs.clientOptions);
  return { driver: 'gcs', bucket: 'bucket', client, ...changes };
}

function onAzure(changes: object = {}): Configuration {
  return { driver: 'azure', container: 'docs', ...changes } as Configuration;
}

function withAzureKey(changes: object = {}): Configuration {
  return onAzure({ connectionString: azurite.connectionString, ...changes });
}

function withSas(startsOn: number, expiresOn: number): Configuration {
  const sas = generateBlobSASQueryParameters(
    {
      containerName: 'docs',
      permissions: ContainerSASPermissions.parse('racwdl'),
      startsOn: new Date(startsOn),
      expiresOn: new Date(expiresOn),
    },
    new StorageSharedKeyCredential(azurite.accountName, azurite.accountKey),
  );
  return onAzure({ accountUrl: azurite.endpoint, sasToken: sas.toString() });
}

/** What each method says, without what the storage adds about the call. */
async function refusals(
  failure: string,
  configuration: Configuration,
): Promise<Record<string, string>> {
  await using storage = createStorage('photos', {
    ...configuration,
    retry: { maxRetries: 0 },
  } as StorageConfiguration);
  const calls: Record<string, () => Promise<unknown>> = {
    put: () => storage.put('a.txt', 'x'),
    get: () => storage.get('a.txt'),
    info: () => storage.info('a.txt'),
    list: () => storage.listPage({}),
  };
  const said: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) {
    const error: unknown = await call().then(
      () => new Error(`${name} has worked`),
      (thrown: unknown) => thrown,
    );
    said[name] = error instanceof StorageError ? error.reason : String(error);
  }
  table.push({ failure, driver: storage.driver, sentence: said['put']! });
  return said;
}

/** Every method says the sentence. An `info` is a HEAD, whose refusal has no body and so may say less: `bodiless`. */
function saying(sentence: RegExp, bodiless = sentence): unknown {
  const said: unknown = expect.stringMatching(sentence);
  return { put: said, get: said, list: said, info: expect.stringMatching(bodiless) };
}

describe('s3 says what to do about', () => {
  test('a wrong region', async () => {
    expect(await refusals('a wrong region', onS3({ region: 'us-east-1' }))).toEqual(
      saying(/^The bucket is in another region: set region to "eu-central-1"$/),
    );
  });

  test('a bucket that is not there', async () => {
    expect(await refusals('a bucket that is not there', onS3({ bucket: 'nowhere' }))).toEqual(
      saying(
        /^The bucket "nowhere" does not exist: create it, or check bucket, region and endpoint$/,
      ),
    );
  });

  test('an access key that is not known', async () => {
    expect(await refusals('an unknown access key', onS3({ accessKeyId: 'another' }))).toEqual(
      saying(
        /^The service does not accept the credentials; check accessKeyId and secretAccessKey.* \(InvalidAccessKeyId\)$/,
        /^The service denied access; check the credentials[^(]*$/,
      ),
    );
  });

  test('a wrong secret', async () => {
    expect(await refusals('a wrong secret', onS3({ secretAccessKey: 'another' }))).toEqual(
      saying(
        /; check secretAccessKey, .*\(SignatureDoesNotMatch\)$/,
        /^The service denied access; check the credentials[^(]*$/,
      ),
    );
  });

  test('credentials that have expired', async () => {
    const fault = s3.fail({
      operation: '*',
      times: Infinity,
      with: { status: 400, code: 'ExpiredToken' },
    });
    expect(await refusals('an expired credential', onS3())).toEqual(
      saying(/^The credentials have expired; renew them, or .* \(ExpiredToken\)$/),
    );
    fault.clear();
  });

  test('a clock that goes wrong', async () => {
    await using server = await startS3Server({ now: () => Date.now() + HOUR });
    const { endpoint, region } = server;
    const said = await refusals('a clock that goes wrong', onS3({ endpoint, region }));
    expect(said['put']).toMatch(/^The clock of this machine differs .* set it right, by NTP/);
    // The answer has told the service's time, by which the requests after it are dated.
    expect(said['get']).toBe('File not found');
  });

  test('an endpoint at which nothing listens', async () => {
    expect(await refusals('a wrong endpoint', onS3({ endpoint: NOWHERE }))).toEqual(
      saying(
        /^The backend cannot be reached: nothing listens .* check endpoint and region, .*\(ECONNREFUSED\)$/,
      ),
    );
  });

  test('an endpoint with https at a port that speaks http', async () => {
    const endpoint = s3.endpoint.replace('http:', 'https:');
    expect(await refusals('https for http', onS3({ endpoint }))).toEqual(
      saying(/does not speak TLS .*; check the scheme .* and the port of endpoint .*\(EPROTO\)$/),
    );
  });
});

describe('gcs says what to do about', () => {
  test('a bucket that is not there', async () => {
    expect(await refusals('a bucket that is not there', onGcs({ bucket: 'nowhere' }))).toEqual(
      saying(
        /^The bucket "nowhere" does not exist: create it, or check bucket, project and apiEndpoint$/,
      ),
    );
  });

  test('a key that was revoked', async () => {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const { credentials, ...options } = gcs.clientOptions;
    const client = gcsClient({
      ...options,
      credentials: { ...credentials, private_key: privateKey },
    });
    expect(await refusals('an expired credential', onGcs({ client }))).toEqual(
      saying(/^Google refused the credentials for the bucket: .* renew them, or check keyFilename/),
    );
  });

  test('a clock that goes wrong', async () => {
    await using server = await startGcsServer({ now: () => Date.now() + 2 * HOUR });
    expect(
      await refusals('a clock that goes wrong', onGcs({ client: gcsClient(server.clientOptions) })),
    ).toEqual(
      saying(/^Google refused the credentials for the bucket: set the clock of this machine right/),
    );
  });

  test('an endpoint at which nothing listens', async () => {
    expect(
      await refusals('a wrong endpoint', { driver: 'gcs', bucket: 'bucket', apiEndpoint: NOWHERE }),
    ).toEqual(
      saying(
        /^The backend cannot be reached: nothing listens .* check apiEndpoint, .*\(ECONNREFUSED\)$/,
      ),
    );
  });
});

describe('azure says what to do about', () => {
  test('a container that is not there', async () => {
    expect(
      await refusals('a bucket that is not there', withAzureKey({ container: 'nowhere' })),
    ).toEqual(
      saying(
        /^The container does not exist: create it, or check container and account \(ContainerNotFound\)$/,
      ),
    );
  });

  test('a name that no container can have', async () => {
    expect(
      await refusals('a wrong container name', withAzureKey({ container: 'My_Docs' })),
    ).toEqual(
      saying(
        /^container must be the name of a container: 3 to 63 lower-case letters, digits and single dashes$/,
      ),
    );
  });

  test.each([
    ['an expired signature', (now: number) => withSas(now - 2 * HOUR, now - HOUR)],
    ['a signature of later', (now: number) => withSas(now + HOUR, now + 2 * HOUR)],
  ])(
    '%s, of which the emulator only says that it is no authorization',
    async (failure, configuration) => {
      expect(await refusals(failure, configuration(Date.now()))).toEqual(
        saying(
          /, or a shared access signature with more permissions that has not expired \(AuthorizationFailure\)$/,
        ),
      );
    },
  );

  test.each([
    [
      'an expired credential',
      'AuthenticationFailed',
      'Signature not valid in the specified time frame: Start [Sun, 01 Nov 2026 00:00:00 GMT] - Expiry [Mon, 02 Nov 2026 00:00:00 GMT] - Current [Tue, 03 Nov 2026 00:00:00 GMT]',
      /^The shared access signature has expired or is not valid yet; make a new one/,
    ],
    [
      'an expired token',
      'InvalidAuthenticationInfo',
      'Lifetime validation failed. The token is expired.',
      /^The token has expired; see to it that credential renews it/,
    ],
    [
      'a clock that goes wrong',
      'AuthenticationFailed',
      "Request date header too old: 'Sun, 29 Nov 2026 05:00:00 GMT'",
      /^The clock of this machine differs from that of the service; set it right, by NTP/,
    ],
  ])('%s, in the words of the service', async (failure, code, detail, sentence) => {
    await using proxy = await startFaultProxy({ target: new URL(azurite.endpoint).origin });
    const text = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>No.</Message><AuthenticationErrorDetail>${detail}</AuthenticationErrorDetail></Error>`;
    const headers = { 'x-ms-error-code': code, 'content-type': 'application/xml' };
    proxy.fail({ times: Infinity, with: { status: 403, headers, body: text } });
    expect(
      await refusals(
        failure,
        onAzure({ connectionString: connectionString(`${proxy.endpoint}/${azurite.accountName}`) }),
      ),
    ).toEqual(
      saying(
        sentence,
        /^The service does not accept the credentials; check them, that they have not expired, and the clock/,
      ),
    );
  });

  test('an account at which nothing listens', async () => {
    expect(
      await refusals(
        'a wrong endpoint',
        onAzure({ connectionString: connectionString(`${NOWHERE}/${azurite.accountName}`) }),
      ),
    ).toEqual(
      saying(
        /^The backend cannot be reached: nothing listens .* check connectionString, accountUrl or accountName/,
      ),
    );
  });
});

describe('the doctor says what to do about pages that may not upload to', () => {
  async function corsOf(configuration: Configuration, bucket?: string): Promise<Observation> {
    const observed: Observation[] = [];
    await using storage: Storage = createStorage('photos', configuration);
    await examine({
      storage,
      bucket,
      origin: ORIGIN,
      signal: new AbortController().signal,
      report: async (observation) => void observed.push(observation),
    });
    return observed.find(({ check }) => check === 'cors')!;
  }

  function expectAdvice({ detail, advice }: Observation, driver: string): void {
    expect(detail).toContain(`pages of ${ORIGIN} cannot upload`);
    expect(advice).toMatch(/CORS rule.*https:\/\/app\.example\.com/);
    table.push({ failure: 'a CORS refusal', driver, sentence: `${detail}. ${advice}` });
  }

  test('s3', async () => {
    await using proxy = await startFaultProxy({ target: s3.endpoint });
    const body = '<Error><Code>NoSuchCORSConfiguration</Code></Error>';
    proxy.fail({ url: /[?&]cors/, times: Infinity, with: { status: 404, body } });
    const found = await corsOf(onS3({ endpoint: proxy.endpoint }), 'bucket');
    expect(found.outcome).toBe('finding');
    expectAdvice(found, 's3');
  });

  test('azure, until a rule lets them', async () => {
    const found = await corsOf(withAzureKey());
    expect(found.outcome).toBe('finding');
    expectAdvice(found, 'azure');
    const account = BlobServiceClient.fromConnectionString(azurite.connectionString);
    await account.setProperties({
      cors: [
        {
          allowedOrigins: ORIGIN,
          allowedMethods: 'PUT',
          allowedHeaders: '*',
          exposedHeaders: 'ETag',
          maxAgeInSeconds: 3600,
        },
      ],
    });
    expect(await corsOf(withAzureKey())).toMatchObject({ outcome: 'ok' });
  });
});
