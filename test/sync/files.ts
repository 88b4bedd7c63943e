import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { inParallel } from '../../lib/core/in-parallel.js';
import type { Storage } from '../../lib/core/storage.js';

const AT_ONCE = 32;

/** Most are small, some are empty, and a few are sent in parts. */
function sizeOf(number: number): number {
  if (number % 5000 === 7) return 12 * 1024 ** 2;
  if (number % 100 === 3) return 0;
  return number % 10 === 0 ? 20_000 + number : (number * 7919) % 2000;
}

/** Of no pattern, and the same in each run. */
function contentOf(number: number): Buffer {
  const seed = createHash('sha512').update(String(number)).digest();
  return Buffer.alloc(sizeOf(number), seed);
}

/** @returns the bytes of all of them */
export async function store(storage: Storage, count: number): Promise<number> {
  let bytes = 0;
  const numbers = Array.from({ length: count }, (_, number) => number);
  await inParallel(numbers, AT_ONCE, new AbortController().signal, async (number) => {
    const { size } = await storage.put(`${number % 37}/ü ${number}.txt`, contentOf(number), {
      metadata: { number: `n° ${number}` },
      cacheControl: `max-age=${number}`,
      ...(number % 2 === 0 && { contentLanguage: 'de' }),
    });
    bytes += size;
  });
  return bytes;
}

/** What two storages do not have alike. */
export async function differences(
  one: Storage,
  other: Storage,
): Promise<{ compared: number; problems: string[] }> {
  const problems: string[] = [];
  const keys = await keysOf(one);
  const others = new Set(await keysOf(other));
  await inParallel(keys, AT_ONCE, new AbortController().signal, async (key) => {
    if (!others.delete(key)) return void problems.push(`${key} is missing`);
    const [left, right] = await Promise.all([contents(one, key), contents(other, key)]);
    if (!isDeepStrictEqual(left, right)) problems.push(`${key} is different`);
  });
  for (const key of others) problems.push(`${key} was never stored`);
  return { compared: keys.length, problems };
}

async function keysOf(storage: Storage): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list()) keys.push(key);
  return keys;
}

/** Everything but what each version has of its own, and the checksum that not every backend keeps. */
async function contents(storage: Storage, key: string): Promise<object> {
  const download = await storage.get(key);
  const { etag: _etag, lastModified: _lastModified, checksum: _checksum, ...file } = download.file;
  return {
    file,
    sum: createHash('sha256')
      .update(await download.bytes())
      .digest('hex'),
  };
}
