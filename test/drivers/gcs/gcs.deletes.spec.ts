import {
  StorageAbortedError,
  StorageConfigurationError,
  StorageConnectionError,
  StoragePermissionError,
} from '../../../lib/core/errors.js';
import {
  ODD_KEYS,
  openDriver,
  openGcs,
  putOptions,
  rejection,
  signal,
  started,
} from './open-gcs.js';

describe('deleteMany', () => {
  test('deletes one key by one request, whether it is there or not', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', Buffer.from('x'), putOptions());
    gcs.server.clearRequests();
    for (let times = 0; times < 2; times++) {
      expect(await gcs.driver.deleteMany(['key'], { signal })).toEqual({ failed: [] });
    }
    expect(gcs.operations()).toEqual(['objects.delete', 'objects.delete']);
    expect(gcs.server.objects('bucket').size).toBe(0);
  });

  test('of a thousand keys sends ten batches, and reports exactly the three that fail', async () => {
    await using gcs = await openGcs();
    const keys = Array.from({ length: 1000 }, (_, index) => `file ${index}`);
    await Promise.all(keys.map((key) => gcs.server.putObject('bucket', key, 'x')));
    const planted = ['file 7', 'file 500', 'file 999'];
    gcs.server.failKeys({
      operation: 'objects.delete',
      keys: planted,
      status: 403,
      reason: 'retentionPolicyNotMet',
    });
    const { failed } = await gcs.driver.deleteMany(keys, { signal });
    expect(failed.map(({ key }) => key).toSorted()).toEqual(planted.toSorted());
    for (const { error } of failed) expect(error).toBeInstanceOf(StoragePermissionError);
    expect([...gcs.server.objects('bucket').keys()].toSorted()).toEqual(planted.toSorted());
    expect(gcs.operations()).toEqual(Array.from({ length: 10 }, () => 'batch'));
  });

  test('tries keys again that fail in passing, and only these', async () => {
    await using gcs = await openGcs();
    const keys = ['a', 'b', 'c'];
    for (const key of keys) await gcs.server.putObject('bucket', key, 'x');
    gcs.server.failKeys({
      operation: 'objects.delete',
      keys: ['b'],
      status: 429,
      reason: 'rateLimitExceeded',
      times: 2,
    });
    expect(await gcs.driver.deleteMany(keys, { signal })).toEqual({ failed: [] });
    const calls = gcs.server.requests.map((request) => request.calls?.map(({ key }) => key));
    expect(calls.filter(Boolean)).toEqual([keys, ['b'], ['b']]);
    expect(gcs.server.objects('bucket').size).toBe(0);
  });

  test('reports keys that fail in passing to the end', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 1 } });
    gcs.server.failKeys({
      operation: 'objects.delete',
      keys: ['b'],
      status: 503,
      reason: 'backendError',
    });
    const { failed } = await gcs.driver.deleteMany(['a', 'b'], { signal });
    expect(failed).toEqual([{ key: 'b', error: expect.any(StorageConnectionError) }]);
    expect(gcs.operations()).toEqual(['batch', 'batch']);
  });

  test('waits for no further attempt when there is nothing left to try again', async () => {
    await using gcs = await openGcs({ retry: { baseDelay: 600_000, jitter: false } });
    gcs.server.failKeys({
      operation: 'objects.delete',
      keys: ['b'],
      status: 403,
      reason: 'retentionPolicyNotMet',
    });
    const { failed } = await gcs.driver.deleteMany(['a', 'b'], { signal });
    expect(failed.map(({ key }) => key)).toEqual(['b']);
    expect(gcs.operations()).toEqual(['batch']);
  });

  test('tries no key again later than the total timeout', async () => {
    const retry = { baseDelay: 600_000, jitter: false, totalTimeout: 60_000 };
    await using gcs = await openGcs({ retry });
    gcs.server.failKeys({
      operation: 'objects.delete',
      keys: ['b'],
      status: 503,
      reason: 'backendError',
    });
    const { failed } = await gcs.driver.deleteMany(['a', 'b'], { signal });
    expect(failed.map(({ key }) => key)).toEqual(['b']);
    expect(gcs.operations()).toEqual(['batch']);
  });

  test('keeps what was refused for good when others are tried again', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 2 } });
    const fault = { operation: 'objects.delete', reason: 'x' } as const;
    gcs.server.failKeys({ ...fault, keys: ['a'], status: 403 });
    gcs.server.failKeys({ ...fault, keys: ['b'], status: 503, times: 1 });
    gcs.server.failKeys({ ...fault, keys: ['c'], status: 503 });
    const { failed } = await gcs.driver.deleteMany(['a', 'b', 'c'], { signal });
    expect(failed.map(({ key }) => key)).toEqual(['a', 'c']);
    const calls = gcs.server.requests.flatMap(({ calls: batch }) => batch ?? []);
    expect(calls.map(({ key }) => key).join('')).toBe('abcbcc');
  });

  test('counts what is not there as deleted', async () => {
    await using gcs = await openGcs();
    expect(await gcs.driver.deleteMany(['a', 'b'], { signal })).toEqual({ failed: [] });
  });

  test('takes keys of all kinds', async () => {
    await using gcs = await openGcs();
    for (const key of [...ODD_KEYS, 'stays']) await gcs.server.putObject('bucket', key, 'x');
    expect(await gcs.driver.deleteMany(ODD_KEYS, { signal })).toEqual({ failed: [] });
    expect([...gcs.server.objects('bucket').keys()]).toEqual(['stays']);
  });

  test('does nothing for no keys', async () => {
    await using gcs = await openGcs();
    expect(await gcs.driver.deleteMany([], { signal })).toEqual({ failed: [] });
    expect(gcs.server.requests).toHaveLength(0);
  });

  test('makes up for the lost answer of a batch', async () => {
    await using gcs = await openGcs();
    for (const key of ['a', 'b']) await gcs.server.putObject('bucket', key, 'x');
    gcs.server.fail({ operation: 'batch', with: 'reset-after-commit' });
    expect(await gcs.driver.deleteMany(['a', 'b'], { signal })).toEqual({ failed: [] });
    expect(gcs.server.objects('bucket').size).toBe(0);
  });

  test('reports one key that is refused as it reports one of many', async () => {
    await using gcs = await openGcs();
    await gcs.server.putObject('bucket', 'kept', 'x');
    gcs.server.fail({
      operation: 'objects.delete',
      with: { status: 403, reason: 'retentionPolicyNotMet' },
    });
    const { failed } = await gcs.driver.deleteMany(['kept'], { signal });
    expect(failed).toEqual([{ key: 'kept', error: expect.any(StoragePermissionError) }]);
    gcs.server.fail({ operation: 'objects.delete', times: Infinity, with: 'reset' });
    const cut = gcs.driver.deleteMany(['kept'], { signal });
    await expect(cut).rejects.toThrow(StorageConnectionError);
  });

  test('rejects when a batch fails as a whole', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    gcs.server.fail({ operation: 'batch', with: { status: 403, reason: 'forbidden' } });
    const denied = gcs.driver.deleteMany(['a', 'b'], { signal });
    await expect(denied).rejects.toThrow(StoragePermissionError);
    gcs.server.fail({ operation: 'batch', with: { truncateBodyAt: 100 } });
    const cut = gcs.driver.deleteMany(['a', 'b'], { signal });
    await expect(cut).rejects.toThrow(StorageConnectionError);
  });

  test('of one key is no failure of that when it is aborted', async () => {
    await using gcs = await openGcs({ timeout: 300 });
    gcs.server.fail({ operation: 'objects.delete', with: 'stall' });
    const abort = new AbortController();
    const deleting = rejection(gcs.driver.deleteMany(['a'], { signal: abort.signal }));
    await started(gcs.server, 'objects.delete');
    abort.abort();
    expect(await deleting).toBeInstanceOf(StorageAbortedError);
  });

  test.each([
    ['"7"', '7'],
    ['"other"', '1'],
  ])('of one key with the etag %s is of the generation %s', async (ifMatch, generation) => {
    await using gcs = await openGcs();
    await gcs.driver.put('a', Buffer.from('x'), putOptions());
    gcs.server.clearRequests();
    const { failed } = await gcs.driver.deleteMany(['a'], { signal, ifMatch });
    expect(failed).toMatchObject([{ key: 'a', error: { code: 'PRECONDITION_FAILED' } }]);
    expect(gcs.server.requests[0]!.query).toEqual({ ifGenerationMatch: generation });
    expect(gcs.server.object('bucket', 'a')).toBeDefined();
  });

  test('gives all batches up when it is aborted and no answer comes', async () => {
    await using gcs = await openGcs({ timeout: 300 });
    gcs.server.fail({ operation: 'batch', times: Infinity, with: 'stall' });
    const abort = new AbortController();
    const keys = Array.from({ length: 1000 }, (_, index) => String(index));
    const deleting = gcs.driver.deleteMany(keys, { signal: abort.signal });
    await started(gcs.server, 'batch', 4);
    abort.abort();
    await expect(deleting).rejects.toThrow(StorageAbortedError);
    await gcs.server.until(({ inFlight }) => inFlight === 0);
    expect(gcs.operations()).toHaveLength(4);
  });

  test('in a bucket that is not there is a wrong configuration', async () => {
    await using gcs = await openGcs();
    const driver = await openDriver(gcs.server, { bucket: 'nowhere' });
    for (const keys of [['a'], ['a', 'b']]) {
      const deleting = driver.deleteMany(keys, { signal });
      await expect(deleting).rejects.toThrow(StorageConfigurationError);
    }
    await driver.close();
  });
});
