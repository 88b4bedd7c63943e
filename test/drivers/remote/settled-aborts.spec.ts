import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { ContainerClient } from '@azure/storage-blob';
import { StorageAbortedError, StorageFileNotFoundError } from '../../../lib/core/errors.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { createS3Driver } from '../../../lib/drivers/s3/s3.driver.js';
import { startGcsServer } from '../../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../../lib/testing/s3-server/index.js';
import { connectionString } from '../azure/azurite.js';
import {
  type FaultProxy,
  type ProxyFaultOptions,
  startFaultProxy,
} from '../../../lib/testing/fault-proxy/index.js';
import {
  chunks,
  MIB,
  openDriver as openAzureDriver,
  putOptions,
  readKey,
  signal,
  until,
  useAzurite,
} from '../azure/open-azure.js';
import { holdTimeouts } from '../../held-timeouts.js';
import { clientOf, openDriver as openGcs } from '../gcs/open-gcs.js';
import { openDriver as openS3 } from '../s3/open-s3.js';

const fixture = useAzurite();
const { open: openAzure } = fixture;

interface Opened extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly driver: StorageDriver;
  /** Past the proxy. */
  readonly direct: StorageDriver;
}

/** What each driver needs to be opened behind a proxy, and the requests by which it commits a write. */
interface Service {
  readonly open: (timeout?: number) => Promise<Opened>;
  readonly commits: Readonly<Record<Write, Omit<ProxyFaultOptions, 'with'>>>;
  readonly partSize: number;
}

type Write =
  'put' | 'put in parts' | 'copy' | 'part' | 'multipart upload' | 'delete' | 'delete of many';

const services: Readonly<Record<string, Service>> = {
  azure: {
    open: async (timeout) => {
      const azure = await openAzure(timeout === undefined ? {} : { timeout });
      const { proxy, driver, other: direct } = azure;
      return { proxy, driver, direct, [Symbol.asyncDispose]: () => azure[Symbol.asyncDispose]() };
    },
    commits: {
      put: { method: 'PUT', url: /\/key$/ },
      'put in parts': { method: 'PUT', url: /comp=blocklist/ },
      copy: { method: 'PUT', url: /\/key$/ },
      part: { method: 'PUT', url: /comp=block(&|$)/ },
      'multipart upload': { method: 'PUT', url: /\/key$/ },
      delete: { method: 'DELETE' },
      'delete of many': { method: 'POST', url: /comp=batch/ },
    },
    partSize: MIB,
  },
  s3: {
    open: async (timeout) => {
      const server = await startS3Server({ defaultChecksum: 'none' });
      const proxy = await startFaultProxy({ target: server.endpoint });
      const given = timeout === undefined ? {} : { timeout };
      const driver = await openS3(server, { endpoint: proxy.endpoint, ...given });
      const direct = await openS3(server);
      return {
        proxy,
        driver,
        direct,
        [Symbol.asyncDispose]: closer(driver, direct, proxy, server),
      };
    },
    commits: {
      put: { method: 'PUT', url: /\/key$/ },
      'put in parts': { method: 'POST', url: /uploadId=/ },
      copy: { method: 'PUT', url: /\/key$/ },
      part: { method: 'PUT', url: /partNumber=/ },
      'multipart upload': { method: 'POST', url: /uploadId=/ },
      delete: { method: 'DELETE' },
      'delete of many': { method: 'POST', url: /\?delete/ },
    },
    partSize: 5 * MIB,
  },
  gcs: {
    open: async (timeout) => {
      const server = await startGcsServer();
      const proxy = await startFaultProxy({ target: server.endpoint });
      const given = timeout === undefined ? {} : { timeout };
      const client = clientOf({
        ...server,
        clientOptions: { ...server.clientOptions, apiEndpoint: proxy.endpoint },
      });
      const driver = await openGcs(server, { ...given, client });
      const direct = await openGcs(server);
      return {
        proxy,
        driver,
        direct,
        [Symbol.asyncDispose]: closer(driver, direct, proxy, server),
      };
    },
    commits: {
      // The first is refused, because something is stored.
      put: { method: 'POST', url: /uploadType=multipart/, after: 1 },
      'put in parts': { method: 'PUT', url: /upload_id=/, after: 1 },
      copy: { method: 'POST', url: /rewriteTo/ },
      part: { method: 'POST', url: /uploadType=multipart/ },
      'multipart upload': { method: 'POST', url: /\/compose/ },
      delete: { method: 'DELETE' },
      'delete of many': { method: 'POST', url: /\/batch/ },
    },
    partSize: MIB,
  },
};

