interface Waiter {
  readonly condition: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What came in, and whoever waits for something to come in. */
export class RequestLog<Entry> {
  readonly #waiters = new Set<Waiter>();
  #requests: Entry[] = [];
  #isClosed = false;

  get requests(): readonly Entry[] {
    return this.#requests;
  }

  add(record: Entry): void {
    this.#requests.push(record);
    this.changed();
  }

  clear(): void {
    this.#requests = [];
  }

  /** Rejects when the log is closed and the condition does not hold. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.add({ condition, resolve, reject });
      this.changed();
    });
  }

  /** To be called after anything a condition may look at. */
  changed(): void {
    for (const waiter of this.#waiters) {
      try {
        if (waiter.condition()) waiter.resolve();
        else if (this.#isClosed) waiter.reject(new Error('The server was closed'));
        else continue;
      } catch (error) {
        waiter.reject(error);
      }
      this.#waiters.delete(waiter);
    }
  }

  /** Nothing more comes in: whoever waits, or is to wait, waits for nothing. */
  close(): void {
    this.#isClosed = true;
    this.changed();
  }
}
