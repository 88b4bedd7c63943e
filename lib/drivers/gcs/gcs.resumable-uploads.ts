import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningChecksum, startChecksum } from '../../core/checksum.js';
import { StorageConnectionError, StorageError } from '../../core/errors.js';
import { retryDelay } from '../../core/retry.js';
import type { DriverPutOptions } from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { nextChunk } from '../remote/body-failure.js';
import type { GcsBucket } from './gcs.client.js';
import {
  ABSENT,
  assertStored,
  findWritten,
  fixedGeneration,
  newWriteToken,
} from './gcs.commits.js';
import { conditionError, type GcsAnswer, headerOf } from './gcs.errors.js';
import { fileOf, type GcsObject, OBJECT_FIELDS, parseObject, toResource } from './gcs.metadata.js';
import {
  expectOk,
  type GcsRequest,
  jsonBody,
  jsonOf,
  refusal,
  send,
  sendOnce,
  uploadPath,
} from './gcs.requests.js';

const CANCEL_TIMEOUT = 30_000;

/** A stretch of the body. Its bytes hold until the one after the next is asked for. */
interface Chunk {
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/** How far the service is: it has so many bytes, or the object is stored. */
type Progress = { readonly persisted: number } | { readonly stored: GcsObject };

/** A body in memory, cut into chunks. */
export async function* bytesInChunks(
  bytes: Uint8Array,
  chunkSize: number,
): AsyncGenerator<Chunk, void> {
  for (let start = 0; start < bytes.byteLength; start += chunkSize) {
    const end = start + chunkSize;
    yield { bytes: bytes.subarray(start, end), last: end >= bytes.byteLength };
  }
}

/**
 * A body that arrives, gathered into chunks in two buffers that take turns: one is filled while the other is sent. That of
 * the beginning is one of them.
 *
 * @param beginning more than a chunk, which was read of it already
 * @throws BodyFailure
 */
export async function* streamInChunks(
  body: AsyncIterator<Uint8Array>,
  beginning: Uint8Array,
  chunkSize: number,
): AsyncGenerator<Chunk, void> {
  let other = beginning.subarray(0, chunkSize);
  yield { bytes: other, last: false };
  let filling: Uint8Array = Buffer.allocUnsafeSlow(chunkSize);
  let filled = 0;
  let next: IteratorResult<Uint8Array> = { value: beginning.subarray(chunkSize) };
  for (; !next.done; next = await nextChunk(body)) {
    for (let rest = next.value; rest.byteLength > 0;) {
      // Full, and more to come, so it is not the last.
      if (filled === chunkSize) {
        yield { bytes: filling, last: false };
        [filling, other] = [other, filling];
        filled = 0;
      }
      const taken = rest.subarray(0, chunkSize - filled);
      filling.set(taken, filled);
      filled += taken.byteLength;
      rest = rest.subarray(taken.byteLength);
    }
  }
  yield { bytes: filling.subarray(0, filled), last: true };
}

/**
 * One resumable upload: a session that takes the body chunk after chunk, and stores it as a whole with the last one. What
 * became of a chunk whose answer was lost is asked of the session, never guessed, and it goes on from where the service is. It
 * rejects when no request is under way and the session is cancelled.
 *
 * A session is committed once at most, whatever is repeated, so an unconditional upload needs no generation precondition to
 * be safe. It has none, for a body that was read cannot be sent again when another writer was faster.
 */
export class ResumableUpload {
  readonly #signal: AbortSignal;
  readonly #token = newWriteToken();
  readonly #crc32c: RunningChecksum = startChecksum('crc32c');
  #session: Readonly<Record<string, string>> | undefined;
  /** Where the next chunk begins. */
  #start = 0;
  #lastSent = false;
  #failed: { readonly error: unknown } | undefined;