function closer(
  driver: StorageDriver,
  direct: StorageDriver,
  proxy: FaultProxy,
  server: { close(): Promise<void> },
): () => Promise<void> {
  return async () => {
    await driver.close();
    await direct.close();
    await proxy[Symbol.asyncDispose]();
    await server.close();
  };
}

const OLD = 'old';

/** A write that is ready to be made, and whether it has been. */
interface Prepared {
  readonly write: (abort: AbortSignal) => Promise<unknown>;
  readonly isDone: () => Promise<boolean>;
}

async function prepare(
  { driver, direct }: Opened,
  kind: Write,
  partSize: number,
): Promise<Prepared> {
  await direct.put('key', Buffer.from(OLD), putOptions());
  const bytes = randomBytes(kind === 'put in parts' ? 2 * partSize : 1000);
  const isStored = async (): Promise<boolean> => (await readKey(direct, 'key')).equals(bytes);
  const isGone = async (): Promise<boolean> => {
    try {
      await direct.info('key', { signal });
      return false;
    } catch (error) {
      if (error instanceof StorageFileNotFoundError) return true;
      throw error;
    }
  };
  switch (kind) {
    case 'put':
    case 'put in parts':
      return {
        write: (abort) => driver.put('key', chunks(bytes), putOptions({ signal: abort, partSize })),
        isDone: isStored,
      };
    case 'copy':
      await direct.put('from', bytes, putOptions());
      return { write: (abort) => driver.copy('from', 'key', { signal: abort }), isDone: isStored };
    case 'part': {
      const uploadId = await direct.startMultipartUpload('key', putOptions());
      const upload = { key: 'key', uploadId };
      return {
        write: (abort) => driver.uploadPart(upload, 1, bytes, { signal: abort }),
        isDone: async () => (await direct.listParts(upload, { signal })).length === 1,
      };
    }
    case 'multipart upload': {
      const uploadId = await direct.startMultipartUpload('key', putOptions());
      const upload = { key: 'key', uploadId };
      const part = await direct.uploadPart(upload, 1, bytes, { signal });
      return {
        write: (abort) => driver.completeMultipartUpload(upload, [part], { signal: abort }),
        isDone: isStored,
      };
    }
    case 'delete':
      return { write: (abort) => driver.deleteMany(['key'], { signal: abort }), isDone: isGone };
    case 'delete of many':
      return {
        write: (abort) => driver.deleteMany(['key', 'other'], { signal: abort }),
        isDone: isGone,
      };
  }
}

