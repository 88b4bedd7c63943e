import { StorageConnectionError } from '../../../lib/core/errors.js';
import { FAULTED_BACKENDS, openFaulted } from '../../faults/backends.js';

const MEDIA = /key\?alt=media|key$|key\?x-id/;
const RETRY = { maxRetries: 2, baseDelay: 1 };

describe.each(['s3', 'gcs'] as const)('getBytes of a body that breaks off, on %s,', (name) => {
  test('reads it anew, as often as the options say', async () => {
    await using backend = await FAULTED_BACKENDS[name]();
    await using opened = await openFaulted(backend, 'files/', { retry: RETRY });
    const { proxy, storage, direct } = opened;
    const bytes = Buffer.alloc(300_000, 'bytes');
    await direct.put('key', bytes);
    const broken = proxy.fail({ url: MEDIA, times: 2, with: { resetAnswerAt: 100_000 } });
    expect((await storage.getBytes('key')).equals(bytes)).toBe(true);
    expect(broken.hits).toBe(2);
    const always = proxy.fail({ url: MEDIA, times: Infinity, with: { resetAnswerAt: 100_000 } });
    await expect(storage.getBytes('key')).rejects.toThrow(StorageConnectionError);
    expect(always.hits).toBe(3);
    // What was told of it cannot be taken back.
    await expect(storage.getBytes('key', { onProgress() {} })).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      retryable: true,
      operation: 'get',
      key: 'key',
    });
    expect(always.hits).toBe(4);
  });

  test('is not repeated inside of what repeats it already', async () => {
    await using backend = await FAULTED_BACKENDS[name]();
    await using opened = await openFaulted(backend, 'files/', { retry: RETRY });
    const { proxy, storage, direct } = opened;
    await direct.put('key', 'bytes');
    const fault = proxy.fail({ url: MEDIA, times: Infinity, with: { status: 503 } });
    await expect(storage.getBytes('key')).rejects.toMatchObject({ retryable: true });
    expect(fault.hits).toBe(3);
  });
});