  constructor(
    private readonly bucket: GcsBucket,
    private readonly key: string,
    private readonly options: DriverPutOptions,
    /** Ends the reading of the body, too. */
    private readonly stop: AbortController,
  ) {
    this.#signal = AbortSignal.any([options.signal, stop.signal]);
    setMaxListeners(0, this.#signal);
  }

  /** Whether the service does not know the session any more. */
  isLost = false;

  async run(chunks: AsyncGenerator<Chunk, void>): Promise<StoredFile> {
    let stored: GcsObject;
    try {
      await this.#open();
      stored = await this.#sendAll(chunks);
    } catch (error) {
      this.#fail(error);
      const written = await this.#giveUp();
      if (!written)
        throw this.options.signal.aborted ? this.options.signal.reason : this.#failed!.error;
      stored = written;
    }
    await assertStored(this.bucket, stored, this.#crc32c.digest().value);
    return fileOf(stored);
  }

  /** Never cut short: a session whose address did not arrive could not be cancelled. */
  async #open(): Promise<void> {
    const { bucket, key, options } = this;
    const { contentType, size, checksum } = options;
    const resource = {
      ...toResource(options, this.#token),
      ...(checksum?.algorithm === 'crc32c' && { crc32c: checksum.value }),
    };
    const { headers, ...body } = jsonBody(resource);
    const answer = await send(bucket, {
      method: 'POST',
      path: uploadPath(bucket),
      query: {
        uploadType: 'resumable',
        name: key,
        ...this.#precondition(),
        fields: OBJECT_FIELDS,
      },
      headers: {
        ...headers,
        'x-upload-content-type': contentType,
        ...(size !== undefined && { 'x-upload-content-length': String(size) }),
      },
      ...body,
      signal: this.#signal,
      uncut: true,
    });
    if (answer.status === 412) throw conditionError(options);
    const { headers: answered } = await expectOk(bucket, answer, this.#signal);
    this.#session = sessionQuery(headerOf(answered, 'location'));
  }

  #precondition(): GcsRequest['query'] {
    const { options } = this;
    if (options.ifMatch === '*') return { ifGenerationNotMatch: ABSENT };
    return { ifGenerationMatch: fixedGeneration(options) };
  }

  async #sendAll(chunks: AsyncGenerator<Chunk, void>): Promise<GcsObject> {
    let next = chunks.next();
    for (;;) {
      const { value: chunk } = await next;
      if (!chunk) throw new StorageError('The body ended without a last chunk');
      this.#crc32c.update(chunk.bytes);
      if (!chunk.last) {
        // Read ahead while this one is sent. What the body throws ends the request at once.
        next = chunks.next();
        next.catch((error: unknown) => this.#fail(error));
      }
      const stored = await this.#sendChunk(chunk);
      if (stored) return stored;
      this.#start += chunk.bytes.byteLength;
    }
  }

  /** @returns the object, when the chunk was the last */
  async #sendChunk({ bytes, last }: Chunk): Promise<GcsObject | undefined> {
    const { maxRetries, totalTimeout } = this.bucket.settings.retry;
    const deadline = performance.now() + totalTimeout;
    const end = this.#start + bytes.byteLength;
    let persisted = this.#start;
    let failures = 0;
    this.#lastSent ||= last;
    for (;;) {
      let progress: Progress;
      try {
        const rest = bytes.subarray(persisted - this.#start);
        progress = await this.#progressOf(await this.#sendBytes(rest, persisted, last));
      } catch (error) {
        if (this.isLost || !isPassing(error) || ++failures > maxRetries) throw error;
        const delay = retryDelay(failures, this.bucket.settings.retry, error.retryAfter);
        if (performance.now() + delay > deadline) throw error;
        await sleep(delay, undefined, { signal: this.#signal });
        progress = await this.#query(last ? end : undefined);
      }
      if ('stored' in progress) return progress.stored;
      if (progress.persisted < this.#start || progress.persisted > end) throw lostBytes();
      if (progress.persisted === end && !last) return undefined;
      if (progress.persisted > persisted) failures = 0;
      else if (++failures > maxRetries + 1) throw noProgress();
      persisted = progress.persisted;
    }
  }

  #sendBytes(bytes: Uint8Array, start: number, last: boolean): Promise<GcsAnswer> {
    const end = start + bytes.byteLength;
    const span = bytes.byteLength === 0 ? '*' : `${start}-${end - 1}`;
    return sendOnce(this.bucket, {
      method: 'PUT',
      path: uploadPath(this.bucket),
      query: this.#session!,
      headers: {
        'content-range': `bytes ${span}/${last ? end : '*'}`,
        ...(last && { 'x-goog-hash': `crc32c=${this.#crc32c.digest().value}` }),
      },
      body: [bytes],
      signal: this.#signal,
    });
  }

  /** Asks the session how far it is. */
  async #query(total: number | undefined): Promise<Progress> {
    const answer = await send(this.bucket, {
      method: 'PUT',
      path: uploadPath(this.bucket),
      query: this.#session!,
      headers: {
        'content-range': `bytes */${total ?? '*'}`,
        ...(total !== undefined && { 'x-goog-hash': `crc32c=${this.#crc32c.digest().value}` }),
      },
      signal: this.#signal,
    });
    return this.#progressOf(answer);
  }

  async #progressOf(answer: GcsAnswer): Promise<Progress> {
    const { status, headers } = answer;
    if (status === 200 || status === 201) return { stored: parseObject(jsonOf(answer)) };
    if (status === 308) {
      const last = /^bytes=0-(\d+)$/.exec(headerOf(headers, 'range') ?? '')?.[1];
      return { persisted: last === undefined ? 0 : Number(last) + 1 };
    }
    if (status === 412) throw conditionError(this.options);
    if (status === 404 || status === 410) {
      this.isLost = true;
      throw new StorageConnectionError('The service has lost the upload; start it again');
    }
    throw await refusal(this.bucket, answer, this.#signal);
  }

  /**
   * Cancels the session, so that nothing can come of it any more.
   *
   * @returns the object, if it was stored before that
   */
  async #giveUp(): Promise<GcsObject | undefined> {
    if (!this.#session) return undefined;
    if (!this.isLost) {
      await send(this.bucket, {
        method: 'DELETE',
        path: uploadPath(this.bucket),
        query: this.#session,
        signal: AbortSignal.timeout(CANCEL_TIMEOUT),
      }).catch(() => undefined);
    }
    return this.#lastSent ? findWritten(this.bucket, this.key, this.#token) : undefined;
  }

  /** The first failure is the one that is told; those that it causes are not. */
  #fail(error: unknown): void {
    this.#failed ??= { error };
    this.stop.abort(error);
  }
}

/**
 * What names the session in its address. The host in it is not followed: the requests stay with the endpoint that was
 * configured, such as a private one.
 *
 * @throws StorageConnectionError
 */
function sessionQuery(location: string | undefined): Record<string, string> {
  const address = location !== undefined && URL.canParse(location) ? new URL(location) : undefined;
  if (!address?.searchParams.has('upload_id')) {
    throw new StorageConnectionError('The service started an upload without an address');
  }
  return Object.fromEntries(address.searchParams);
}

/** Worth another attempt. */
function isPassing(error: unknown): error is StorageError {
  return error instanceof StorageError && error.retryable;
}

function lostBytes(): StorageConnectionError {
  return new StorageConnectionError('The service has lost bytes that it had confirmed');
}

function noProgress(): StorageConnectionError {
  return new StorageConnectionError('The service takes no further bytes of the upload');
}