describe.each(Object.entries(services))('%s', (_, { open, commits, partSize }) => {
  const kinds = Object.keys(commits) as Write[];

  test.each(kinds)('a %s that the service has whole when it is aborted succeeds', async (kind) => {
    await using service = await open();
    const { proxy } = service;
    const { write, isDone } = await prepare(service, kind, partSize);
    let letGo = (): void => {};
    const hold = new Promise<void>((resolve) => (letGo = resolve));
    proxy.fail({ ...commits[kind], with: { hold } });
    const abort = new AbortController();
    const outcome = settlement(write(abort.signal));
    await until(() => proxy.held === 1);
    abort.abort();
    // Whatever does not wait for the answer has rejected by then.
    for (let turn = 0; turn < 500; turn++) await setImmediate();
    letGo();
    expect(await outcome).toBe('done');
    await until(() => proxy.held + proxy.forwarding === 0);
    expect(await isDone()).toBe(true);
  });

  test.each(kinds)('a %s on which the service keeps silent is given up', async (kind) => {
    await using service = await open(300);
    const { proxy } = service;
    const { write, isDone } = await prepare(service, kind, partSize);
    const rule = { ...commits[kind], times: Infinity };
    proxy.fail({ ...rule, with: 'stall' });
    const abort = new AbortController();
    const outcome = settlement(write(abort.signal));
    const [method, after] = [rule.method!, rule.after ?? 0];
    await until(() => proxy.seen(method, rule.url).length > after);
    const reason = new Error('enough');
    abort.abort(reason);
    const error = await outcome;
    expect(error).toBeInstanceOf(StorageAbortedError);
    expect((error as Error).cause).toBe(reason);
    expect(await isDone()).toBe(false);
  });

  test.each(kinds.filter((kind) => kind !== 'part' && !kind.startsWith('delete')))(
    'a %s that took place succeeds although its answer never comes',
    async (kind) => {
      await using service = await open(300);
      const { proxy } = service;
      const { write, isDone } = await prepare(service, kind, partSize);
      proxy.fail({ ...commits[kind], with: 'keep-answer' });
      const abort = new AbortController();
      const outcome = settlement(write(abort.signal));
      while (!(await isDone())) await setImmediate();
      abort.abort();
      expect(await outcome).toBe('done');
    },
  );

  test('a put of which bytes are still to be sent is cut, and not waited for', async () => {
    await using service = await open();
    const { proxy, driver, direct } = service;
    await direct.put('key', Buffer.from(OLD), putOptions());
    const { method, url } = commits.put;
    proxy.fail({ method: method!, url: url!, with: 'unread' });
    const abort = new AbortController();
    // More than the buffers of a connection hold.
    const options = putOptions({ signal: abort.signal, partSize: 64 * MIB });
    const outcome = settlement(driver.put('key', Buffer.alloc(40 * MIB), options));
    await until(() => proxy.seen(method!, url!).length === 1);
    // Whoever waited for the answer would wait for ever.
    using _held = holdTimeouts();
    abort.abort();
    expect(await outcome).toBeInstanceOf(StorageAbortedError);
    expect(String(await readKey(direct, 'key'))).toBe(OLD);
  });
});

describe('a client of one’s own, whose connections nobody can watch,', () => {
  const azure = (origin: string, container: string): Promise<StorageDriver> => {
    const path = new URL(fixture.azurite.endpoint).pathname;
    const client = new ContainerClient(connectionString(origin + path), container);
    return openAzureDriver({ client, container });
  };

  test('of Azure has its answer, too', async () => {
    await using opened = await openAzure();
    const driver = await azure(opened.proxy.endpoint, opened.container);
    await expectAnswered(opened.proxy, driver, { method: 'PUT', url: /\/key$/ });
    expect(String(await readKey(opened.other, 'key'))).toBe('new');
    await driver.close();
  });

  test('of S3 has its answer, too', async () => {
    const opened = await services['s3']!.open();
    await using _ = opened;
    const client = new S3Client({
      endpoint: opened.proxy.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: (opened.direct as StorageDriver<S3Client>).client.config.credentials,
    });
    const driver = await createS3Driver(
      { bucket: 'bucket', client },
      { storage: 'files', retry: parseRetryOptions({ baseDelay: 1 }), concurrency: 4 },
    );
    await expectAnswered(opened.proxy, driver, { method: 'PUT', url: /\/key/ });
    expect(String(await readKey(opened.direct, 'key'))).toBe('new');
    await driver.close();
    client.destroy();
  });
});

/** A put is answered although it was aborted when the service had it whole. */
async function expectAnswered(
  proxy: FaultProxy,
  driver: StorageDriver,
  rule: Omit<ProxyFaultOptions, 'with'>,
): Promise<void> {
  let letGo = (): void => {};
  proxy.fail({ ...rule, with: { hold: new Promise((resolve) => (letGo = resolve)) } });
  const abort = new AbortController();
  const put = driver.put('key', Buffer.from('new'), putOptions({ signal: abort.signal }));
  const outcome = settlement(put);
  await until(() => proxy.held === 1);
  abort.abort();
  for (let turn = 0; turn < 500; turn++) await setImmediate();
  letGo();
  expect(await outcome).toBe('done');
}

function settlement(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'done',
    (error: unknown) => error,
  );
}
