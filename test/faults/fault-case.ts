import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { StorageError, StorageFileNotFoundError } from '../../lib/core/errors.js';
import type { MultipartUpload } from '../../lib/core/multipart.js';
import type { Storage } from '../../lib/core/storage.js';
import type { FaultProxy, ProxiedRequest } from '../../lib/testing/fault-proxy/index.js';
import { type FaultedBackend, openFaulted } from './backends.js';
import type { TriedFault } from './faults.js';
import {
  type ContentName,
  type Contents,
  type FaultedOperation,
  type Files,
  partOf,
  type Upload,
} from './operations.js';

/** Milliseconds in which each call must end, whatever happens. */
const DEADLINE = 60_000;
/** Milliseconds in which what was given up must be off the wire, on a machine that stands still now and then. */
const SETTLED = 20_000;
/**
 * Milliseconds without progress: soon where silence is the fault, since what is tried is not how long it waits; elsewhere as long as
 * no machine stands still.
 */
const SILENT_TIMEOUT = 2500;
const TIMEOUT = 30_000;
/**
 * Repeats that come soon. Not at once, though: a client has to hear of the end of a connection before it takes it for the next attempt.
 */
const RETRY = { maxRetries: 2, baseDelay: 20, jitter: false };

const OTHER = 'other';

/** Which of the requests of an operation are struck: the first of them, by its place, and whether all after it are, too. */
interface Strike {
  readonly after: number;
  readonly always: boolean;
}

/** What came of an operation under a fault, over all strikes. */
export interface CellResult {
  readonly operation: string;
  readonly fault: string;
  /** `'ok'` or the codes of errors: of calls of which one request was struck, and of those of which all were. */
  readonly once: readonly string[];
  readonly always: readonly string[];
  /** What must not be. */
  readonly problems: readonly string[];
}

export function contentsFor({ partSize }: FaultedBackend): Contents {
  return {
    old: Buffer.from('old'),
    small: randomBytes(3000),
    large: randomBytes(partSize + 1000),
    partSize,
  };
}

/** How many requests the operation makes. @throws Error when it fails without a fault */
export async function countRequests(
  backend: FaultedBackend,
  contents: Contents,
  operation: FaultedOperation,
): Promise<number> {
  const prefix = `${operation.name}/untouched/`.replaceAll(/[^\w/]+/g, '-');
  await using opened = await openFaulted(backend, prefix, {});
  const call = new FaultedCall(backend, contents, operation, undefined, opened, prefix);
  const outcome = await call.make(undefined);
  if (outcome !== 'ok') throw new Error(`${operation.name} fails without a fault: ${outcome}`);
  if (call.problems.length > 0) throw new Error(`${operation.name} ${call.problems.join(', ')}`);
  // The last one is for the sake of the trial.
  return opened.proxy.requests.length - 1;
}

/** Tries an operation with a fault at its first, its middle and its last request, once each and from there on. */
export async function tryCell(
  backend: FaultedBackend,
  contents: Contents,
  operation: FaultedOperation,
  fault: TriedFault,
  requests: number,
): Promise<CellResult> {
  const prefix = `${operation.name}/${fault.name}/`.replaceAll(/[^\w/]+/g, '-');
  const timeout = fault.isSilent ? SILENT_TIMEOUT : TIMEOUT;
  await using opened = await openFaulted(backend, prefix, { timeout, retry: RETRY });
  const once = new Set<string>();
  const always = new Set<string>();
  const problems: string[] = [];
  for (const strike of strikesOf(requests, fault)) {
    const name = `${strike.always ? 'from' : 'at'}-${strike.after}/`;
    const place = {
      proxy: opened.proxy,
      storage: opened.storage.scope(name),
      direct: opened.direct.scope(name),
    };
    const call = new FaultedCall(backend, contents, operation, fault, place, prefix + name);
    (strike.always ? always : once).add(await call.make(strike));
    problems.push(...call.problems.map((problem) => `${name} ${problem}`));
  }
  return {
    operation: operation.name,
    fault: fault.name,
    once: [...once],
    always: [...always],
    problems,
  };
}

