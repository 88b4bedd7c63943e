import { startChecksum, type Checksum } from '../core/checksum.js';
import {
  StorageAbortedError,
  StorageIntegrityError,
  StorageUnsupportedError,
} from '../core/errors.js';
import { infoIfThere } from '../core/info-if-there.js';
import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';
import type { Journal } from './journal.js';
import { mergedListing, type Pair } from './merged-listing.js';
import { hasKey, type Share } from './share.js';
import { transferLatest } from './transfer.js';

/** Which files a run is about. */
export interface Scope {
  readonly prefix: string;
  /** Of the keys with that prefix; without it, all of them. */
  readonly share?: Share | undefined;
  readonly signal: AbortSignal;
}

export interface ReadOptions extends Scope {
  readonly concurrency: number;
  readonly report: (event: SyncEvent) => Promise<void>;
}

export interface SyncOptions extends ReadOptions {
  readonly dryRun: boolean;
  readonly delete: boolean;
  /** Reads what has no comparable checksum, instead of trusting the modification time. */
  readonly checksum: boolean;
  readonly journal?: Journal | undefined;
  /** Keys that are left as they are on both sides: the run's own journal. */
  readonly ignored?: ReadonlySet<string | undefined>;
}

export interface SyncEvent {
  readonly action:
    | 'copy'
    | 'delete'
    | 'same'
    | 'failed'
    | 'missing'
    | 'extra'
    | 'different'
    /** The storage keeps no checksum of it. */
    | 'unverifiable'
    /** What a console shows a folder by: it has no bytes, and its name is no key. */
    | 'folder marker';
  readonly key: string;
  /** Of the file at the source, as it was copied or listed; nothing when there is none. */
  readonly size?: number;
  readonly reason?: string;
}

const DONE_EVERY = 100;

/**
 * Makes `to` hold what `from` holds, in the order of the keys; a file that fails is reported, and the others go on. Returns how
 * many failed.
 */
export async function sync(from: Storage, to: Storage, options: SyncOptions): Promise<number> {
  const { journal, report, signal } = options;
  const progress = new DoneMark(journal);
  let failed = 0;
  await eachPair(allPairs(from, to, options), options, async (listed) => {
    let pair = listed;
    if (options.ignored?.has(pair.key)) return;
    const finish = progress.begin(pair.key);
    let isDone = pair.source !== undefined;
    try {
      if (isBareKey(pair)) pair = await lookUp(from, to, pair.key, signal);
      await syncPair(from, to, pair, options);
    } catch (error) {
      signal.throwIfAborted();
      failed++;
      isDone = false;
      journal?.fail(pair.key);
      await report({ action: 'failed', ...sourceOf(pair), reason: reasonOf(error) });
    }
    finish(isDone);
  });
  return failed;
}

/** Reads every file on both sides and compares the bytes. Returns how many differ or could not be read. */
export async function verify(from: Storage, to: Storage, options: ReadOptions): Promise<number> {
  let different = 0;
  const differs = async (event: SyncEvent): Promise<void> => {
    different++;
    await options.report(event);
  };
  await eachPair(pairsOf(from, to, options), options, async (pair) => {
    const { key, source, target } = pair;
    try {
      if (!target) return await differs({ action: 'missing', ...sourceOf(pair) });
      if (!source) return await differs({ action: 'extra', key });
      const same =
        source.size === target.size && (await haveSameBytes(from, to, key, options.signal));
      if (!same) return await differs({ action: 'different', ...sourceOf(pair) });
      await options.report({ action: 'same', key, size: source.size });
    } catch (error) {
      options.signal.throwIfAborted();
      await differs({ action: 'failed', ...sourceOf(pair), reason: reasonOf(error) });
    }
  });
  return different;
}

