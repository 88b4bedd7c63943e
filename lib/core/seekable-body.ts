import { shown } from './arguments.js';
import { openBody, type OpenBody, readBody, type StorageBody } from './body.js';
import { StorageInvalidArgumentError } from './errors.js';
import { assertCount } from './units.js';
import { uploadBody } from './upload-body.js';

/**
 * A body that can be read from anywhere, and more than once: a `Blob` (`fs.openAsBlob(path)` gives one for a file of any size), or
 * whatever else tells its size and reads a range of itself.
 */
export type SeekableBody = Blob | SeekableSource;

export interface SeekableSource {
  /** Bytes. */
  readonly size: number;
  /**
   * Reads the bytes from `start` to `end`, both counted from 0 and both included, as `fs.createReadStream(path, range)` and
   * `storage.get(key, { range })` do. Several ranges may be read at once.
   */
  read(range: { readonly start: number; readonly end: number }): StorageBody | Promise<StorageBody>;
}

/** @throws StorageInvalidArgumentError when it can only be read from its beginning, or is no body */
export function parseSeekableBody(body: SeekableBody): SeekableSource {
  if (body instanceof Blob) {
    return { size: body.size, read: ({ start, end }) => body.slice(start, end + 1) };
  }
  if (typeof body === 'object' && body !== null && 'size' in body && 'read' in body) {
    // A stream of Node has a read(), too, which takes no range.
    const isStream = 'pipe' in body || 'getReader' in body;
    if (typeof body.read === 'function' && !isStream) {
      assertCount(body.size, 'size');
      return body;
    }
  }
  throw new StorageInvalidArgumentError(
    `The body must be one that can be read from anywhere, not ${shown(body)}: a Blob, such as await fs.openAsBlob(path), ` +
      'or { size, read({ start, end }) }; a stream cannot be resumed',
  );
}

interface ReadingOptions {
  readonly signal: AbortSignal;
  readonly onWait: (waiting: boolean) => void;
  readonly onBytes: (bytes: number) => void;
}

/**
 * So many bytes of the source, from `start` on.
 *
 * @throws StorageIntegrityError when it has fewer or more
 */
export async function readSeekable(
  source: SeekableSource,
  start: number,
  size: number,
  options: ReadingOptions,
): Promise<Uint8Array> {
  if (size === 0) return new Uint8Array(0);
  const { signal } = options;
  let opened: OpenBody | undefined;
  const free = (reason: unknown): void => {
    if (opened && 'destroy' in opened) opened.destroy(reason as Error);
  };
  async function* chunks(): AsyncGenerator<unknown, void> {
    opened = openBody(await source.read({ start, end: start + size - 1 }));
    // Nobody waits for it any more.
    if (signal.aborted) free(signal.reason);
    else if ('bytes' in opened) yield opened.bytes;
    else yield* opened.chunks;
  }
  const body = { chunks: chunks(), size, destroy: free };
  try {
    return await readBody(
      uploadBody(body, { ...options, size, checksum: undefined, maxSize: size }),
    );
  } catch (error) {
    free(error);
    throw error;
  }
}