function strikesOf(requests: number, { isFinal }: TriedFault): Strike[] {
  const last = Math.max(0, requests - 1);
  const places = isFinal ? [] : [...new Set([0, Math.floor(last / 2), last])];
  return [
    ...places.map((after) => ({ after, always: false })),
    ...[...new Set([0, last])].map((after) => ({ after, always: true })),
  ];
}

interface Place {
  readonly proxy: FaultProxy;
  readonly storage: Storage;
  readonly direct: Storage;
}

/** One call of an operation under a fault, and the judgement of it. */
class FaultedCall {
  readonly problems: string[] = [];
  readonly #sources: Readable[] = [];
  readonly #begun: MultipartUpload[] = [];

  constructor(
    private readonly backend: FaultedBackend,
    private readonly contents: Contents,
    private readonly operation: FaultedOperation,
    private readonly fault: TriedFault | undefined,
    private readonly place: Place,
    private readonly prefix: string,
  ) {}

  /** @returns `'ok'`, or the code of the error */
  async make(strike: Strike | undefined): Promise<string> {
    const { operation, contents, place } = this;
    const { proxy, storage, direct } = place;
    await this.#store({ ...operation.before, [OTHER]: 'old' });
    const upload = await this.#startUpload();
    const start = proxy.requests.length;
    const { fault } = this;
    if (strike && fault) {
      const effect = fault.effect(this.backend.dialect);
      const { after, always } = strike;
      // What is not there from the beginning is never reached at all.
      if (effect === 'refuse' && always && after === 0) proxy.refuse();
      else proxy.fail({ after, times: always ? Infinity : 1, with: effect });
    }
    const call = { storage, contents, upload, sources: this.#sources, begun: this.#begun };
    const error = await this.#settled(operation.run(call));
    const sent = proxy.requests.length;
    await this.#expectNothingInFlight(sent);
    proxy.clearFaults();
    await proxy.accept();
    const orphans = this.#orphans(proxy.requests.slice(start, sent));
    if (strike && fault && error !== undefined) this.#judge(error, strike, fault);
    await this.#expectFiles(error === undefined);
    await this.#expectConnection();
    for (const begun of upload ? [...this.#begun, upload.upload] : this.#begun) {
      await direct.abortMultipartUpload(begun);
    }
    // As long as the service can be reached, that is.
    if (!strike?.always) await this.#expectNothingLeft(orphans);
    return error instanceof StorageError ? error.code : error ? 'WRONG' : 'ok';
  }

  async #store(files: Files): Promise<void> {
    for (const [key, name] of Object.entries(files)) {
      if (name) await this.place.direct.put(key, this.contents[name]);
    }
  }

  async #startUpload(): Promise<Upload | undefined> {
    const { operation, contents, place } = this;
    if (!operation.upload) return undefined;
    const { large, partSize } = contents;
    const size = large.byteLength;
    const upload = await place.direct.startMultipartUpload('key', { size, partSize });
    const count = Math.ceil(size / partSize) - operation.upload.missing;
    const parts = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        place.direct.uploadPart(upload, index + 1, partOf(contents, index + 1)),
      ),
    );
    return { upload, parts };
  }

  /** What the call rejects with, if it does. */
  async #settled(running: Promise<unknown>): Promise<unknown> {
    const settled = running.then(
      () => undefined,
      (error: unknown) => error ?? new Error('nothing'),
    );
    const outcome = await within(DEADLINE, settled);
    if (outcome === LATE) {
      this.problems.push(`hangs for more than ${DEADLINE} ms`);
      return new Error('late');
    }
    for (const source of this.#sources) {
      if (!source.destroyed) this.problems.push('leaves its source open');
    }
    return outcome;
  }

  async #expectNothingInFlight(sent: number): Promise<void> {
    const { proxy } = this.place;
    const idle = proxy.until(({ inFlight }) => inFlight === 0);
    if ((await within(SETTLED, idle)) === LATE) this.problems.push('leaves requests in flight');
    const late = proxy.requests.slice(sent);
    if (late.length > 0) this.problems.push(`makes ${late.length} requests after its end`);
  }

  /** Uploads that were begun and of which the client was not told. */
  #orphans(requests: readonly ProxiedRequest[]): number {
    const starts = requests.filter(({ method, url }) => this.backend.startsUpload(method, url));
    const begun = starts.filter((request) => !request.fault || this.fault?.isDone);
    const twice = starts.filter((request) => request.fault && this.fault?.isRepeated);
    return Math.max(0, begun.length - 1) + twice.length;
  }

  #judge(error: unknown, { always }: Strike, fault: TriedFault): void {
    const { operation } = this;
    if (!(error instanceof StorageError)) {
      this.problems.push(`no StorageError: ${String(error)}`);
      return;
    }
    const { code, retryable, message } = error;
    // The verdict is about the first of the two: nobody is told that there was one.
    if (fault.isRepeated && operation.createOnly && /^FILE_(EXISTS|NOT_FOUND)$/.test(code)) return;
    // Whoever may have won, or may have been beaten, must look before the call is repeated.
    const isUncertain = operation.createOnly && code === 'CONNECTION_FAILED' && !retryable;
    const isStrange = fault.isStrange && code === 'CONNECTION_FAILED';
    const isBeyondRepair =
      fault.breaksBodies && operation.isStreamed && !this.backend.resumesDownloads;
    if (!always && !isStrange && !isBeyondRepair) {
      this.problems.push(`does not survive it once: ${message}`);
    }
    const isRight = retryable === fault.retryable || isUncertain || isStrange;
    if (!fault.codes.includes(code) || !isRight) {
      this.problems.push(`rejects with ${code}, ${retryable ? '' : 'not '}retryable: ${message}`);
    }
  }

  async #expectFiles(succeeded: boolean): Promise<void> {
    const { before, after } = this.operation;
    const states: string[] = [];
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const old = before[key];
      const next = Object.hasOwn(after, key) ? after[key] : old;
      const found = await this.#find(key);
      const allowed: (string | undefined)[] = succeeded ? [next] : [old, next];
      if (!allowed.includes(found)) states.push(`${key} is ${found ?? 'absent'}`);
    }
    if (states.length > 0) {
      this.problems.push(`${succeeded ? 'succeeds' : 'fails'}, and ${states.join(', ')}`);
    }
  }

  async #find(key: string): Promise<ContentName | 'neither' | undefined> {
    const { direct } = this.place;
    try {
      const bytes = await direct.getBytes(key);
      const names = ['old', 'small', 'large'] as const;
      return names.find((name) => this.contents[name].equals(bytes)) ?? 'neither';
    } catch (error) {
      if (error instanceof StorageFileNotFoundError) return undefined;
      throw error;
    }
  }

  /** What comes next must not get an answer that was meant for the call. */
  async #expectConnection(): Promise<void> {
    const { storage } = this.place;
    try {
      const bytes = await storage.getBytes(OTHER);
      if (!bytes.equals(this.contents.old))
        this.problems.push('spoils the answer to the next call');
    } catch (error) {
      this.problems.push(`spoils the next call: ${String(error)}`);
    }
  }

  async #expectNothingLeft(orphans: number): Promise<void> {
    const { before, after } = this.operation;
    const keys = [...Object.keys(before), ...Object.keys(after), OTHER];
    const expected = new Set(keys.map((key) => this.prefix + key));
    const objects = await this.backend.objects(this.prefix);
    const left = objects.filter((name) => !expected.has(name));
    if (left.length > 0) this.problems.push(`leaves ${left.join(', ')}`);
    const unfinished = this.backend.unfinished(this.prefix);
    if (unfinished.length > orphans) {
      this.problems.push(`leaves ${unfinished.length} uploads unfinished`);
    }
  }
}

const LATE = Symbol('late');

async function within<Value>(
  milliseconds: number,
  promise: Promise<Value>,
): Promise<Value | typeof LATE> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(() => resolve(LATE), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