/** Reads every file and compares its bytes with the checksum that it was stored with. Returns how many are not known to be right. */
export async function verifyChecksums(storage: Storage, options: ReadOptions): Promise<number> {
  const { signal, report } = options;
  let doubtful = 0;
  await eachPair(storedPairs(storage, options), options, async (pair) => {
    const { key } = pair;
    try {
      let size = 0;
      const download = await storage.get(key, { signal, verify: true });
      for await (const chunk of download) size += chunk.length;
      await report({ action: 'same', key, size });
    } catch (error) {
      signal.throwIfAborted();
      doubtful++;
      if (error instanceof StorageIntegrityError) {
        return report({ action: 'different', ...sourceOf(pair) });
      }
      if (error instanceof StorageUnsupportedError) {
        return report({ action: 'unverifiable', ...sourceOf(pair) });
      }
      await report({ action: 'failed', ...sourceOf(pair), reason: reasonOf(error) });
    }
  });
  return doubtful;
}

async function* storedPairs(
  storage: Storage,
  { prefix, share, signal }: Scope,
): AsyncGenerator<Pair, void> {
  for await (const source of storage.list(prefix, { signal })) {
    if (!share || hasKey(share, source.key)) yield { key: source.key, source };
  }
}

async function* pairsOf(
  from: Storage,
  to: Storage,
  { share, ...listed }: Scope & { readonly startAfter?: string | undefined },
): AsyncGenerator<Pair, void> {
  for await (const pair of mergedListing(from, to, listed)) {
    if (!share || hasKey(share, pair.key)) yield pair;
  }
}

/** What an event tells of a pair. */
function sourceOf({ key, source }: Pair): Pick<SyncEvent, 'key' | 'size'> {
  return { key, ...(source && { size: source.size }) };
}

function isFolderMarker(pair: Pair): boolean {
  const { key, source, target } = pair;
  return key.endsWith('/') && !isBareKey(pair) && !source?.size && !target?.size;
}

/** Of the journal: no listing has told what is under it. */
function isBareKey({ source, target }: Pair): boolean {
  return !source && !target;
}

async function lookUp(from: Storage, to: Storage, key: string, signal: AbortSignal): Promise<Pair> {
  const [source, target] = await Promise.all([
    infoIfThere(from, key, { signal }),
    infoIfThere(to, key, { signal }),
  ]);
  return { key, ...(source && { source }), ...(target && { target }) };
}

/** Whether there is any file, of whatever share. */
export async function hasFiles(
  storage: Storage,
  { prefix, signal }: Scope,
  ignored: ReadonlySet<string | undefined>,
): Promise<boolean> {
  for await (const source of storage.list(prefix, { signal })) {
    const { key } = source;
    if (!ignored.has(key) && !isFolderMarker({ key, source })) return true;
  }
  return false;
}

/** The keys of what failed before, and then everything from where the journal ends. */
async function* allPairs(
  from: Storage,
  to: Storage,
  { journal, prefix, share, signal }: SyncOptions,
): AsyncGenerator<Pair, void> {
  for (const key of journal?.failed ?? []) yield { key };
  yield* pairsOf(from, to, { prefix, share, signal, startAfter: journal?.startAfter });
}

/** The pairs in order, so many at once. They end with the last of them, or with the first failure. */
async function eachPair(
  pairs: AsyncGenerator<Pair, void>,
  { concurrency, signal, report }: ReadOptions,
  work: (pair: Pair) => Promise<void>,
): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let next = await pairs.next(); !next.done; next = await pairs.next()) {
      signal.throwIfAborted();
      const pair = next.value;
      if (!isFolderMarker(pair)) await work(pair);
      else await report({ action: 'folder marker', ...sourceOf(pair) });
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: concurrency }, worker));
  await pairs.return();
  const failure = ended.find((each) => each.status === 'rejected');
  if (failure) throw failure.reason;
}

