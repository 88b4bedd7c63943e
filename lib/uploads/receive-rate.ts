/**
 * Tells of a sender who is slower than a rate, over windows of time. Only time in which the receiver was ready counts:
 * who is held up by the receiver is not slow.
 */
export class ReceiveRate {
  #bytes = 0;
  /** Milliseconds of this window before the receiver was last ready. */
  #elapsed = 0;
  /** Since when the receiver is ready; `undefined` while it is not. */
  #readySince: number | undefined = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /**
   * @param minRate bytes per second
   * @param window milliseconds
   * @param onSlow called once at most
   */
  constructor(
    private readonly minRate: number,
    private readonly window: number,
    private readonly onSlow: () => void,
  ) {
    this.#arm();
  }

  received(bytes: number): void {
    this.#bytes += bytes;
  }

  /** The receiver takes nothing. */
  pause(): void {
    if (this.#readySince === undefined) return;
    this.#elapsed += performance.now() - this.#readySince;
    this.#readySince = undefined;
  }

  /** The receiver is ready again. */
  resume(): void {
    this.#readySince ??= performance.now();
    this.#arm();
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#isOver) return;
    this.#timer = setTimeout(() => this.#check(), Math.max(1, this.window - this.#ready()));
  }

  #check(): void {
    this.#timer = undefined;
    if (this.#ready() >= this.window) {
      if (this.#bytes < (this.minRate * this.window) / 1000) {
        this.stop();
        this.onSlow();
        return;
      }
      this.#bytes = 0;
      this.#elapsed = 0;
      if (this.#readySince !== undefined) this.#readySince = performance.now();
    }
    // While the receiver is not ready, no window ends.
    if (this.#readySince !== undefined) this.#arm();
  }

  #ready(): number {
    const readySince = this.#readySince;
    return this.#elapsed + (readySince === undefined ? 0 : performance.now() - readySince);
  }
}
