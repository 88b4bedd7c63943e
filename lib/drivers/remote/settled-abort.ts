import type { ClientRequest } from 'node:http';

/** Milliseconds for which the answer to a write is awaited that was sent before the abort. */
const MAX_PATIENCE = 5000;

/** Bytes up to which a body is handed over at once, and the end of a longer one that is held back. */
const TAIL_SIZE = 64 * 1024;

type Piece = Uint8Array | string;

/** A write, as an abort finds it. */
interface Write {
  /** What is under way for it now. */
  request: ClientRequest | undefined;
  /** Whether the request was given the last of its body. */
  isHandedOver: boolean;
  wasCutShort: boolean;
}

const writes = new WeakMap<object, Write>();

export interface SettledAbortOptions {
  /** Milliseconds without progress after which a request is given up. */
  readonly idleTimeout: number | undefined;
  /** Whether the requests go over connections on which nobody can watch how far they are. */
  readonly blind: boolean;
}

/**
 * Makes requests of which it must be known what they did, also when they are aborted. As long as bytes of a request are still
 * to be sent, the abort cuts it: no service acts on a part of one. Once all may be out, the service may do what was asked at any
 * moment, and the answer is awaited, for some seconds: only a service that is silent for so long leaves it open.
 *
 * @param call makes its requests with the signal it is given, and no further attempt once the caller's own is aborted
 */
export async function withSettledAbort<Output>(
  signal: AbortSignal,
  { idleTimeout = MAX_PATIENCE, blind }: SettledAbortOptions,
  call: (cut: AbortSignal) => Promise<Output>,
): Promise<Output> {
  signal.throwIfAborted();
  const cut = new AbortController();
  const write: Write = { request: undefined, isHandedOver: false, wasCutShort: false };
  writes.set(cut.signal, write);
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    if (blind || mayBeWhole(write)) {
      const patience = Math.min(idleTimeout, MAX_PATIENCE);
      timer = setTimeout(() => cut.abort(signal.reason), patience);
    } else {
      write.wasCutShort = true;
      cut.abort(signal.reason);
    }
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await call(cut.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Sends the body of a request, and ends it. Of a long one whose write an abort may cut, the end is held back until the rest is
 * out: a socket tells late, and only of whole pieces, what it has passed on, and what it was not given is certain not to be sent.
 *
 * @param cut the signal of the request; nothing is held back where it is none of `withSettledAbort`
 */
export function sendBody(
  request: ClientRequest,
  body: readonly Piece[],
  cut: object | undefined,
): void {
  const write = cut && writes.get(cut);
  if (write) {
    write.request = request;
    write.isHandedOver = false;
    request.once('close', () => {
      if (write.request === request) write.request = undefined;
    });
  }
  const end = (last: Piece | undefined): void => {
    if (write) write.isHandedOver = true;
    if (last === undefined) request.end();
    else request.end(last);
  };
  // Without the length in its head, a body in pieces would go out in chunks.
  const pieces = write && request.hasHeader('content-length') ? withTail(body) : body;
  const last = pieces.at(-1);
  const isLong = pieces.reduce((sum, { length }) => sum + length, 0) > TAIL_SIZE;
  for (const piece of pieces.slice(0, -2)) request.write(piece);
  const beforeLast = pieces.at(-2);
  if (beforeLast === undefined) {
    end(last);
  } else if (write && isLong) {
    request.write(beforeLast, () => {
      if (!request.destroyed) end(last);
    });
  } else {
    request.write(beforeLast);
    end(last);
  }
}

/** The pieces, the last of them no longer than a tail. */
function withTail(body: readonly Piece[]): readonly Piece[] {
  const last = body.at(-1);
  if (last === undefined || typeof last === 'string' || last.length <= TAIL_SIZE) return body;
  return [...body.slice(0, -1), last.subarray(0, -TAIL_SIZE), last.subarray(-TAIL_SIZE)];
}

/** Whether all of the request may be out, though Node need not know of it yet. */
function mayBeWhole({ request, isHandedOver }: Write): boolean {
  return isHandedOver && request?.socket?.connecting === false;
}

/** Whether the abort cut the request before all of it was sent, so that it is certain to have done nothing. */
export function wasCutShort(cut: AbortSignal): boolean {
  return writes.get(cut)?.wasCutShort ?? false;
}
