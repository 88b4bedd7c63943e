import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { setImmediate } from 'node:timers/promises';
import { ByteCollector } from './byte-collector.js';
import { Download } from './download.js';
import { StorageIntegrityError, StorageInvalidArgumentError } from './errors.js';

const BREATHE_EVERY = 1024;

/** Streams that were given to be stored: the second time there would be nothing left in them. */
const claimed = new WeakSet<object>();

/** Iterables whose chunks are used for nothing else. */
const unsharedChunks = new WeakSet<object>();

/**
 * Says that nobody uses the memory of the chunks again, as nobody does of a stream's. Those of any other iterable are copied:
 * one that fills the same buffer again and again, or shows the memory of WebAssembly, has other bytes there by the next chunk.
 */
export function unshared<Body extends DriverBody>(body: Body): Body {
  unsharedChunks.add(body);
  return body;
}

/** What `put` takes. Streams and iterables are read once, chunk by chunk; strings are stored as UTF-8. */
export type StorageBody =
  | string
  | Uint8Array
  | ArrayBuffer
  | Blob
  | Readable
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array | string>;

/** A body as a driver reads it: bytes in memory, or chunks that arrive. */
export type DriverBody = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Reads chunks to their end. For what has to be in memory, such as a part that may be sent again. A body that is bytes already
 * is answered as it is, and stays the caller's: copy it to keep it.
 */
export async function readBody(body: DriverBody): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const collector = new ByteCollector();
  for await (const chunk of body) collector.append(chunk);
  return collector.bytes();
}

/** A body whose kind is known: bytes, or chunks of whatever the source yields. */
export type OpenBody =
  | {
      readonly bytes: Uint8Array;
      /** In bytes, when they were given. */
      readonly size: number;
    }
  | {
      readonly chunks: AsyncIterable<unknown> | Iterable<unknown>;
      /** In bytes, where it is certain. */
      readonly size: number | undefined;
      /** Whether the memory of a chunk may be used again when the next one is asked for. */
      readonly sharesChunks?: boolean;
      /** Frees the source; for when it was not read to its end. */
      destroy(reason: Error): void;
    };

/** @throws StorageInvalidArgumentError when it is no body, or one that was read before. */
export function openBody(body: StorageBody): OpenBody {
  if (typeof body === 'string') return openBytes(Buffer.from(body));
  if (body instanceof Uint8Array) return openBytes(body);
  if (ArrayBuffer.isView(body)) return openBytes(bytesOf(body));
  if (body instanceof ArrayBuffer) return openBytes(bytesOf({ buffer: body }));
  if (body instanceof Blob) return openWebStream(body.stream(), body.size);
  if (body instanceof Readable) return openReadable(body, undefined);
  if (body instanceof Download) return openReadable(body.stream, body.size);
  if (isWebStream(body)) return openWebStream(body, undefined);
  if (isIterable(body)) {
    return isForeignStream(body)
      ? openForeignStream(body)
      : {
          chunks: body,
          size: undefined,
          sharesChunks: !unsharedChunks.has(body),
          destroy() {},
        };
  }
  throw new StorageInvalidArgumentError(
    `The body must be a string, bytes, a Blob, a stream or an iterable of bytes, not ${typeName(body)}`,
  );
}

/**
 * The chunks as bytes. Waiting for the next one ends as soon as the signal is aborted, even when the source never
 * answers again.
 *
 * @param inspect sees each chunk before it is handed on, and may throw to end the body
 * @param onWait is told when the wait for the source begins, and when it is over
 * @param sharesChunks whether they have to be copied, as `OpenBody` has it
 */
