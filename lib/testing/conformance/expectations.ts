import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type StorageError, StorageUnsupportedError } from '../../core/errors.js';
import { inParallel } from '../../core/in-parallel.js';
import type { ListOptions, ListPageOptions } from '../../core/storage-methods.js';
import type { Storage } from '../../core/storage.js';

type ErrorClass<E extends StorageError> = abstract new (...parameters: never[]) => E;

/** The error with which the call is refused. An option that is unsupported stays that error, whatever was expected. */
export async function rejection<E extends StorageError>(
  call: Promise<unknown>,
  kind: ErrorClass<E>,
): Promise<E> {
  let value: unknown;
  try {
    value = await call;
  } catch (error) {
    if (error instanceof kind) return error;
    if (error instanceof StorageUnsupportedError) throw error;
    throw new assert.AssertionError({
      message: `expected a ${kind.name}, but it was: ${String(error)}`,
      actual: error,
      expected: kind.name,
    });
  }
  throw new assert.AssertionError({
    message: `expected a ${kind.name}, but the call succeeded`,
    actual: value,
    expected: kind.name,
  });
}

/** The index of the one call that succeeds; every other is refused by the kind of error. */
export async function assertOneWins<E extends StorageError>(
  calls: readonly Promise<unknown>[],
  kind: ErrorClass<E>,
): Promise<number> {
  const results = await Promise.allSettled(calls);
  const winners: number[] = [];
  for (const [index, result] of results.entries()) {
    if (result.status === 'fulfilled') winners.push(index);
    else await rejection(Promise.reject(result.reason as Error), kind);
  }
  assert.equal(winners.length, 1, `${winners.length} of ${calls.length} calls succeeded`);
  return winners[0]!;
}

/** Compares without printing megabytes. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array | string): void {
  const wanted = typeof expected === 'string' ? Buffer.from(expected) : expected;
  assert.equal(actual.byteLength, wanted.byteLength, 'number of bytes');
  if (Buffer.compare(actual, wanted) === 0) return;
  const first = actual.findIndex((byte, index) => byte !== wanted[index]);
  assert.fail(`the bytes differ from byte ${first} on`);
}

export async function assertHolds(
  storage: Storage,
  key: string,
  expected: Uint8Array | string,
): Promise<void> {
  assertBytes(await storage.getBytes(key), expected);
}

/** Neither by its key nor in a listing. */
export async function assertMissing(storage: Storage, key: string): Promise<void> {
  assert.equal(await storage.exists(key), false, `${JSON.stringify(key)} must not exist`);
  assert.deepEqual(await listKeys(storage, key), []);
}

export async function listKeys(
  storage: Storage,
  prefix: string,
  options: ListOptions = {},
): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(prefix, options)) keys.push(key);
  return keys;
}

/** All pages of a listing, each as the keys and prefixes on it. */
export async function listPages(
  storage: Storage,
  options: ListPageOptions,
): Promise<{ keys: string[]; prefixes: string[] }[]> {
  const pages: { keys: string[]; prefixes: string[] }[] = [];
  let cursor: string | undefined;
  do {
    const page = await storage.listPage({ ...options, ...(cursor !== undefined && { cursor }) });
    pages.push({ keys: page.files.map(({ key }) => key), prefixes: [...page.prefixes] });
    assert.notEqual(page.cursor, cursor ?? '', 'a page must not name itself as the next one');
    cursor = page.cursor;
    assert.ok(pages.length <= 2000, 'the pages of a listing must end');
  } while (cursor !== undefined);
  return pages;
}

/** Stores a small file under each of the keys, 32 at once. */
export async function putAll(storage: Storage, keys: readonly string[]): Promise<void> {
  const { signal } = new AbortController();
  await inParallel(keys, 32, signal, (key) => storage.put(key, key));
}

/** Another text, with another first character: of the last one of a signature in Base64, a decoder may not read all bits. */
export function altered(text: string): string {
  return (text.startsWith('1') ? '2' : '1') + text.slice(1);
}

/** Asks again until it is refused: the clock that decides may be behind ours. */
export async function untilRefused(ask: () => Promise<Response>): Promise<void> {
  const end = Date.now() + 5000;
  while (!(await isRefused(ask()))) {
    assert.ok(Date.now() < end, 'what is over must be refused');
    await sleep(50);
  }
}

/** Whether a server answers that the request is at fault, or asks for what there is not. */
export async function isRefused(response: Promise<Response>): Promise<boolean> {
  const { status, body } = await response;
  await body?.cancel();
  return (status >= 400 && status < 500) || status === 501;
}