async function syncPair(
  from: Storage,
  to: Storage,
  { key, source, target }: Pair,
  options: SyncOptions,
): Promise<void> {
  const { signal, journal, report, dryRun } = options;
  if (!source) {
    if (!target || !options.delete) return;
    // The listing may be older than the file, and not every service has each of its files where the order of keys wants it.
    const overlooked = await infoIfThere(from, key, { signal });
    if (overlooked) {
      return syncPair(from, to, { key, source: overlooked, target }, options);
    }
    if (!dryRun) await to.delete(key, { signal });
    return await report({ action: 'delete', key });
  }
  const { size, etag } = source;
  const same =
    target &&
    target.size === size &&
    (journal?.has(key, etag) || (await isSame(from, to, source, target, options)));
  if (same) {
    // Else it would be tried again each time.
    if (journal?.failed.has(key)) journal.add(key, etag);
    return await report({ action: 'same', key, size });
  }
  if (dryRun) return await report({ action: 'copy', key, size });
  const copied = await transferLatest(from, to, key, signal);
  journal?.add(key, copied.etag);
  await report({ action: 'copy', key, size: copied.size });
}

/** Of two files of one size. Etags are never compared: of a multipart upload it is no checksum. */
async function isSame(
  from: Storage,
  to: Storage,
  source: StoredFile,
  target: StoredFile,
  { checksum, journal, signal }: SyncOptions,
): Promise<boolean> {
  const listed = compareChecksums(source.checksum, target.checksum);
  if (listed !== undefined) return listed;
  // Of what failed before, the target may hold an older version, stored after the source was last replaced.
  const isTimeless = checksum || journal?.hasFailed(source.key) === true;
  const age = isTimeless ? 0 : compareTimes(target, source);
  if (age !== 0) return age > 0;
  const key = source.key;
  const [one, other] = await Promise.all([from.info(key, { signal }), to.info(key, { signal })]);
  return (
    compareChecksums(one.checksum, other.checksum) ?? (await haveSameBytes(from, to, key, signal))
  );
}

function compareChecksums(one?: Checksum, other?: Checksum): boolean | undefined {
  if (!one || !other || one.algorithm !== other.algorithm) return undefined;
  return one.value === other.value;
}

/**
 * Above 0 when the target was stored after the source, below when before; 0 when nobody can tell: services list whole seconds, in
 * which a file may have been copied and changed again.
 */
function compareTimes(target: StoredFile, source: StoredFile): number {
  const second = ({ lastModified }: StoredFile): number =>
    Math.floor((lastModified?.getTime() ?? 0) / 1000);
  return second(target) - second(source);
}

async function haveSameBytes(
  from: Storage,
  to: Storage,
  key: string,
  signal: AbortSignal,
): Promise<boolean> {
  const [one, other] = await Promise.all([digest(from, key, signal), digest(to, key, signal)]);
  return one === other;
}

async function digest(storage: Storage, key: string, signal: AbortSignal): Promise<string> {
  const sum = startChecksum('sha256');
  for await (const chunk of await storage.get(key, { signal })) sum.update(chunk);
  return sum.digest().value;
}

/** Knows up to which key everything is done, though files end in another order than they began. */
class DoneMark {
  readonly #underWay: { key: string; ended: boolean; isDone: boolean }[] = [];
  #sinceMark = 0;
  #files: number;

  constructor(private readonly journal: Journal | undefined) {
    this.#files = journal?.listedBefore ?? 0;
  }

  /** To be called in the order of the keys; what it returns, with whether a file of the source is done. */
  begin(key: string): (isDone: boolean) => void {
    // What is tried again lies behind the mark already.
    if (!this.journal || this.journal.failed.has(key)) return () => {};
    const entry = { key, ended: false, isDone: false };
    this.#underWay.push(entry);
    return (isDone) => {
      Object.assign(entry, { ended: true, isDone });
      let done: string | undefined;
      while (this.#underWay[0]?.ended) {
        const first = this.#underWay.shift()!;
        done = first.key;
        this.#sinceMark++;
        if (first.isDone) this.#files++;
      }
      if (done === undefined || this.#sinceMark < DONE_EVERY) return;
      this.#sinceMark = 0;
      this.journal?.done(done, this.#files);
    };
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof StorageAbortedError) throw error;
  return error instanceof Error ? error.message : String(error);
}
