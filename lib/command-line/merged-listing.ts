import { compareKeys } from '../core/key.js';
import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';

/** One key, and the file under it on each side that has one. */
export interface Pair {
  readonly key: string;
  readonly source?: StoredFile;
  readonly target?: StoredFile;
}

/**
 * Yields every key of two storages in order, with one page of each listing in memory: `list` of every driver is in the order of the
 * keys' UTF-8 bytes.
 *
 * @throws Error for a listing in another order, as directory buckets of S3 have it: what one side lacks would be anybody's guess
 */
export async function* mergedListing(
  from: Storage,
  to: Storage,
  options: { prefix: string; startAfter?: string | undefined; signal: AbortSignal },
): AsyncGenerator<Pair, void> {
  const { prefix, startAfter, signal } = options;
  const listed = { signal, ...(startAfter !== undefined && { startAfter }) };
  const sources = inOrder(from, from.list(prefix, listed));
  const targets = inOrder(to, to.list(prefix, listed));
  try {
    let [source, target] = await Promise.all([sources.next(), targets.next()]);
    while (!source.done || !target.done) {
      const order = source.done
        ? 1
        : target.done
          ? -1
          : compareKeys(source.value.key, target.value.key);
      const pair = {
        ...(order <= 0 && !source.done && { source: source.value }),
        ...(order >= 0 && !target.done && { target: target.value }),
      };
      yield { key: (pair.source ?? pair.target)!.key, ...pair };
      if (pair.source) source = await sources.next();
      if (pair.target) target = await targets.next();
    }
  } finally {
    await Promise.all([sources.return(), targets.return()]);
  }
}

async function* inOrder(
  { name }: Storage,
  files: AsyncIterable<StoredFile>,
): AsyncGenerator<StoredFile, void> {
  let last: string | undefined;
  for await (const file of files) {
    if (last !== undefined && compareKeys(file.key, last) <= 0) {
      throw new Error(
        `The storage "${name}" does not list its files in the order of their keys, so that they cannot be compared with others`,
      );
    }
    last = file.key;
    yield file;
  }
}
