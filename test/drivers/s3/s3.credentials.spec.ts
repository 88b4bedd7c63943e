import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StorageAbortedError, StorageTimeoutError } from '../../../lib/core/errors.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { createS3Driver } from '../../../lib/drivers/s3/s3.driver.js';
import { holdTimeouts } from '../../held-timeouts.js';
import { openS3, type OpenS3, putOptions, signal } from './open-s3.js';

const VARIABLES = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_PROFILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_ROLE_ARN',
  'AWS_ENDPOINT_URL_STS',
  'HOME',
];

describe('credentials of a token service that is silent', () => {
  const before = VARIABLES.map((name) => [name, process.env[name]] as const);
  let folder: string;
  let s3: OpenS3;
  let sts: Server;
  let isSilent: boolean;
  const asked: ServerResponse[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 's3-credentials-'));
    s3 = await openS3({ server: { sessionToken: 'token' }, sessionToken: 'token' });
    await s3.driver.put('key', Buffer.from('x'), putOptions());
    isSilent = true;
    sts = createServer((_request, response) => {
      asked.push(response);
      sts.emit('asked');
      if (!isSilent) response.end(answer(s3.server.credentials));
    });
    await once(sts.listen(0, '127.0.0.1'), 'listening');
    await writeFile(join(folder, 'token'), 'token');
    for (const name of VARIABLES) delete process.env[name];
    process.env['HOME'] = folder;
    process.env['AWS_WEB_IDENTITY_TOKEN_FILE'] = join(folder, 'token');
    process.env['AWS_ROLE_ARN'] = 'arn:aws:iam::123456789012:role/files';
    const { port } = sts.address() as AddressInfo;
    process.env['AWS_ENDPOINT_URL_STS'] = `http://127.0.0.1:${port}`;
  });

  afterEach(async () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    sts.closeAllConnections();
    sts.close();
    await s3[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  function open(timeout?: number): Promise<StorageDriver> {
    const { endpoint, region } = s3.server;
    return createS3Driver(
      { bucket: 'bucket', endpoint, region, provider: 'aws', forcePathStyle: true },
      {
        storage: 'files',
        retry: parseRetryOptions({ maxRetries: 0 }),
        concurrency: 4,
        ...(timeout !== undefined && { timeout }),
      },
    );
  }

  test('do not keep an abort waiting', async () => {
    const driver = await open();
    const abort = new AbortController();
    const settled = driver.info('key', { signal: abort.signal }).catch((error: unknown) => error);
    await once(sts, 'asked');
    abort.abort();
    expect(await settled).toBeInstanceOf(StorageAbortedError);
    await driver.close();
  });

  test('are waited for as long as for any answer, and hold up no call that comes when it answers again', async () => {
    const driver = await open(60_000);
    {
      using timeouts = holdTimeouts();
      const call = driver.info('key', { signal });
      const settled = Promise.allSettled([call]);
      await once(sts, 'asked');
      await timeouts.passUntil(settled);
      await expect(call).rejects.toThrow(StorageTimeoutError);
    }
    isSilent = false;
    for (const response of asked) response.destroy();
    expect((await driver.info('key', { signal })).size).toBe(1);
    await driver.close();
  });
});

function answer(credentials: { accessKeyId: string; secretAccessKey: string }): string {
  const { accessKeyId, secretAccessKey } = credentials;
  const expiration = new Date(Date.now() + 3_600_000).toISOString();
  return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>token</SessionToken><Expiration>${expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
}
