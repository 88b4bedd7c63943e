import { StorageError, StoragePermissionError } from '../../../lib/core/errors.js';
import {
  type OpenAzure,
  putOptions,
  signal,
  listAll,
  openDriver,
  useAzurite,
} from './open-azure.js';

const { open } = useAzurite();
const BATCH = /comp=batch/;
/** Whoever may delete files, and send no batches. */
const NO_BATCHES = {
  method: 'POST',
  url: BATCH,
  with: { status: 403, headers: { 'x-ms-error-code': 'AuthorizationPermissionMismatch' } },
};

/** The answer to a batch of three keys: one is deleted, one fails in passing, one is not there. */
const MIXED_ANSWER = {
  status: 202,
  headers: {
    'content-type': 'multipart/mixed; boundary=answers',
    'x-ms-request-id': 'id',
  },
  body: [202, 503, 404]
    .map((status, index) =>
      [
        '--answers',
        'Content-Type: application/http',
        `Content-ID: ${index}`,
        '',
        `HTTP/1.1 ${status} Status`,
        ...(status === 503 ? ['x-ms-error-code: ServerBusy'] : []),
        ...(status === 404 ? ['x-ms-error-code: BlobNotFound'] : []),
        '',
        '',
      ].join('\r\n'),
    )
    .join('')
    .concat('--answers--\r\n'),
};

