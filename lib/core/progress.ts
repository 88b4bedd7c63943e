/** How far a transfer is. `bytesTransferred` never falls; the last call of a successful transfer has it all. */
export interface ProgressInfo {
  readonly operation: 'upload' | 'download';
  readonly key: string;
  readonly bytesTransferred: number;
  /** Where the length is known beforehand. */
  readonly totalBytes?: number;
  /** 0 to 100, where the length is known. 100 is reported only when the backend has (or gave) everything. */
  readonly percentage?: number;
  /** Mean since the start of the transfer. */
  readonly bytesPerSecond: number;
}

/**
 * Called at most every 100 ms and once at the end. It is not awaited, and what it throws (or rejects with, if it is async) is ignored:
 * it can neither slow nor harm the transfer.
 */
export type ProgressCallback = (progress: ProgressInfo) => void;

const INTERVAL = 100;

/** Counts a transfer and tells the callback, throttled. */
export class ProgressMeter {
  readonly #started = performance.now();
  #reported = 0;
  #transferred: number;

  constructor(
    private readonly operation: ProgressInfo['operation'],
    private readonly key: string,
    private readonly totalBytes: number | undefined,
    private readonly callback: ProgressCallback,
    /** Bytes that were there before: they count, but not for the speed. */
    private readonly before = 0,
  ) {
    this.#transferred = before;
  }

  add(bytes: number): void {
    this.#transferred += bytes;
    const now = performance.now();
    if (now - this.#reported < INTERVAL || this.#transferred === this.totalBytes) return;
    this.#reported = now;
    this.#report(this.totalBytes);
  }

  /** The transfer succeeded: reports everything that there was. */
  finish(): void {
    this.#report(this.#transferred);
  }

  #report(totalBytes: number | undefined): void {
    const bytesTransferred = this.#transferred;
    const seconds = (performance.now() - this.#started) / 1000;
    try {
      const answer: unknown = this.callback({
        operation: this.operation,
        key: this.key,
        bytesTransferred,
        ...(totalBytes !== undefined && {
          totalBytes,
          percentage: totalBytes === 0 ? 100 : (bytesTransferred / totalBytes) * 100,
        }),
        bytesPerSecond: seconds > 0 ? (bytesTransferred - this.before) / seconds : 0,
      });
      if (answer instanceof Promise) answer.catch(() => {});
    } catch {
      // The promise of ProgressCallback: a broken progress bar does not break the upload.
    }
  }
}
