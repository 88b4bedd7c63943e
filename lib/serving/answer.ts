import type { ClientConnection } from './client-connection.js';

/** The status line and headers of the answer, whatever the HTTP framework. */
export interface AnswerHead {
  status(code: number): void;
  header(name: string, value: string): void;
  remove(name: string): void;
  /** What the app itself set before, as by `@Header()`; never empty. */
  given(name: string): string | undefined;
}

/** Where an answer goes. */
export interface Answer {
  readonly head: AnswerHead;
  readonly client: ClientConnection;
}
