import { setMaxListeners } from 'node:events';
import { Readable } from 'node:stream';
import { parseAttributes } from '../../lib/core/attributes.js';
import type {
  DriverDownload,
  DriverListOptions,
  DriverPutOptions,
  ListPage,
  StorageDriver,
} from '../../lib/core/storage-driver.js';
import type { FileAttributes } from '../../lib/core/stored-file.js';

/** A signal that is never aborted. */
export const signal = new AbortController().signal;
setMaxListeners(0, signal);

export function putOptions(
  options: Partial<DriverPutOptions> & FileAttributes = {},
): DriverPutOptions {
  const { contentType, metadata, ...rest } = options;
  return {
    signal,
    ...rest,
    ...parseAttributes('x', {
      ...(contentType !== undefined && { contentType }),
      ...(metadata !== undefined && { metadata }),
    }),
  };
}

/** So many bytes, in chunks, without saying how many. */
export async function* chunks(
  bytes: Uint8Array,
  size = 64 * 1024,
): AsyncGenerator<Uint8Array, void> {
  for (let start = 0; start < bytes.byteLength; start += size) {
    yield bytes.subarray(start, start + size);
  }
}

export async function read({ body }: DriverDownload): Promise<Buffer> {
  if (!(body instanceof Readable)) return Buffer.from(body);
  return Buffer.concat(await body.toArray());
}

export async function listAll(
  driver: StorageDriver,
  options: Partial<DriverListOptions> = {},
): Promise<{ keys: string[]; prefixes: string[]; pages: ListPage[] }> {
  const pages: ListPage[] = [];
  for await (const page of driver.list({ prefix: '', pageSize: 1000, signal, ...options })) {
    pages.push(page);
  }
  return {
    keys: pages.flatMap(({ files }) => files.map(({ key }) => key)),
    prefixes: pages.flatMap(({ prefixes }) => prefixes),
    pages,
  };
}

/** Keys that something on the way might decode, encode, fold or split. */
export const ODD_KEYS = [
  'plain.txt',
  'with space.txt',
  'plus+plus.txt',
  'percent%20literal%.txt',
  'question?mark=1&b=2',
  'hash#tag',
  'quote\'and"double',
  'semi;colon,comma:at@',
  'brackets[1](2){3}<4>',
  'star*bang!dollar$tilde~',
  'pipe|caret^back`tick',
  'ünïcödé/日本語/🙂.png',
  'deep/er/and/deeper.txt',
  '...dots/..x/.y',
  ' leading and trailing ',
];