export async function* readChunks(
  chunks: AsyncIterable<unknown> | Iterable<unknown>,
  signal: AbortSignal,
  inspect: (chunk: Uint8Array) => void,
  onWait: (waiting: boolean) => void = () => {},
  sharesChunks = false,
): AsyncGenerator<Uint8Array, void> {
  const iterator =
    Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  let finished = false;
  let turns = 0;
  let rejectNext: (reason: unknown) => void = () => {};
  const onAbort = (): void => rejectNext(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    for (;;) {
      // A source that never waits must not keep timers, and with them an abort, from their turn.
      if (++turns % BREATHE_EVERY === 0) await setImmediate();
      signal.throwIfAborted();
      onWait(true);
      const next = await new Promise<IteratorResult<unknown>>((resolve, reject) => {
        rejectNext = reject;
        Promise.resolve(iterator.next()).then(resolve, reject);
      });
      onWait(false);
      if (next.done) {
        finished = true;
        return;
      }
      const bytes = toBytes(next.value);
      const chunk = sharesChunks ? Buffer.from(bytes) : bytes;
      inspect(chunk);
      yield chunk;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not awaited: a source that hangs would hang the abort, too.
    if (!finished) void leave(iterator);
  }
}

async function leave(iterator: AsyncIterator<unknown> | Iterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // Why the body ended early is known already.
  }
}

function openBytes(bytes: Uint8Array): OpenBody {
  // Of memory that is elsewhere, nothing else tells: the view has no bytes left.
  if (bytes.byteLength === 0) bytesOf({ buffer: bytes.buffer });
  return { bytes, size: bytes.byteLength };
}

/** @throws StorageInvalidArgumentError when the memory was transferred */
function bytesOf(view: Pick<ArrayBufferView, 'buffer'> & Partial<ArrayBufferView>): Uint8Array {
  try {
    const { buffer, byteOffset, byteLength } = view;
    return new Uint8Array(buffer, byteOffset, byteLength);
  } catch (cause) {
    throw new StorageInvalidArgumentError(
      'The bytes are gone: their memory was transferred, as to a worker',
      { cause },
    );
  }
}

/**
 * Compares how many bytes there are with how many were given.
 *
 * @throws StorageIntegrityError when their memory was transferred or resized
 */
export function assertHeld(length: number, given: number): void {
  if (length === given) return;
  throw new StorageIntegrityError(
    `The bytes were ${given} when they were given, and are ${length}: leave their memory alone until the call has settled`,
  );
}

function openReadable(stream: Readable, size: number | undefined): OpenBody {
  claim(stream, stream.destroyed || stream.readableEnded);
  // It may fail before the driver begins to read. Whoever reads it sees that; the process must not end by it.
  stream.on('error', () => {});
  const http2 = http2StreamBehind(stream);
  // Who listens to its chunks as well must not let them flow by before the driver begins. A request over HTTP/2 that was paused
  // before its first byte was asked for would never give any.
  if (!http2 || stream.readableFlowing === true) stream.pause();
  const chunks = http2 ? readHttp2(stream, http2) : stream;
  return { chunks, size, destroy: (reason) => void stream.destroy(reason) };
}

/** What a stream of HTTP/2 tells of how it was closed. */
interface Http2Stream {
  readonly aborted: boolean;
  /** Above 0 for every reason but that all is well. */
  readonly rstCode: number | undefined;
}

/** The stream itself, or the one behind a request. */
function http2StreamBehind(body: Readable): Http2Stream | undefined {
  const { stream = body } = body as { stream?: unknown };
  if (typeof stream !== 'object' || stream === null || !('rstCode' in stream)) return undefined;
  return stream as Http2Stream;
}

/** What its sender has reset ends, without an error, as if all of it had come. */
async function* readHttp2(body: Readable, stream: Http2Stream): AsyncGenerator<unknown, void> {
  yield* body as AsyncIterable<unknown>;
  if (wasReset(stream)) throw new Error('The stream was reset before its end');
}

/** Also of one that was answered already, and then is not told to be aborted. */
export function wasReset({ aborted, rstCode }: Http2Stream): boolean {
  return aborted || (rstCode ?? 0) > 0;
}

