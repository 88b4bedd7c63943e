import type { ClientRequest } from 'node:http';

/** Milliseconds for which the answer to a write is awaited that was sent before the abort. */
const MAX_PATIENCE = 5000;

/** A write, as an abort finds it. */
interface Write {
  /** What is under way for it now. */
  request: Pick<ClientRequest, 'writableFinished'> | undefined;
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
 * to be sent, the abort cuts it: no service acts on a part of one. Once all are out, the service may do what was asked at any
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
  const write: Write = { request: undefined, wasCutShort: false };
  writes.set(cut.signal, write);
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    if (blind || write.request?.writableFinished) {
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

/** Tells of the request that now goes out under the signal; nothing comes of it where the signal is none of `withSettledAbort`. */
export function watchRequest(cut: object | undefined, request: ClientRequest): void {
  const write = cut && writes.get(cut);
  if (!write) return;
  write.request = request;
  request.once('close', () => {
    if (write.request === request) write.request = undefined;
  });
}

/** Whether the abort cut the request before all of it was sent, so that it is certain to have done nothing. */
export function wasCutShort(cut: AbortSignal): boolean {
  return writes.get(cut)?.wasCutShort ?? false;
}
