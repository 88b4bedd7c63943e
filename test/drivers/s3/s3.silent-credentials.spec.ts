import { S3Client } from '@aws-sdk/client-s3';
import { StorageAbortedError, StorageTimeoutError } from '../../../lib/core/errors.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { holdTimeouts } from '../../held-timeouts.js';
import { chunks, openDriver, openS3, PART, putOptions } from './open-s3.js';

type Credentials = S3Client['config']['credentials'];

/** Credentials that do not come before they are let, and a promise of the moment at which they are asked for. */
function silentCredentials(working?: Credentials) {
  let ask = (): void => {};
  let come = (): void => {};
  const asked = new Promise<void>((resolve) => (ask = resolve));
  const allowed = new Promise<void>((resolve) => (come = resolve));
  const credentials: Credentials = async () => {
    ask();
    await allowed;
    return working!();
  };
  return { asked, come, credentials };
}

type Call = (driver: StorageDriver, signal: AbortSignal) => Promise<unknown>;

const CALLS: Record<string, Call> = {
  info: (driver, signal) => driver.info('key', { signal }),
  put: (driver, signal) => driver.put('key', Buffer.from('new'), putOptions({ signal })),
  'put in parts': (driver, signal) =>
    driver.put('key', chunks(Buffer.alloc(2 * PART)), putOptions({ signal })),
  copy: (driver, signal) => driver.copy('key', 'other', { signal }),
  deleteMany: (driver, signal) => driver.deleteMany(['key'], { signal }),
  url: (driver, signal) => driver.url('key', { signal, expiresIn: 60 }),
  'uploadUrl by POST': (driver, signal) =>
    driver.uploadUrl('key', { signal, expiresIn: 60, method: 'POST' }),
};

describe.each(['direct', 'sdk', 'of a client that was given'])('credentials, %s', (engine) => {
  test.each(Object.entries(CALLS))(
    'that do not come hold up no abort of %s',
    async (_name, call) => {
      await using s3 = await openS3();
      const { asked, credentials } = silentCredentials();
      const { endpoint, region } = s3.server;
      const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
      const driver =
        engine === 'direct' || engine === 'sdk'
          ? await openDriver(s3.server, { engine })
          : await openDriver(s3.server, { client });
      driver.client.config.credentials = client.config.credentials;
      const abort = new AbortController();
      const calling = call(driver, abort.signal);
      await asked;
      abort.abort();
      await expect(calling).rejects.toBeInstanceOf(StorageAbortedError);
      expect(s3.server.requests).toEqual([]);
      client.destroy();
      await driver.close();
    },
  );
});

test.each(['direct', 'sdk'] as const)('credentials are given up in time, %s', async (engine) => {
  const timeout = 60_000;
  await using s3 = await openS3({ engine, timeout, retry: { maxRetries: 0 } });
  const working = s3.driver.client.config.credentials;
  const { signal } = new AbortController();
  for (const name of ['info', 'url']) {
    const { asked, credentials } = silentCredentials();
    s3.driver.client.config.credentials = credentials;
    using timeouts = holdTimeouts();
    const call = CALLS[name]!(s3.driver, signal);
    const settled = Promise.allSettled([call]);
    await asked;
    await timeouts.passUntil(settled);
    await expect(call).rejects.toBeInstanceOf(StorageTimeoutError);
  }
  s3.driver.client.config.credentials = working;
  await s3.driver.put('key', Buffer.from('new'), putOptions({ signal }));
});

test.each(['direct', 'sdk'] as const)(
  'what was given up is not sent when the credentials come after all, %s',
  async (engine) => {
    await using s3 = await openS3({ engine, timeout: 60_000, retry: { maxRetries: 0 } });
    const working = s3.driver.client.config.credentials;
    const { signal } = new AbortController();
    for (const name of ['put', 'deleteMany']) {
      const { asked, come, credentials } = silentCredentials(working);
      s3.driver.client.config.credentials = credentials;
      using timeouts = holdTimeouts();
      const call = CALLS[name]!(s3.driver, signal);
      const settled = Promise.allSettled([call]);
      await asked;
      await timeouts.passUntil(settled);
      await expect(call).rejects.toBeInstanceOf(StorageTimeoutError);
      come();
    }
    s3.driver.client.config.credentials = working;
    // Comes after what they would have sent.
    await s3.driver.put('key', Buffer.from('new'), putOptions({ signal }));
    expect(s3.server.requests.map(({ operation }) => operation)).toEqual(['PutObject']);
  },
);
