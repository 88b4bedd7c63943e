import {
  type BeforeApplicationShutdown,
  HttpException,
  Injectable,
  type MessageEvent,
} from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { defer, EMPTY, map, type Observable, ReplaySubject } from 'rxjs';
import { invalidUploadId } from './upload.exceptions.js';

/** How far an upload is. */
export interface UploadStatus {
  /**
   * `stored` when the storage has every file and the request has succeeded, or has failed and all its files are kept; else
   * `failed`. After either nothing more comes.
   */
  readonly state: 'receiving' | 'stored' | 'failed';
  /** Bytes of the form that have arrived. A storage that is slower holds the client up, so it has nearly as many. */
  readonly bytesReceived: number;
  /** Bytes of the whole form, if the client announced them. */
  readonly totalBytes?: number;
  /** Why it failed, as in the answer to the upload. */
  readonly code?: string;
}

/** One upload, as those see it who receive it. */
export interface UploadTracking {
  received(bytes: number): void;
  stored(): void;
  failed(error?: unknown): void;
}

// 128 bits are 22 characters of base64url.
const UPLOAD_ID = /^[\w-]{22,64}$/;
/** Milliseconds between two reports of one upload. */
const INTERVAL = 100;
/** Milliseconds that an upload is waited for, and remembered after its end. */
const REMEMBERED = 60_000;
/** Uploads that are watched or remembered at once. */
const MOST = 10_000;

/**
 * Tells how far uploads are. A client gives its upload a name in the header `X-Upload-Id`: 128 random bits at least, as a
 * UUID or as base64url, since whoever knows the name can watch the upload. It can be watched before it begins, and for
 * a minute after its end.
 */
@Injectable()
export class UploadProgress implements BeforeApplicationShutdown {
  readonly #uploads = new Map<string, TrackedUpload>();

  /**
   * The status of the upload now, then at most ten times a second; completes when it is stored or has failed, and after
   * a minute in which it did not begin.
   *
   * @throws UploadException 400 when it is no upload id
   */
  progressOf(uploadId: string): Observable<UploadStatus> {
    if (!UPLOAD_ID.test(uploadId)) throw invalidUploadId();
    return defer(
      () => (this.#uploads.get(uploadId) ?? this.#remember(uploadId))?.statuses ?? EMPTY,
    );
  }

  /** The same as Server-Sent Events, for a handler with `@Sse()`: the type of each is its `state`, its data the status. */
  events(uploadId: string): Observable<MessageEvent> {
    return this.progressOf(uploadId).pipe(map((data) => ({ type: data.state, data })));
  }

  /** Watchers must not hold the app's end up. */
  beforeApplicationShutdown(): void {
    for (const uploadId of this.#uploads.keys()) this.#forget(uploadId);
  }

  /** @internal Begins to follow the upload of a request that has a name; of two with one name, the first. */
  track({ headers }: IncomingMessage): UploadTracking | undefined {
    const uploadId = headers['x-upload-id'];
    if (typeof uploadId !== 'string' || !UPLOAD_ID.test(uploadId)) return undefined;
    const upload = this.#uploads.get(uploadId) ?? this.#remember(uploadId);
    if (!upload || upload.isBegun) return undefined;
    upload.begin(Number(headers['content-length'] ?? Number.NaN));
    return upload;
  }

  #remember(uploadId: string): TrackedUpload | undefined {
    if (this.#uploads.size >= MOST && !this.#forgetOldest()) return undefined;
    const upload = new TrackedUpload(() => this.#forget(uploadId));
    this.#uploads.set(uploadId, upload);
    return upload;
  }

  /** Of those that are not under way. */
  #forgetOldest(): boolean {
    for (const [uploadId, upload] of this.#uploads) {
      if (upload.isUnderWay) continue;
      this.#forget(uploadId);
      return true;
    }
    return false;
  }

  #forget(uploadId: string): void {
    this.#uploads.get(uploadId)?.end();
    this.#uploads.delete(uploadId);
  }
}

class TrackedUpload implements UploadTracking {
  readonly #statuses = new ReplaySubject<UploadStatus>(1);
  #timer: NodeJS.Timeout | undefined;
  #phase: 'awaited' | 'underWay' | 'over' = 'awaited';
  #bytes = 0;
  #total = Number.NaN;
  #reported = 0;

  /** @param onForgotten called when nobody needs to know of it any more */
  constructor(private readonly onForgotten: () => void) {
    this.#expire();
  }

  get statuses(): Observable<UploadStatus> {
    return this.#statuses;
  }

  get isBegun(): boolean {
    return this.#phase !== 'awaited';
  }

  get isUnderWay(): boolean {
    return this.#phase === 'underWay';
  }

  begin(totalBytes: number): void {
    this.#phase = 'underWay';
    this.#total = totalBytes;
    clearTimeout(this.#timer);
    this.#report('receiving');
  }

  received(bytes: number): void {
    this.#bytes += bytes;
    if (performance.now() - this.#reported >= INTERVAL) this.#report('receiving');
  }

  stored(): void {
    this.#finish('stored');
  }

  failed(error?: unknown): void {
    const body: unknown = error instanceof HttpException ? error.getResponse() : undefined;
    const { code } = (typeof body === 'object' && body !== null ? body : {}) as { code?: unknown };
    this.#finish('failed', typeof code === 'string' ? { code } : {});
  }

  end(): void {
    this.#phase = 'over';
    clearTimeout(this.#timer);
    this.#statuses.complete();
  }

  #finish(state: UploadStatus['state'], more: Pick<UploadStatus, 'code'> = {}): void {
    if (this.#phase !== 'underWay') return;
    this.#report(state, more);
    this.end();
    this.#expire();
  }

  #report(state: UploadStatus['state'], more: Pick<UploadStatus, 'code'> = {}): void {
    this.#reported = performance.now();
    this.#statuses.next({
      state,
      bytesReceived: this.#bytes,
      ...(Number.isFinite(this.#total) && { totalBytes: this.#total }),
      ...more,
    });
  }

  #expire(): void {
    this.#timer = setTimeout(this.onForgotten, REMEMBERED).unref();
  }
}
