/** Milliseconds without a descriptor for anybody, after which it is the caller's turn to know. */
const PATIENCE = 5000;
/** Milliseconds: others in the process or system give descriptors back, too, and do not say so. */
const LOOK_AGAIN = 50;

/**
 * Lets calls wait that find no descriptor left in the process or system, in the order of asking, until one is given back:
 * a few hundred files may be written where only dozens can be open.
 */
export class DescriptorLine {
  #line: Promise<unknown> = Promise.resolve();
  #inLine = 0;
  /** Milliseconds that whoever was the first in line has waited, all in all: time in which nothing could be tried is none of it. */
  #waited = 0;
  #waitedWhenGiven = 0;
  #wake: () => void = () => {};

  /** @param isExhausted whether a call failed for want of a descriptor */
  constructor(private readonly isExhausted: (error: unknown) => boolean) {}

  /** Makes a call that takes a descriptor. Rejects as it does when for five seconds nobody got any. */
  async use<T>(start: () => Promise<T>): Promise<T> {
    if (this.#inLine === 0) {
      try {
        return await start();
      } catch (error) {
        if (!this.isExhausted(error)) throw error;
      }
    }
    const arrived = this.#waited;
    this.#inLine++;
    const result = this.#line.then(() => this.#tryUntilGiven(start, arrived));
    this.#line = result.catch(() => {});
    try {
      return await result;
    } finally {
      this.#inLine--;
    }
  }

  /** Says that a descriptor is free again. */
  givenBack(): void {
    this.#wake();
  }

  async #tryUntilGiven<T>(start: () => Promise<T>, arrived: number): Promise<T> {
    for (;;) {
      try {
        const result = await start();
        this.#waitedWhenGiven = this.#waited;
        return result;
      } catch (error) {
        const since = Math.max(arrived, this.#waitedWhenGiven);
        if (!this.isExhausted(error) || this.#waited - since > PATIENCE) throw error;
      }
      await this.#nextGivenBack();
    }
  }

  async #nextGivenBack(): Promise<void> {
    const asked = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LOOK_AGAIN);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#waited += Math.min(LOOK_AGAIN, performance.now() - asked);
  }
}
