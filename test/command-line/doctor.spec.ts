import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { examine } from '../../lib/command-line/doctor/examine.js';
import { StorageConnectionError } from '../../lib/core/errors.js';
import { parseRetryOptions } from '../../lib/core/retry.js';
import { Storage } from '../../lib/core/storage.js';
import { createStorage, openDriver } from '../../lib/drivers/open-storage.js';
import { startFaultProxy } from '../../lib/testing/fault-proxy/index.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { type S3ServerOptions, startS3Server } from '../../lib/testing/s3-server/index.js';
import { startAzurite } from '../drivers/azure/azurite.js';
import { command } from './command.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command-line-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Line {
  check: string;
  outcome: string;
  detail: string;
  advice?: string;
}

const lines = (stdout: string): Line[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

/** A server, a proxy that answers for its CORS and its lifecycle, and a file that configures the two as the storage `files`. */
async function startBucket(options: S3ServerOptions, answers: { cors: string; lifecycle: string }) {
  const server = await startS3Server(options);
  const proxy = await startFaultProxy({ target: server.endpoint });
  for (const [name, body] of Object.entries(answers)) {
    const url = new RegExp(`[?&]${name}`);
    const status = body.includes('<Error>') ? 404 : 200;
    proxy.fail({ url, times: Infinity, with: { status, body } });
  }
  const config = join(folder, 'storages.json');
  const files = {
    driver: 's3',
    bucket: 'bucket',
    endpoint: proxy.endpoint,
    region: server.region,
    accessKeyId: server.credentials.accessKeyId,
    secretAccessKey: server.credentials.secretAccessKey,
    provider: 'minio',
    forcePathStyle: true,
  };
  await writeFile(config, JSON.stringify({ files }));
  return {
    server,
    proxy,
    doctor: (...argv: string[]) => command(['doctor', 'files:a', '--config', config, ...argv]),
    doctorUntil: (signal: AbortSignal) =>
      command(['doctor', 'files:a', '--config', config, '--json'], { signal }),
    async [Symbol.asyncDispose]() {
      await proxy.close();
      await server.close();
    },
  };
}

const cors = (rule: string): string =>
  `<CORSConfiguration><CORSRule>${rule}</CORSRule></CORSConfiguration>`;
const UPLOADS_FROM_APP = cors(
  '<AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>' +
    '<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>',
);
const lifecycle = (rule: string): string =>
  `<LifecycleConfiguration><Rule><Status>Enabled</Status>${rule}</Rule></LifecycleConfiguration>`;
const ABORTED_AFTER_7_DAYS = lifecycle(
  '<Filter><Prefix></Prefix></Filter>' +
    '<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>',
);

/** Creates the container, and answers the file that configures it as the storage `files`. */
async function createContainer(connectionString: string): Promise<string> {
  const files = { driver: 'azure' as const, container: 'files', connectionString };
  await using storage = createStorage('files', files);
  await storage.open();
  await storage.client.create();
  const config = join(folder, 'storages.json');
  await writeFile(config, JSON.stringify({ files }));
  return config;
}

describe('doctor', () => {
  test('finds nothing in a bucket that is set up well, and leaves nothing there', async () => {
    await using bucket = await startBucket(
      { provider: 'minio' },
      { cors: UPLOADS_FROM_APP, lifecycle: ABORTED_AFTER_7_DAYS },
    );
    const { code, stdout } = await bucket.doctor('--json', '--origin', 'https://app.example.com');
    expect(lines(stdout).map(({ check, outcome }) => `${check} ${outcome}`)).toEqual([
      'list ok',
      'put ok',
      'clock ok',
      'get ok',
      'create-only ok',
      'multipart ok',
      'delete ok',
      'cors ok',
      'lifecycle ok',
    ]);
    expect(code).toBe(0);
    expect([...bucket.server.objects('bucket').keys()]).toEqual([]);
    expect(bucket.server.multipartUploads('bucket')).toEqual([]);
  });

  test('names each fault of a bucket that ignores conditions, keeps what is deleted and aborts no uploads', async () => {
    await using bucket = await startBucket(
      { provider: 'wasabi' },
      {
        cors: UPLOADS_FROM_APP,
        lifecycle: '<Error><Code>NoSuchLifecycleConfiguration</Code></Error>',
      },
    );
    bucket.server.fail({
      operation: 'DeleteObject',
      times: Infinity,
      with: { status: 403, code: 'AccessDenied' },
    });
    const { code, stdout } = await bucket.doctor('--json', '--origin', 'https://app.example.com');
    const findings = lines(stdout).filter(({ outcome }) => outcome === 'finding');
    expect(findings).toEqual([
      expect.objectContaining({
        check: 'create-only',
        advice: expect.stringContaining('provider'),
      }),
      expect.objectContaining({
        check: 'delete',
        advice: expect.stringContaining('s3:DeleteObject'),
      }),
      expect.objectContaining({
        check: 'lifecycle',
        advice: expect.stringContaining('AbortIncompleteMultipartUpload'),
      }),
    ]);
    // Of all that it could not delete.
    const left = [...bucket.server.objects('bucket').keys()];
    expect(left).toHaveLength(2);
    const { detail } = findings.find(({ check }) => check === 'delete')!;
    for (const key of left) expect(detail).toContain(key.slice('a/'.length));
    expect(code).toBe(3);
  });

  test('names a clock that is off, and what a CORS rule and a lifecycle rule of another prefix lack', async () => {
    await using bucket = await startBucket(
      { provider: 'minio', now: () => Date.now() - 5 * 60_000 },
      {
        cors: cors('<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>'),
        lifecycle: ABORTED_AFTER_7_DAYS.replace('<Prefix>', '<Prefix>b/'),
      },
    );
    const { code, stdout } = await bucket.doctor('--origin', 'https://app.example.com');
    expect(stdout).toMatch(/^finding {2}clock +the clock here is \d+ s ahead of/m);
    expect(stdout).toMatch(/^finding {2}cors .*\n.*lacks AllowedMethods PUT, AllowedHeaders/m);
    expect(stdout).toMatch(/^finding {2}lifecycle/m);
    expect(code).toBe(3);
  });

  test('judges CORS by the first rule for the origin, which it takes as browsers send it', async () => {
    const first = cors(
      '<AllowedOrigin>https://a.example.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader>',
    );
    const both =
      first.replace('</CORSConfiguration>', '') +
      UPLOADS_FROM_APP.replace('<CORSConfiguration>', '');
    await using bucket = await startBucket(
      { provider: 'minio' },
      { cors: both, lifecycle: ABORTED_AFTER_7_DAYS },
    );
    const doctor = async (origin: string) => (await bucket.doctor('--origin', origin)).stdout;
    expect(await doctor('https://a.example.com')).toMatch(
      /^finding {2}cors .*\n.*lacks ExposeHeaders ETag$/m,
    );
    expect(await doctor('HTTPS://B.example.com:443/')).toContain(
      'pages of https://b.example.com may upload',
    );
    for (const origin of [
      'b.example.com',
      'https://b.example.com/page',
      'https://u:p@b.example.com',
    ]) {
      const { code, stderr } = await bucket.doctor('--origin', origin);
      expect([origin, code]).toEqual([origin, 2]);
      expect(stderr).toContain('--origin must be scheme and host');
    }
  });

  test('tells that a bucket has no CORS rules, and passes over what it may not read', async () => {
    const error = (code: string): string => `<Error><Code>${code}</Code></Error>`;
    await using bucket = await startBucket(
      { provider: 'minio' },
      { cors: error('NoSuchCORSConfiguration'), lifecycle: error('AccessDenied') },
    );
    const { code, stdout } = await bucket.doctor('--json', '--origin', 'https://app.example.com');
    expect(lines(stdout).slice(-2)).toEqual([
      expect.objectContaining({ check: 'cors', advice: expect.stringMatching(/; it has none$/) }),
      {
        check: 'lifecycle',
        outcome: 'skipped',
        detail: expect.stringContaining('(AccessDenied); it needs the right s3:GetLifecycle'),
      },
    ]);
    expect(code).toBe(3);
  });

  test('asks for the right to read CORS rules, where no origin is told, too', async () => {
    await using bucket = await startBucket(
      { provider: 'minio' },
      {
        cors: '<Error><Code>AccessDenied</Code></Error>',
        lifecycle: '<LifecycleConfiguration/>',
      },
    );
    const { stdout } = await bucket.doctor('--json');
    expect(lines(stdout).slice(-2)).toEqual([
      {
        check: 'cors',
        outcome: 'skipped',
        detail: expect.stringContaining('(AccessDenied); it needs the right s3:GetBucketCORS'),
      },
      expect.objectContaining({ check: 'lifecycle', outcome: 'finding' }),
    ]);
  });

  test.each([
    ['of the storage, joined with tags', '<Filter><And><Prefix>a/</Prefix></And></Filter>', 'ok'],
    ['of the storage, as rules once had it', '<Prefix>a/</Prefix>', 'ok'],
    ['of no rule', '', 'ok'],
    ['of others, joined with tags', '<Filter><And><Prefix>b/</Prefix></And></Filter>', 'finding'],
  ])('finds in a lifecycle rule the prefix %s', async (_, prefix, outcome) => {
    const rules = ABORTED_AFTER_7_DAYS.replace(/<Filter>.*<\/Filter>/, prefix);
    await using bucket = await startBucket(
      { provider: 'minio' },
      { cors: cors(''), lifecycle: rules },
    );
    const { stdout } = await bucket.doctor('--json');
    expect(lines(stdout).slice(-2)).toMatchObject([
      { check: 'cors', outcome: 'ok', detail: expect.stringMatching(/^1 rules of CORS/) as string },
      { check: 'lifecycle', outcome },
    ]);
  });

  test('deletes what it has stored when it is interrupted, and names what it could not', async () => {
    await using bucket = await startBucket(
      { provider: 'minio' },
      { cors: UPLOADS_FROM_APP, lifecycle: ABORTED_AFTER_7_DAYS },
    );
    const { proxy } = bucket;
    const interrupted = new AbortController();
    const interrupt = (): Promise<void> => Promise.resolve(interrupted.abort());
    proxy.fail({ method: 'GET', url: /\/doctor-[^?]*$/, with: { before: interrupt } });
    const { signal } = interrupted;
    expect(await bucket.doctorUntil(signal)).toMatchObject({ code: 130 });
    expect([...bucket.server.objects('bucket').keys()]).toEqual([]);

    const again = new AbortController();
    proxy.fail({ method: 'PUT', with: { before: () => Promise.resolve(again.abort()) } });
    proxy.fail({ method: 'DELETE', with: { status: 403, body: '<Error/>' } });
    const { code, stdout } = await bucket.doctorUntil(again.signal);
    expect(code).toBe(130);
    expect(lines(stdout).at(-1)).toMatchObject({
      check: 'delete',
      outcome: 'finding',
      detail: expect.stringMatching(/left behind: doctor-[\w-]+$/) as string,
    });
  });

  test('deletes a file of which it is not told that its parts were joined', async () => {
    const settings = { storage: 'files', retry: parseRetryOptions({}), concurrency: 1 };
    const driver = await openDriver({ driver: 'memory' }, 'memory', settings);
    const complete = driver.completeMultipartUpload.bind(driver);
    driver.completeMultipartUpload = async (...call) => {
      await complete(...call);
      throw new StorageConnectionError('The answer was lost');
    };
    await using storage = new Storage(driver, { retry: { maxRetries: 0 } });
    const outcomes: string[] = [];
    await examine({
      storage,
      bucket: undefined,
      origin: undefined,
      signal: new AbortController().signal,
      report: async ({ check, outcome }) => void outcomes.push(`${check} ${outcome}`),
    });
    expect(outcomes).toContain('multipart finding');
    expect(outcomes).toContain('delete ok');
    expect((await storage.listPage()).files).toEqual([]);
  });

  test('says of an endpoint where something else answers that it is the endpoint, and tries no more', async () => {
    await using bucket = await startBucket(
      { provider: 'minio' },
      { cors: UPLOADS_FROM_APP, lifecycle: ABORTED_AFTER_7_DAYS },
    );
    const headers = { 'content-type': 'text/plain' };
    const body = 'default backend - 404';
    bucket.proxy.fail({ times: Infinity, with: { status: 404, headers, body } });
    const { code, stdout } = await bucket.doctor('--json');
    expect(lines(stdout)).toEqual([
      {
        check: 'list',
        outcome: 'finding',
        detail: expect.stringMatching(/answered 404 and something that is not .*: check endpoint/),
      },
    ]);
    expect(code).toBe(3);
  });

  test('reads CORS and lifecycle of a GCS bucket from its metadata, and skips what it may not read', async () => {
    await using server = await startGcsServer({ anonymous: true });
    await using proxy = await startFaultProxy({ target: server.endpoint });
    const { projectId } = server;
    const config = join(folder, 'storages.json');
    const files = { driver: 'gcs', bucket: 'bucket', projectId, apiEndpoint: proxy.endpoint };
    await writeFile(config, JSON.stringify({ files }));
    const doctor = async (metadata: object, status = 200) => {
      const answer = {
        status,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(metadata),
      };
      proxy.fail({ method: 'GET', url: /\/b\/bucket(\?|$)/, with: answer });
      const argv = ['doctor', 'files:', '--json', '--origin', 'https://app.example.com'];
      const { code, stdout } = await command([...argv, '--config', config]);
      return { code, observations: lines(stdout).slice(-2) };
    };
    const cors = {
      origin: ['https://app.example.com'],
      method: ['PUT'],
      responseHeader: ['ETag', 'Content-Type', 'x-goog-*'],
    };
    const rule = {
      action: { type: 'Delete' },
      condition: { age: 7, matchesPrefix: ['.nestjs-storages/uploads/'] },
    };
    expect(await doctor({ cors: [cors], lifecycle: { rule: [rule] } })).toEqual({
      code: 0,
      observations: [
        { check: 'cors', outcome: 'ok', detail: 'pages of https://app.example.com may upload' },
        {
          check: 'lifecycle',
          outcome: 'ok',
          detail: 'abandoned multipart uploads are removed after 7 days',
        },
      ],
    });
    const elsewhere = { ...rule, condition: { age: 7, matchesPrefix: ['logs/'] } };
    expect(
      await doctor({
        cors: [{ ...cors, responseHeader: ['Content-Type'] }],
        lifecycle: { rule: [elsewhere] },
      }),
    ).toEqual({
      code: 3,
      observations: [
        expect.objectContaining({
          check: 'cors',
          outcome: 'finding',
          advice: expect.stringMatching(/lacks responseHeader ETag$/),
        }),
        expect.objectContaining({
          check: 'lifecycle',
          outcome: 'finding',
          advice: expect.stringContaining('matchesPrefix .nestjs-storages/uploads/'),
        }),
      ],
    });
    // Of a rule without a prefix, and one of CORS that allows nothing.
    const whole = { action: { type: 'Delete' }, condition: { age: 3 } };
    expect(await doctor({ cors: [{}], lifecycle: { rule: [whole] } })).toMatchObject({
      observations: [{ outcome: 'finding' }, { outcome: 'ok' }],
    });
    expect(await doctor({})).toMatchObject({
      observations: [
        { outcome: 'finding', advice: expect.stringMatching(/; it has none$/) as string },
        { outcome: 'finding' },
      ],
    });
    expect(await doctor({ error: { code: 403, message: 'no' } }, 403)).toEqual({
      code: 0,
      observations: ['cors', 'lifecycle'].map((check) => ({
        check,
        outcome: 'skipped',
        detail: expect.stringContaining('(403); it needs the right storage.buckets.get'),
      })),
    });
  });

  test('reads the CORS rules of an Azure account, and says that the lifecycle cannot be asked for', async () => {
    await using azurite = await startAzurite();
    const { connectionString } = azurite;
    const config = await createContainer(connectionString);
    const doctor = async (allowedHeaders: string) => {
      const { BlobServiceClient } = await import('@azure/storage-blob');
      const rule = {
        allowedOrigins: 'https://*.example.com,https://example.com',
        allowedMethods: 'GET,PUT',
        allowedHeaders,
        exposedHeaders: '',
        maxAgeInSeconds: 60,
      };
      await BlobServiceClient.fromConnectionString(connectionString).setProperties({
        cors: [rule],
      });
      const argv = ['doctor', 'files:', '--json', '--origin', 'https://app.example.com'];
      const { code, stdout } = await command([...argv, '--config', config]);
      return { code, observations: lines(stdout).slice(-2) };
    };
    const lifecycle = {
      check: 'lifecycle',
      outcome: 'skipped',
      detail: expect.stringContaining('management-policy'),
    };
    expect(await doctor('content-type,x-ms-*')).toEqual({
      code: 0,
      observations: [expect.objectContaining({ check: 'cors', outcome: 'ok' }), lifecycle],
    });
    expect(await doctor('content-type')).toEqual({
      code: 3,
      observations: [
        expect.objectContaining({
          outcome: 'finding',
          advice: expect.stringMatching(/^Give the account .*lacks AllowedHeaders x-ms-blob-type$/),
        }),
        lifecycle,
      ],
    });
  });

  test('names the right for what it may not do, and tries the rest', async () => {
    await using bucket = await startBucket(
      { provider: 'minio', now: () => Date.now() + 5 * 60_000 },
      { cors: UPLOADS_FROM_APP, lifecycle: ABORTED_AFTER_7_DAYS },
    );
    const { server } = bucket;
    const denied = { status: 403, code: 'AccessDenied' };
    server.fail({ operation: 'UploadPart', times: Infinity, with: denied });
    const parts = await bucket.doctor('--json');
    expect(lines(parts.stdout).filter(({ outcome }) => outcome === 'finding')).toMatchObject([
      {
        check: 'clock',
        detail: expect.stringMatching(/^the clock here is \d+ s behind/) as string,
      },
      { check: 'multipart', advice: expect.stringContaining('s3:PutObject') as string },
    ]);
    expect(server.multipartUploads('bucket')).toEqual([]);
    server.fail({ operation: 'PutObject', times: Infinity, with: denied });
    const whole = await bucket.doctor('--json');
    expect(lines(whole.stdout).map(({ check, outcome }) => `${check} ${outcome}`)).toEqual([
      'list ok',
      'put finding',
      'multipart finding',
      'cors ok',
      'lifecycle ok',
    ]);
    expect([...server.objects('bucket').keys()]).toEqual([]);
  });

  test('asks nothing more of a service that it does not reach', async () => {
    await using bucket = await startBucket({ provider: 'minio' }, { cors: '', lifecycle: '' });
    await bucket.proxy.close();
    const { code, stdout } = await bucket.doctor('--json');
    expect(lines(stdout)).toEqual([expect.objectContaining({ check: 'list', outcome: 'finding' })]);
    expect(code).toBe(3);
  });

  test('asks a folder for no rules', async () => {
    const { code, stdout } = await command(['doctor', pathToFileURL(`${folder}/`).href, '--json']);
    expect(lines(stdout).slice(-3)).toMatchObject([
      { check: 'delete', outcome: 'ok' },
      { check: 'cors', outcome: 'skipped' },
      {
        check: 'lifecycle',
        outcome: 'skipped',
        detail: expect.stringContaining('sweep') as string,
      },
    ]);
    expect(code).toBe(0);
  });

  test('passes over the CORS rules of an Azure account that it may not read', async () => {
    await using azurite = await startAzurite();
    const { origin } = new URL(azurite.endpoint);
    await using proxy = await startFaultProxy({ target: origin });
    proxy.fail({ url: /comp=properties/, times: Infinity, with: { status: 403, body: '' } });
    const connectionString = azurite.connectionString.replace(origin, proxy.endpoint);
    const config = await createContainer(connectionString);
    const { code, stdout } = await command(['doctor', 'files:', '--json', '--config', config]);
    expect(lines(stdout).at(-2)).toEqual({
      check: 'cors',
      outcome: 'skipped',
      detail: expect.stringContaining('it needs the right Microsoft.Storage/'),
    });
    expect(code).toBe(0);
  });

  test('asks an Azure account for its CORS rules again when the connection breaks', async () => {
    await using azurite = await startAzurite();
    const { origin } = new URL(azurite.endpoint);
    await using proxy = await startFaultProxy({ target: origin });
    proxy.fail({ url: /comp=properties/, with: 'reset' });
    const connectionString = azurite.connectionString.replace(origin, proxy.endpoint);
    const config = await createContainer(connectionString);
    const { stdout } = await command(['doctor', 'files:', '--json', '--config', config]);
    expect(lines(stdout).at(-2)).toEqual({
      check: 'cors',
      outcome: 'skipped',
      detail: expect.stringContaining('0 rules of CORS'),
    });
    expect(proxy.seen('GET', /comp=properties/)).toHaveLength(2);
  });

  test('names a storage that cannot be opened, and creates nothing', async () => {
    const { code, stdout } = await command([
      'doctor',
      pathToFileURL(join(folder, 'none', '/')).href,
    ]);
    expect(stdout).toMatch(/^finding {2}open .*The folder .* does not exist\n$/);
    expect(code).toBe(3);
    expect(await readdir(folder)).toEqual([]);
  });
});