async function fill({ other }: OpenAzure, count: number): Promise<string[]> {
  const keys = Array.from(
    { length: count },
    (_, index) => `k${String(index).padStart(4, '0')} ä#?`,
  );
  const left = keys.values();
  const worker = async (): Promise<void> => {
    for (const key of left) await other.put(key, Buffer.from('x'), putOptions());
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return keys;
}

/** As the storage calls the driver: batch by batch. */
async function deleteAll(
  { driver }: OpenAzure,
  keys: readonly string[],
): Promise<{ key: string; error: StorageError }[]> {
  const size = driver.capabilities.limits.deleteBatch;
  const failed: { key: string; error: StorageError }[] = [];
  for (let start = 0; start < keys.length; start += size) {
    failed.push(...(await driver.deleteMany(keys.slice(start, start + size), { signal })).failed);
  }
  return failed;
}

describe('deleting', () => {
  test('a full batch is one request, and what is not there counts as deleted', async () => {
    await using azure = await open();
    const keys = await fill(azure, 255);
    expect(await deleteAll(azure, [...keys, 'missing'])).toEqual([]);
    expect(azure.proxy.requests).toHaveLength(1);
    expect((await listAll(azure.driver)).keys).toEqual([]);
  });

  test('a thousand files reports exactly the three that could not be deleted', async () => {
    await using azure = await open();
    const keys = await fill(azure, 1000);
    const leased = [keys[3]!, keys[500]!, keys[999]!];
    for (const key of leased) {
      await azure.direct.getBlobClient(key).getBlobLeaseClient().acquireLease(-1);
    }
    const failed = await deleteAll(azure, keys);
    expect(failed.map(({ key }) => key)).toEqual(leased);
    for (const { error } of failed) {
      expect(error).toBeInstanceOf(StoragePermissionError);
      expect(error.message).toContain('lease');
    }
    expect((await listAll(azure.driver)).keys).toEqual(leased);
  });

  test('reports the refusal of a single key, and rejects what is wrong with all of them', async () => {
    await using azure = await open({ retry: { maxRetries: 0 } });
    const [key = ''] = await fill(azure, 1);
    const lease = azure.direct.getBlobClient(key).getBlobLeaseClient();
    await lease.acquireLease(-1);
    const { failed } = await azure.driver.deleteMany([key], { signal });
    expect(failed).toEqual([{ key, error: expect.any(StoragePermissionError) }]);
    await lease.releaseLease();
    for (const [status, name, code] of [
      [403, 'AuthenticationFailed', 'PERMISSION_DENIED'],
      [404, 'ContainerNotFound', 'CONFIGURATION'],
      [503, 'ServerBusy', 'RATE_LIMITED'],
    ] as const) {
      const headers = { 'x-ms-error-code': name };
      azure.proxy.fail({ method: 'DELETE', with: { status, headers } });
      const deleting = azure.driver.deleteMany([key], { signal });
      await expect(deleting).rejects.toMatchObject({ code });
    }
    const abort = AbortSignal.abort();
    await expect(azure.driver.deleteMany([key], { signal: abort })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    expect((await listAll(azure.driver)).keys).toEqual([key]);
  });

  test('takes snapshots along', async () => {
    await using azure = await open();
    const keys = await fill(azure, 3);
    for (const key of keys) await azure.direct.getBlobClient(key).createSnapshot();
    await azure.driver.deleteMany(keys.slice(0, 2), { signal });
    await azure.driver.deleteMany(keys.slice(2), { signal });
    const left = [];
    for await (const blob of azure.direct.listBlobsFlat({ includeSnapshots: true }))
      left.push(blob);
    expect(left).toEqual([]);
  });

  test('rejects when the call fails as a whole', async () => {
    await using azure = await open({ retry: { maxRetries: 1 } });
    const keys = await fill(azure, 3);
    azure.proxy.fail({ method: 'POST', url: BATCH, times: Infinity, with: { status: 500 } });
    await expect(azure.driver.deleteMany(keys, { signal })).rejects.toThrow(StorageError);
    expect(azure.proxy.requests).toHaveLength(2);
    expect((await listAll(azure.driver)).keys).toEqual(keys);
  });

  test('repeats a batch whose answer is lost', async () => {
    await using azure = await open();
    const keys = await fill(azure, 3);
    azure.proxy.fail({ method: 'POST', url: BATCH, with: 'lose-answer' });
    expect(await azure.driver.deleteMany(keys, { signal })).toEqual({ failed: [] });
  });

  test('repeats a batch whose answer breaks off in its body', async () => {
    await using azure = await open();
    const keys = await fill(azure, 3);
    azure.proxy.fail({ method: 'POST', url: BATCH, with: { truncateAnswerAt: 10 } });
    expect(await azure.driver.deleteMany(keys, { signal })).toEqual({ failed: [] });
    azure.proxy.fail({ method: 'POST', url: BATCH, times: Infinity, with: { resetAnswerAt: 10 } });
    await expect(azure.driver.deleteMany(keys, { signal })).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      retryable: true,
    });
  });

  test('tries those again that fail in passing, and only those', async () => {
    await using azure = await open();
    const keys = await fill(azure, 3);
    azure.proxy.fail({ method: 'POST', url: BATCH, with: MIXED_ANSWER });
    expect(await azure.driver.deleteMany(keys, { signal })).toEqual({ failed: [] });
    expect(azure.proxy.requests).toHaveLength(2);
    expect((await listAll(azure.driver)).keys).toEqual([keys[0], keys[2]]);
  });

  test('tries none again later than the total timeout', async () => {
    const retry = { baseDelay: 600_000, jitter: false, totalTimeout: 60_000 };
    await using azure = await open({ retry });
    const keys = await fill(azure, 3);
    azure.proxy.fail({ method: 'POST', url: BATCH, with: MIXED_ANSWER });
    const { failed } = await azure.driver.deleteMany(keys, { signal });
    expect(failed.map(({ key }) => key)).toEqual([keys[1]]);
    expect(azure.proxy.requests).toHaveLength(1);
  });

  test('goes one by one where batches are not allowed', async () => {
    await using azure = await open();
    const keys = await fill(azure, 20);
    azure.proxy.fail(NO_BATCHES);
    await azure.direct.getBlobClient(keys[7]!).getBlobLeaseClient().acquireLease(-1);
    const { failed } = await azure.driver.deleteMany(keys, { signal });
    expect(failed.map(({ key }) => key)).toEqual([keys[7]]);
    expect(azure.proxy.seen('DELETE')).toHaveLength(20);
  });

  test('rejects when it is aborted while it goes one by one', async () => {
    await using azure = await open();
    const keys = await fill(azure, 5);
    azure.proxy.fail(NO_BATCHES);
    azure.proxy.fail({ method: 'DELETE', times: Infinity, with: 'stall' });
    const controller = new AbortController();
    const deleting = azure.driver.deleteMany(keys, { signal: controller.signal });
    await azure.proxy.until(() => azure.proxy.seen('DELETE').length > 0);
    controller.abort();
    await expect(deleting).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('works with a signature for the container', async () => {
    await using azure = await open();
    const keys = await fill(azure, 5);
    const { ContainerSASPermissions } = await import('@azure/storage-blob');
    const url = new URL(
      await azure.direct.generateSasUrl({
        permissions: ContainerSASPermissions.parse('rd'),
        expiresOn: new Date(Date.now() + 600_000),
      }),
    );
    const accountUrl = azure.proxy.endpoint + url.pathname.slice(0, url.pathname.lastIndexOf('/'));
    const driver = await openDriver({
      container: azure.container,
      accountUrl,
      sasToken: url.search,
    });
    expect(await driver.deleteMany(keys, { signal })).toEqual({ failed: [] });
    await driver.close();
    expect((await listAll(azure.driver)).keys).toEqual([]);
  });
});
