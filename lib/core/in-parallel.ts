import { setMaxListeners } from 'node:events';

/**
 * Calls `work` for each item, so many at once, and answers the results in the order of the items. The first failure cuts the
 * others, by their signal, and it rejects when none is under way any more.
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  concurrency: number,
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);
  // One listener for each call under way.
  setMaxListeners(0, stopped);
  const results: Result[] = [];
  let next = 0;
  let failed: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, stopped);
      } catch (error) {
        failed ??= { error };
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  if (failed) throw signal.aborted ? signal.reason : (failed as { error: unknown }).error;
  return results;
}
