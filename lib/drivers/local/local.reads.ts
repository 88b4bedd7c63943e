import type { BigIntStats } from 'node:fs';
import { Readable } from 'node:stream';
import { checkReadConditions } from '../../core/conditions.js';
import {
  StorageAbortedError,
  StorageConnectionError,
  StorageFileNotFoundError,
  StorageIntegrityError,
} from '../../core/errors.js';
import { resolveRange } from '../../core/range.js';
import type { DriverDownload, DriverGetOptions } from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { linkDenied, notRegular, throwIfAborted, toStorageError } from './local.errors.js';
import { isSameVersion } from './local.identity.js';
import { describeFile, type Recorded } from './local.metadata.js';
import { close, read } from './local.system-calls.js';
import type { LocalContext } from './local.writes.js';

/** One version of a file, held open. */
export interface OpenVersion {
  readonly descriptor: number;
  readonly stats: BigIntStats;
  readonly recorded: Recorded | undefined;
}

const BYTES_AT_ONCE = 64 * 1024;
const CHUNK_BYTES = 512 * 1024;
const ATTEMPTS = 100;
const ATTEMPTS_ELSEWHERE = 3;

/**
 * Opens what is stored under the key, with the metadata of that very version. The caller closes the descriptor.
 *
 * The metadata is looked up first and the path judged afterwards: if the file is still at its path then, no writer can
 * have removed its metadata before.
 */
export function openVersion(
  context: LocalContext,
  key: string,
  signal: AbortSignal,
): Promise<OpenVersion> {
  return context.slots.reads.use(() => findVersion(context, key, signal), signal);
}

async function findVersion(
  { root, known }: LocalContext,
  key: string,
  signal: AbortSignal,
): Promise<OpenVersion> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    throwIfAborted(signal);
    const descriptor = await root.openFile(key);
    let kept = false;
    try {
      const stats = await root.openFiles.fstat(descriptor);
      if (stats.isDirectory()) throw new StorageFileNotFoundError(undefined, { key });
      if (!stats.isFile()) throw notRegular({ key });
      const recorded = await known.read(key, stats);
      const place = await root.locate(descriptor, key, stats);
      // Elsewhere: over a link, or the file was moved after it was opened; then the path does not lead to it any more.
      if (place === 'elsewhere' && attempt >= ATTEMPTS_ELSEWHERE) {
        const there = await root.versionAt(root.pathOf(key));
        const isLinked = there && (there.isSymbolicLink() || isSameVersion(there, stats));
        if (isLinked) throw linkDenied({ key });
      }
      kept = place === 'here' || (place === 'gone' && recorded !== undefined);
      if (kept) return { descriptor, stats, recorded };
    } finally {
      if (!kept) await root.openFiles.close(descriptor);
    }
  }
  throw new StorageConnectionError('The file is replaced faster than it can be opened', { key });
}

export async function readInfo(
  context: LocalContext,
  key: string,
  signal: AbortSignal,
): Promise<StoredFile> {
  const { descriptor, stats, recorded } = await openVersion(context, key, signal);
  await context.root.openFiles.close(descriptor);
  return describeFile(key, stats, recorded);
}

/** Conditions, range and body are all of the one version that is open. */
export async function readFile(
  context: LocalContext,
  key: string,
  options: DriverGetOptions,
): Promise<DriverDownload> {
  const { descriptor, stats, recorded } = await openVersion(context, key, options.signal);
  let handedOver = false;
  try {
    const file = describeFile(key, stats, recorded);
    checkReadConditions(file, options);
    const range = options.range && resolveRange(options.range, file.size);
    const start = range?.start ?? 0;
    const end = range ? range.end + 1 : file.size;
    throwIfAborted(options.signal);
    let body: Uint8Array | Readable;
    if (end - start <= BYTES_AT_ONCE) {
      body = await readBytes(descriptor, start, end, key);
    } else {
      body = new FileStream(descriptor, start, end, key, options.signal);
      handedOver = true;
    }
    return range ? { file, range, body } : { file, body };
  } finally {
    if (!handedOver) await context.root.openFiles.close(descriptor);
  }
}

async function readBytes(
  descriptor: number,
  start: number,
  end: number,
  key: string,
): Promise<Uint8Array> {
  // Not from Node's pool: the bytes may be handed on as an ArrayBuffer.
  const bytes = Buffer.allocUnsafeSlow(end - start);
  for (let filled = 0; filled < bytes.byteLength;) {
    const count = await read(descriptor, bytes, filled, start + filled);
    if (count === 0) throw tooShort(key);
    filled += count;
  }
  return bytes;
}

/** The bytes of an open file. Closes the descriptor at the end, on error and on `destroy()`. */
class FileStream extends Readable {
  #position: number;
  #reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly descriptor: number,
    start: number,
    private readonly end: number,
    private readonly key: string,
    private readonly signal: AbortSignal,
  ) {
    super({ highWaterMark: CHUNK_BYTES });
    this.#position = start;
    signal.addEventListener('abort', this.#onAbort);
  }

  override _read(): void {
    this.#reading = this.#readChunk().catch((error: unknown) => {
      this.destroy(toStorageError(error, this.key));
    });
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.signal.removeEventListener('abort', this.#onAbort);
    // The descriptor's number may be given out again at once: not while a read is under way.
    void this.#reading
      .then(() => close(this.descriptor))
      .then(
        () => done(error),
        (closing: unknown) => done(error ?? toStorageError(closing, this.key)),
      );
  }

  readonly #onAbort = (): void => {
    this.destroy(
      new StorageAbortedError(undefined, { key: this.key, cause: this.signal.reason as unknown }),
    );
  };

  async #readChunk(): Promise<void> {
    const length = Math.min(CHUNK_BYTES, this.end - this.#position);
    if (length === 0) {
      this.push(null);
      return;
    }
    const chunk = Buffer.allocUnsafeSlow(length);
    const count = await read(this.descriptor, chunk, 0, this.#position);
    if (this.destroyed) return;
    if (count === 0) throw tooShort(this.key);
    this.#position += count;
    this.push(count === length ? chunk : chunk.subarray(0, count));
  }
}

function tooShort(key: string): StorageIntegrityError {
  return new StorageIntegrityError(
    'The file became shorter while it was read: another program changed it in place',
    { key },
  );
}
