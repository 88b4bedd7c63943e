import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { StorageInvalidArgumentError } from './errors.js';

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

/** A body whose kind is known: `size` where it is certain, and a way to let go of the source. */
export interface OpenBody {
  readonly content: DriverBody;
  readonly size: number | undefined;
  /** Frees the source; for when it was not read to its end. */
  destroy(reason: Error): void;
}

/** @throws StorageInvalidArgumentError when it is no body, or one that was read before. */
export function openBody(body: StorageBody): OpenBody {
  if (typeof body === 'string') return inMemory(Buffer.from(body));
  if (body instanceof Uint8Array) return inMemory(body);
  if (ArrayBuffer.isView(body)) {
    return inMemory(new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
  }
  if (body instanceof ArrayBuffer) return inMemory(new Uint8Array(body));
  if (body instanceof Blob) return openWebStream(body.stream(), body.size);
  if (body instanceof Readable) return openReadable(body);
  if (isWebStream(body)) return openWebStream(body, undefined);
  if (isIterable(body)) {
    const chunks = toBytes(body);
    return { content: chunks, size: undefined, destroy: () => void chunks.return(undefined) };
  }
  throw new StorageInvalidArgumentError(
    `The body must be a string, bytes, a Blob, a stream or an iterable of bytes, not ${typeName(body)}`,
  );
}

/** Reads a body to its end. For what has to be in memory, such as a part that may be sent again. */
export async function readBody(content: DriverBody): Promise<Uint8Array> {
  if (content instanceof Uint8Array) return content;
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/**
 * The same chunks, but waiting for the next one ends as soon as the signal is aborted, even when the source never
 * answers again.
 */
export async function* abortable(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const iterator = chunks[Symbol.asyncIterator]();
  let rejectNext: (reason: unknown) => void = () => {};
  const onAbort = (): void => rejectNext(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        rejectNext = reject;
        iterator.next().then(resolve, reject);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not awaited: a source that hangs would hang the abort, too.
    iterator.return?.()?.then(undefined, () => {});
  }
}

function inMemory(bytes: Uint8Array): OpenBody {
  return { content: bytes, size: bytes.byteLength, destroy() {} };
}

function openReadable(stream: Readable): OpenBody {
  if (stream.destroyed || stream.readableEnded) {
    throw new StorageInvalidArgumentError(
      'The stream was already read or destroyed; a stream can be stored only once',
      { cause: stream.errored ?? undefined },
    );
  }
  const encoding = stream.readableEncoding;
  if (encoding !== null && encoding !== 'utf8') {
    throw new StorageInvalidArgumentError(
      `The stream decodes its bytes as ${encoding}; take setEncoding() away, so that bytes stay bytes`,
    );
  }
  return {
    content: toBytes(stream),
    size: undefined,
    destroy(reason) {
      // Somebody must listen, or destroy() would end the process with the error that the caller gets from put().
      stream.on('error', () => {});
      stream.destroy(reason);
    },
  };
}

function openWebStream(stream: ReadableStream<Uint8Array>, size: number | undefined): OpenBody {
  if (stream.locked) {
    throw new StorageInvalidArgumentError(
      'The ReadableStream is locked: somebody else reads it already',
    );
  }
  const reader = stream.getReader();
  const chunks = (async function* () {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  })();
  return {
    content: toBytes(chunks),
    size,
    destroy: (reason) => void reader.cancel(reason).catch(() => {}),
  };
}

async function* toBytes(
  chunks: AsyncIterable<unknown> | Iterable<unknown>,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of chunks) {
    if (chunk instanceof Uint8Array) yield chunk;
    else if (typeof chunk === 'string') yield Buffer.from(chunk);
    else {
      throw new StorageInvalidArgumentError(
        `The body yielded ${typeName(chunk)}; its chunks must be bytes or strings`,
      );
    }
  }
}

function isWebStream(value: object): value is ReadableStream<Uint8Array> {
  return 'getReader' in value && typeof value.getReader === 'function';
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
