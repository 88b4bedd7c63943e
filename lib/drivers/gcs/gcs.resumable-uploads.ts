import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertHeld } from '../../core/body.js';
import { type RunningChecksum, startChecksum } from '../../core/checksum.js';
import { StorageConnectionError, StorageError } from '../../core/errors.js';
import { retryDelay } from '../../core/retry.js';
import type { DriverPutOptions } from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import type { BodyBeginning } from '../remote/body-beginning.js';
import { nextChunk } from '../remote/body-failure.js';
import type { BufferPool } from '../remote/buffer-pool.js';
import { PartBuffer } from '../remote/part-buffer.js';
import { markUncertain, mayHaveHappened } from '../remote/uncertain-failures.js';
import type { GcsBucket } from './gcs.client.js';
import {
  ABSENT,
  assertStored,
  findWritten,
  fixedGeneration,
  newWriteToken,
  unknownOutcome,
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
const CANCEL_ATTEMPTS = 4;

/** A stretch of the body. */
interface Chunk {
  readonly bytes: Uint8Array;
  readonly last: boolean;
  /** Gives the memory of the bytes back. To be called when they have arrived, and before the one after the next is due. */
  readonly release: () => void;
}

/** How far the service is: it has so many bytes, or the object is stored. */
type Progress = { readonly persisted: number } | { readonly stored: GcsObject };

/** A body in memory, cut into chunks. */
export async function* bytesInChunks(
  bytes: Uint8Array,
  chunkSize: number,
): AsyncGenerator<Chunk, void> {
  const size = bytes.byteLength;
  for (let start = 0; start < size; start += chunkSize) {
    assertHeld(bytes.byteLength, size);
    const end = start + chunkSize;
    yield { bytes: bytes.subarray(start, end), last: end >= size, release() {} };
  }
}

/**
 * A body that arrives, gathered into chunks: one is filled while the one before is sent.
 *
 * @param beginning a chunk and more, which was read of it already
 * @throws BodyFailure
 */
export async function* streamInChunks(
  body: AsyncIterator<Uint8Array>,
  beginning: BodyBeginning,
  chunkSize: number,
  pool: BufferPool,
  signal: AbortSignal,
): AsyncGenerator<Chunk, void> {
  let filling: PartBuffer | undefined;
  const chunk = (full: PartBuffer, last: boolean): Chunk => {
    filling = undefined;
    return { bytes: full.seal(), last, release: () => full.release() };
  };
  yield { bytes: beginning.bytes, last: false, release: beginning.release };
  try {
    let next: IteratorResult<Uint8Array> = { value: beginning.rest };
    for (; !next.done; next = await nextChunk(body)) {
      for (let rest = next.value; rest.byteLength > 0;) {
        // Full, and more to come, so it is not the last.
        if (filling?.isFull) yield chunk(filling, false);
        filling ??= new PartBuffer(chunkSize, pool, signal);
        rest = await filling.add(rest);
      }
    }
    // There is one: the beginning was not all of the body.
    yield chunk(filling!, true);
  } finally {
    filling?.release();
  }
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
  /** Whether the service does not know the session any more. */
  isLost = false;
  readonly #signal: AbortSignal;
  readonly #token = newWriteToken();
  readonly #crc32c: RunningChecksum = startChecksum('crc32c');
  #session: Readonly<Record<string, string>> | undefined;
  /** Where the next chunk begins. */
  #start = 0;
  #lastSent = false;
  /** The last chunk may have been taken without an answer that says so. */
  #uncertain = false;
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

  async run(chunks: AsyncGenerator<Chunk, void>): Promise<StoredFile> {
    let stored: GcsObject;
    try {
      await this.#open();
      stored = await this.#sendAll(chunks);
    } catch (error) {
      this.#fail(error);
      const written = await this.#giveUp();
      if (!written) {
        throw this.options.signal.aborted ? this.options.signal.reason : this.#failed!.error;
      }
      stored = written;
    }
    await assertStored(this.bucket, stored, this.#crc32c.digest().value);
    return fileOf(stored);
  }

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
    });
    if (answer.status === 412) throw conditionError(options);
    const { headers: answered } = await expectOk(bucket, answer, this.#signal);
    this.#session = sessionQuery(headerOf(answered, 'location'));
  }

  get #isConditional(): boolean {
    return this.options.ifNoneMatch !== undefined || this.options.ifMatch !== undefined;
  }

  #precondition(): GcsRequest['query'] {
    const { options } = this;
    if (options.ifMatch === '*') return { ifGenerationNotMatch: ABSENT };
    return { ifGenerationMatch: fixedGeneration(options) };
  }

  async #sendAll(chunks: AsyncGenerator<Chunk, void>): Promise<GcsObject> {
    let next = chunks.next();
    try {
      for (;;) {
        const { value: chunk } = await next;
        if (!chunk) throw new StorageError('The body ended without a last chunk');
        this.#crc32c.update(chunk.bytes);
        if (!chunk.last) {
          // Read ahead while this one is sent. What the body throws ends the request at once.
          next = chunks.next();
          next.catch((error: unknown) => this.#fail(error));
        }
        let stored: GcsObject | undefined;
        try {
          stored = await this.#sendChunk(chunk);
        } finally {
          chunk.release();
        }
        // Stored before its last chunk was sent, it is not the file.
        if (stored && !chunk.last) await assertStored(this.bucket, stored, undefined);
        if (stored) return stored;
        this.#start += chunk.bytes.byteLength;
      }
    } catch (error) {
      this.#fail(error);
      // What was read ahead is not sent any more.
      void next.then(({ value }) => value?.release()).catch(() => {});
      throw error;
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
        this.#uncertain ||= last && mayHaveHappened(error);
        if (this.isLost || !isPassing(error) || ++failures > maxRetries) throw error;
        const delay = retryDelay(failures, this.bucket.settings.retry, error.retryAfter);
        if (delay === Infinity || performance.now() + delay > deadline) throw error;
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
      storesNothing: !last,
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
      storesNothing: total === undefined,
    });
    return this.#progressOf(answer);
  }

  async #progressOf(answer: GcsAnswer): Promise<Progress> {
    const { status, headers } = answer;
    if (status === 200 || status === 201) {
      const stored = parseObject(jsonOf(answer));
      if (stored.writeToken === this.#token) return { stored };
      throw otherAnswer();
    }
    if (status === 308) {
      const last = /^bytes=0-(\d+)$/.exec(headerOf(headers, 'range') ?? '')?.[1];
      return { persisted: last === undefined ? 0 : Number(last) + 1 };
    }
    if (status === 412) throw conditionError(this.options);
    if (status === 404 || status === 410) {
      // A repetition of a conditional write would be refused because of its own first one.
      if (this.#uncertain && this.#isConditional) throw unknownOutcome();
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
      // Also where the caller wants no attempts but one: nobody else can take the session away.
      await send(withAttempts(this.bucket, CANCEL_ATTEMPTS), {
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

/** The bucket, with so many attempts for each request at least. */
function withAttempts(bucket: GcsBucket, attempts: number): GcsBucket {
  const { settings } = bucket;
  const maxRetries = Math.max(settings.retry.maxRetries, attempts - 1);
  return { ...bucket, settings: { ...settings, retry: { ...settings.retry, maxRetries } } };
}

/** Worth another attempt. */
function isPassing(error: unknown): error is StorageError {
  return error instanceof StorageError && error.retryable;
}

/** One that came late, on a connection that is used again: the session tells what has become of the request. */
function otherAnswer(): StorageConnectionError {
  const error = new StorageConnectionError('The service answered about another object');
  markUncertain(error);
  return error;
}

function lostBytes(): StorageConnectionError {
  return new StorageConnectionError('The service has lost bytes that it had confirmed');
}

function noProgress(): StorageConnectionError {
  return new StorageConnectionError('The service takes no further bytes of the upload');
}
