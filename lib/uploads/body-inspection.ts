import { HttpException } from '@nestjs/common';
import { fileTooSmall } from './upload.exceptions.js';

/** Sees the bytes of a file on their way to the storage, and decides when it has seen all of them. */
export interface BodyInspection {
  /** Resolves when it is ready for more. @throws HttpException to refuse the file */
  see(chunk: Uint8Array): Promise<void> | void;
  /** There is no more. @throws HttpException to refuse the file */
  decide(): Promise<void> | void;
  /** The file ended early, or was refused by another: there is nothing to decide any more. */
  abandon(): void;
}

/** The inspections of one file. */
export class BodyInspector {
  #undecided: readonly BodyInspection[] = [];

  /** @param onRefusal told why the file is refused: a storage reports it as a failure of the body */
  constructor(private readonly onRefusal: (refusal: HttpException) => void = () => {}) {}

  /**
   * The body, the end of which nobody sees until every inspection has decided: so what is refused is never published.
   * Bytes in memory are inspected at once.
   */
  async inspect(
    body: Uint8Array | AsyncIterable<Uint8Array>,
    inspections: readonly BodyInspection[],
  ): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
    if (inspections.length === 0) return body;
    this.#undecided = inspections;
    const chunks = this.#inspected(body, inspections);
    if (!(body instanceof Uint8Array)) return chunks;
    while (!(await chunks.next()).done);
    return body;
  }

  /** Ends what has decided nothing yet: for a body that nobody may have begun to read. */
  abandon(): void {
    const undecided = this.#undecided;
    this.#undecided = [];
    for (const each of undecided) each.abandon();
  }

  async *#inspected(
    body: Uint8Array | AsyncIterable<Uint8Array>,
    inspections: readonly BodyInspection[],
  ): AsyncGenerator<Uint8Array, void> {
    try {
      for await (const chunk of body instanceof Uint8Array ? [body] : body) {
        for (const each of inspections) await each.see(chunk);
        yield chunk;
      }
      for (const each of inspections) await each.decide();
      this.#undecided = [];
    } catch (error) {
      if (error instanceof HttpException) this.onRefusal(error);
      throw error;
    } finally {
      this.abandon();
    }
  }
}

/** Refuses a file that is smaller. */
export class LeastSize implements BodyInspection {
  #size = 0;

  constructor(
    private readonly minSize: number,
    private readonly field: string,
  ) {}

  see(chunk: Uint8Array): void {
    this.#size += chunk.byteLength;
  }

  decide(): void {
    if (this.#size < this.minSize) throw fileTooSmall(this.minSize, this.field);
  }

  abandon(): void {}
}
