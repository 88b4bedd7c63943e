/** An answer that the proxy gives by itself; the service never sees the request. */
export interface ProxyAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What happens to a request in place of passing through. Offsets are bytes of the body, framing left out. */
export type ProxyFaultEffect =
  /** The connection is reset before anything reaches the service. */
  | 'reset'
  /** So are all connections, and no new one is taken until `accept()`. */
  | 'refuse'
  /** The request is read, does not reach the service, and is never answered. */
  | 'stall'
  /** Nor is a byte of its body taken from the socket. */
  | 'unread'
  /** The service does what was asked, and the connection is reset instead of its answer. */
  | 'lose-answer'
  /** The service does what was asked, and its answer never comes; the connection stays open. */
  | 'keep-answer'
  /** The service gets the request twice, one after the other; the second answer is the one that passes. */
  | 'forward-twice'
  /** The answer comes twice, the second time unasked. */
  | 'answer-twice'
  | ProxyAnswer
  /** The connection is reset, on both sides, once so much of the request has passed. Shorter ones pass whole, here and below. */
  | { readonly resetRequestAt: number }
  /** The connection is reset once so much of the answer has passed. */
  | { readonly resetAnswerAt: number }
  /** Nothing more comes once so much of the answer has passed; the connection stays open. */
  | { readonly stallAnswerAt: number }
  /** The connection is ended in an orderly way once so much of the answer has passed. */
  | { readonly truncateAnswerAt: number }
  /** A bit of this byte of the request is another one when the service gets it. */
  | { readonly corruptRequestAt: number }
  /** A bit of this byte of the answer is another one when the client gets it. */
  | { readonly corruptAnswerAt: number }
  /** Request and answer pass at this rate, each. */
  | { readonly bytesPerSecond: number }
  /** Done before the request goes on to the service. */
  | { readonly before: () => Promise<void> }
  /** Held back once all of it has come, and passed on then whether or not the client is still there. */
  | { readonly hold: Promise<void> };

/** Which requests a fault strikes: those that fit all that is given. */
export interface ProxyFaultOptions {
  readonly method?: string;
  /** Of the raw path and query. */
  readonly url?: RegExp;
  /** How many requests it strikes. Default 1; `Infinity` is every one. */
  readonly times?: number;
  /** How many requests that fit pass first. Default 0. */
  readonly after?: number;
  readonly with: ProxyFaultEffect;
}
