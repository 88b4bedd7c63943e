import { StorageAbortedError, StorageTimeoutError } from '../../lib/core/errors.js';
import { FAULTED_BACKENDS, type FaultedBackend, openFaulted } from './backends.js';

const NO_RETRY = { maxRetries: 0 };

describe.each(Object.entries(FAULTED_BACKENDS))('calls to %s', (_name, start) => {
  let backend: FaultedBackend;

  beforeAll(async () => {
    backend = await start();
  });
  afterAll(() => backend[Symbol.asyncDispose]());

  it('wait for a connection in the order of asking, when there are no more than two', async () => {
    await using faulted = await openFaulted(backend, 'fair/', { maxSockets: 2, retry: NO_RETRY });
    const { storage, direct, proxy } = faulted;
    const keys = Array.from({ length: 12 }, (_, number) => `key-${number}`);
    for (const key of keys) await direct.put(key, key);
    // A token, where there are tokens, has come before.
    await storage.info('key-0');
    const before = proxy.requests.length;
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    proxy.fail({ times: 2, with: { before: () => gate } });
    const abort = new AbortController();
    const calls = keys.map((key) =>
      storage.info(key, key === 'key-5' ? { signal: abort.signal } : {}),
    );
    const settled = Promise.allSettled(calls);
    await proxy.until(({ requests }) => requests.length === before + 2);
    abort.abort();
    await expect(calls[5]).rejects.toBeInstanceOf(StorageAbortedError);
    expect(proxy.requests).toHaveLength(before + 2);
    open();
    await settled;
    const asked = proxy.requests.slice(before).map(({ url }) => /key-\d+/.exec(url)?.[0]);
    const others = keys.filter((key) => key !== 'key-5');
    // Two are under way at once, so two that come together may change places.
    for (const [index, key] of asked.entries()) {
      expect(Math.abs(others.indexOf(key!) - index)).toBeLessThanOrEqual(1);
    }
    expect(asked).toHaveLength(others.length);
    expect(proxy.connections).toBeLessThanOrEqual(2);
    for (const key of others) expect(await calls[keys.indexOf(key)]).toMatchObject({ key });
  });

  it('end when each connection is held by a download that waits for another one', async () => {
    await using faulted = await openFaulted(backend, 'held/', { maxSockets: 2, timeout: 1000 });
    const { storage, direct, proxy } = faulted;
    await direct.put('source', Buffer.alloc(12 * 1024 ** 2));
    const held = [await storage.get('source'), await storage.get('source')];
    const copies = held.map((download, number) => storage.put(`copy-${number}`, download));
    for (const settled of await Promise.allSettled(copies)) {
      if (settled.status === 'fulfilled') continue;
      expect(settled.reason).toBeInstanceOf(StorageTimeoutError);
      expect(settled.reason).toMatchObject({
        operation: 'put',
        retryable: false,
        message: expect.stringContaining('raise maxSockets') as string,
      });
    }
    // Whatever has failed has given its connection back.
    await expect(storage.info('source')).resolves.toMatchObject({ key: 'source' });
    await proxy.until(({ inFlight }) => inFlight === 0);
    expect(backend.unfinished('held/')).toEqual([]);
  });

  it('wait longer than the idle time for a connection on which something moves', async () => {
    await using faulted = await openFaulted(backend, 'live/', { maxSockets: 1, timeout: 1200 });
    const { storage, direct, proxy } = faulted;
    await direct.put('key', Buffer.alloc(96_000));
    proxy.fail({ times: 2, with: { bytesPerSecond: 40_000 } });
    const reading = storage.getBytes('key');
    await proxy.until(({ inFlight }) => inFlight === 1);
    await expect(storage.info('key')).resolves.toMatchObject({ size: 96_000 });
    await expect(reading).resolves.toHaveLength(96_000);
  });

  it('end by totalTimeout, though the backend keeps talking and calls are repeated', async () => {
    await using faulted = await openFaulted(backend, 'total/', {
      totalTimeout: 300,
      retry: { maxRetries: Infinity, baseDelay: 20, maxDelay: 20 },
    });
    const { storage, direct, proxy } = faulted;
    await direct.put('key', Buffer.alloc(100_000));
    proxy.fail({ times: Infinity, with: { status: 503 } });
    await expect(storage.info('key')).rejects.toBeInstanceOf(StorageTimeoutError);
    proxy.clearFaults();
    proxy.fail({ times: Infinity, with: { bytesPerSecond: 1000 } });
    const reading = storage.get('key').then((download) => download.bytes());
    await expect(reading).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('300 ms') as string,
    });
    proxy.clearFaults();
    await proxy.until(({ inFlight }) => inFlight === 0);
  });

  it('end by totalTimeout, though a body that is too slow could be read anew', async () => {
    await using faulted = await openFaulted(backend, 'anew/', {
      totalTimeout: 300,
      retry: { maxRetries: Infinity, baseDelay: 0 },
    });
    const { storage, direct, proxy } = faulted;
    await direct.put('key', Buffer.alloc(100_000));
    proxy.fail({ times: Infinity, with: { bytesPerSecond: 1000 } });
    await expect(storage.getBytes('key')).rejects.toMatchObject({
      code: 'TIMEOUT',
      operation: 'get',
      message: expect.stringContaining('300 ms') as string,
    });
  });
});