/** As `readable-stream` makes them, and with it many a library: no instances of Node's own, and not as careful. */
function openForeignStream(stream: ForeignStream): OpenBody {
  claim(stream, stream.destroyed === true || stream.readable === false);
  const state = { error: stream.errored ?? undefined, isEnded: false };
  // Nobody else may listen, and the process must not end by it.
  stream.on('error', (error) => (state.error ??= error as Error));
  stream.on('end', () => (state.isEnded = true));
  if (stream.readableFlowing === true) stream.pause?.();
  async function* read(): AsyncGenerator<unknown, void> {
    if (state.error) throw state.error;
    yield* stream;
    // The iterators of some end with a stream that is destroyed or has failed, as if it were complete.
    if (state.error) throw state.error;
    if (!state.isEnded) throw new Error('The stream was closed before its end');
  }
  return { chunks: read(), size: undefined, destroy: (reason) => void stream.destroy?.(reason) };
}

/** Takes the stream to be read, by nobody else. @throws StorageInvalidArgumentError */
function claim(
  stream: Pick<ForeignStream, 'errored' | 'readableEncoding' | '_readableState' | 'encoding'>,
  isSpent: boolean,
): void {
  // One that failed before anybody looked tells why when it is read.
  if ((isSpent && !stream.errored) || claimed.has(stream)) {
    throw new StorageInvalidArgumentError(
      'The stream was already read or destroyed; a stream can be stored only once',
    );
  }
  const { readableEncoding, _readableState: state, encoding: own } = stream;
  const encoding = readableEncoding ?? state?.encoding ?? own ?? 'utf8';
  if (!/^utf-?8$/i.test(encoding)) {
    throw new StorageInvalidArgumentError(
      `The stream decodes its bytes as ${encoding}; take setEncoding() away, so that bytes stay bytes`,
    );
  }
  claimed.add(stream);
}

function openWebStream(stream: ReadableStream<Uint8Array>, size: number | undefined): OpenBody {
  if (stream.locked) {
    throw new StorageInvalidArgumentError(
      'The ReadableStream is locked: somebody else reads it already',
    );
  }
  // It takes web streams, too; its type does not say so.
  if (Readable.isDisturbed(stream as unknown as Readable)) {
    throw new StorageInvalidArgumentError(
      'The ReadableStream was already read from; a stream can be stored only once',
    );
  }
  const reader = stream.getReader();
  async function* read(): AsyncGenerator<unknown, void> {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  }
  return {
    chunks: read(),
    size,
    destroy: (reason) => void reader.cancel(reason).catch(() => {}),
  };
}

function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk);
  throw new StorageInvalidArgumentError(
    `The body yielded ${typeName(chunk)}; its chunks must be bytes or strings`,
  );
}

function isWebStream(value: unknown): value is ReadableStream<Uint8Array> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'getReader' in value &&
    typeof value.getReader === 'function'
  );
}

/** What tells streams of other libraries, of which each has some of the rest. */
interface ForeignStream extends AsyncIterable<unknown> {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  pipe(...args: unknown[]): unknown;
  pause?(): unknown;
  destroy?(error: Error): unknown;
  readonly readable?: boolean;
  readonly readableFlowing?: boolean | null;
  readonly readableEncoding?: string | null;
  /** Where version 3 of `readable-stream` has the encoding. */
  readonly _readableState?: { readonly encoding?: string | null };
  /** Where Minipass has it. */
  readonly encoding?: string | null;
  readonly destroyed?: boolean;
  readonly errored?: Error | null;
}

function isForeignStream(value: object): value is ForeignStream {
  if (!(Symbol.asyncIterator in value)) return false;
  const { on, pipe, readable } = value as Partial<ForeignStream>;
  return typeof on === 'function' && typeof pipe === 'function' && typeof readable === 'boolean';
}

function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  return value.constructor?.name ?? 'an object';
}
