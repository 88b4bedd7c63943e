import { getEventListeners } from 'node:events';
import { Storage } from '../../lib/core/storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

/** What a signal keeps: its listeners, and on some releases of Node.js each signal that was ever made of it. */
function keptBy(signal: AbortSignal): number {
  const fields = signal as unknown as Record<symbol, { size?: number } | undefined>;
  const kept = Object.getOwnPropertySymbols(signal)
    .filter((symbol) => symbol.description?.includes('Signals'))
    .map((symbol) => fields[symbol]?.size ?? 0);
  return kept.reduce((sum, size) => sum + size, getEventListeners(signal, 'abort').length);
}

describe('getBytes() with a totalTimeout', () => {
  test('leaves nothing on a signal that lives long', async () => {
    const { driver } = await recordingDriver();
    const storage = new Storage(driver, { totalTimeout: 60_000 });
    const { signal } = new AbortController();
    await storage.put('key', 'text');
    for (let n = 0; n < 20; n++) {
      await storage.getBytes('key', { signal });
      await expect(storage.getBytes('missing', { signal })).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
      });
    }
    expect(keptBy(signal)).toBe(0);
  });

  test('is ended by its signal, before and while it reads', async () => {
    let begun = (): void => {};
    const { driver, calls } = await recordingDriver(() => ({
      get: (_key, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
          begun();
        }),
    }));
    const storage = new Storage(driver, { totalTimeout: 60_000 });
    const aborted = storage.getBytes('key', { signal: AbortSignal.abort('before') });
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', cause: 'before' });
    expect(calls).toEqual([]);
    const controller = new AbortController();
    begun = () => controller.abort('while');
    const ended = storage.getBytes('key', { signal: controller.signal });
    await expect(ended).rejects.toMatchObject({ code: 'ABORTED', cause: 'while' });
  });
});
