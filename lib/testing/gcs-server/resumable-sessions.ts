import { randomBytes } from 'node:crypto';
import type { BodyStorage, BodyWriter } from '../servers/stored-body.js';
import type { Conditions } from './conditions.js';
import type { UploadDescription } from './insert-operations.js';
import type { ObjectContent, StoredObject } from './object-store.js';
import { RunningDigests } from './receive.js';

/** Google takes chunks of a multiple of this, and keeps no less of one that breaks off. */
export const CHUNK_GRANULARITY = 256 * 1024;

export interface SessionRequest extends UploadDescription {
  readonly conditions: Conditions;
  /** The size announced when the session was opened. */
  readonly announcedSize: number | undefined;
  readonly sizeLimits: { readonly min: number; readonly max: number };
  /** The API it was opened with, which its answers are shaped by. */
  readonly api: 'json' | 'xml';
}

/** An upload that comes in pieces, each of them continuing where the last one ended. */
export class ResumableSession {
  readonly uploadId = randomBytes(24).toString('base64url');
  /** Set once the object is there. */
  finished: StoredObject | undefined;
  readonly #digests = new RunningDigests();
  #writer: BodyWriter | undefined;
  #persisted = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly request: SessionRequest,
    readonly started: number,
    private readonly storage: BodyStorage,
  ) {}

  /** Bytes kept so far. */
  get persisted(): number {
    return this.#persisted;
  }

  /** Runs one request at a time: a retry must see what the broken one before it has left. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /**
   * Takes bytes in. When the source breaks off, whole multiples of the granularity stay.
   *
   * @returns the bytes that came
   */
  async append(
    source: AsyncIterable<Buffer>,
    options: { skip: number; limit: number },
  ): Promise<number> {
    let { skip, limit } = options;
    let received = 0;
    let pending: Buffer[] = [];
    let pendingSize = 0;
    for await (const chunk of source) {
      received += chunk.length;
      const fresh = chunk.subarray(skip).subarray(0, limit);
      skip = Math.max(0, skip - chunk.length);
      limit -= fresh.length;
      pending.push(fresh);
      pendingSize += fresh.length;
      if (pendingSize < CHUNK_GRANULARITY) continue;
      const block = Buffer.concat(pending);
      const whole = pendingSize - (pendingSize % CHUNK_GRANULARITY);
      await this.#persist(block.subarray(0, whole));
      pending = [Buffer.from(block.subarray(whole))];
      pendingSize -= whole;
    }
    await this.#persist(Buffer.concat(pending));
    return received;
  }

  async #persist(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return;
    this.#writer ??= await this.storage.create();
    await this.#writer.write(bytes);
    this.#digests.update(bytes);
    this.#persisted += bytes.length;
  }

  /** Everything that came in, as the content of an object. The session takes no more. */
  async finish(): Promise<ObjectContent & { md5: string }> {
    this.#writer ??= await this.storage.create();
    const body = await this.#writer.finish();
    this.#writer = undefined;
    return { ...this.#digests.finish(), body, componentCount: undefined };
  }

  async discard(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.discard();
  }
}
