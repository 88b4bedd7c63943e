import { randomBytes } from 'node:crypto';
import {
  StorageFileExistsError,
  StorageFileNotFoundError,
  StoragePreconditionFailedError,
} from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import { storedFile, type StoredFile } from '../core/stored-file.js';
import { uploadBusy } from './direct.exceptions.js';

/**
 * Milliseconds after which a claim is taken for that of a process that has ended. So long, an upload outlives its id: it may be under
 * completion when that ends.
 */
export const ABANDONED_AFTER = 10 * 60_000;

/** What has become of an upload. */
export type UploadOutcome =
  /** `told`: the app is being told of the file, which may be under another key, or be no more, when it returns. */
  | { readonly state: 'told' | 'completed'; readonly file: StoredFile }
  | { readonly state: 'cancelled' };

/** Milliseconds between two renewals of a claim, so that it stays young however long its work takes. */
const RENEWED_EVERY = ABANDONED_AFTER / 5;

/** What the small file says. */
interface ClaimNote {
  /** Another text for each who takes it. */
  readonly holder: string;
  /** Another text each time, so that each claim has an etag of its own. */
  readonly token: string;
  readonly outcome?: UploadOutcome;
}

interface HeldClaim {
  readonly file: StoredFile;
  readonly holder: string;
  readonly outcome: UploadOutcome | undefined;
}

/**
 * The right to decide what becomes of an upload: one request at a time has it, in whichever process. It is a small file beside
 * the staged one, written anew while it is held. When the upload is over it says so, until a sweep removes it: so what is sent after
 * that, with a URL that still lives, becomes nothing. Where a backend has no create-only writes, two that come at the very same time
 * may both get it.
 */
export class CompletionClaim {
  readonly #compareAndSet: boolean;
  #noted: UploadOutcome | undefined;
  #renewals: NodeJS.Timeout | undefined;
  /** Of the writes, one after the other, as each names the etag of the one before. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly staging: Storage,
    private readonly key: string,
    private readonly holder: string,
    private etag: string | undefined,
    /** When it was surely no older than now, by the clock of the app. */
    private written: number,
    /** Whoever had it before did not come to an end. */
    readonly isInherited: boolean,
    /** As far as that one came. An upload that is over has no claim to be held. */
    readonly outcome: UploadOutcome | undefined,
  ) {
    this.#compareAndSet = staging.capabilities.compareAndSet && etag !== undefined;
    this.#noted = outcome;
    if (isOver(outcome)) return;
    this.#renewals = setInterval(() => void this.#renew(), RENEWED_EVERY).unref();
  }

  /** It is renewed until it is disposed of. @throws UploadException 409 while another has it */
  static async take(staging: Storage, name: string): Promise<CompletionClaim> {
    await staging.open();
    const key = claimKey(name);
    const holder = randomText();
    const { createOnly, compareAndSet } = staging.capabilities;
    const begun = Date.now();
    const taken = (etag: string | undefined, held?: HeldClaim): CompletionClaim =>
      new CompletionClaim(staging, key, holder, etag, begun, held !== undefined, held?.outcome);

    const first = createOnly ? await create(staging, key, holder) : undefined;
    if (first) return taken(first.etag);
    const held = await heldClaim(staging, key);
    if (!held) {
      // Released meanwhile; the next try gets it.
      if (createOnly) throw uploadBusy();
      return taken((await staging.put(key, noteOf(holder, undefined))).etag);
    }
    const { file, outcome } = held;
    if (isOver(outcome)) return taken(file.etag, held);
    if (Date.now() - (file.lastModified?.getTime() ?? 0) < ABANDONED_AFTER) throw uploadBusy();
    const conditions = compareAndSet && file.etag !== undefined ? { ifMatch: file.etag } : {};
    try {
      return taken((await staging.put(key, noteOf(holder, outcome), conditions)).etag, held);
    } catch (error) {
      throw error instanceof StoragePreconditionFailedError ? uploadBusy() : error;
    }
  }

  /** What has become of the upload; `undefined` while nothing has. */
  static async outcomeOf(staging: Storage, name: string): Promise<UploadOutcome | undefined> {
    return (await heldClaim(staging, claimKey(name)))?.outcome;
  }

  /** Whether nobody else has it, nor gets it in the next minutes. */
  async isHeld(): Promise<boolean> {
    if (this.#isYoung) return true;
    // Nobody need have come; where that cannot be told, somebody may.
    return this.#compareAndSet && this.#write(this.#noted);
  }

  /** @throws UploadException 409 when it was held so long that another has it by now */
  async assertHeld(): Promise<void> {
    if (!(await this.isHeld())) throw uploadBusy();
  }

  /** Writes down what has become of the upload; one that another has by now is left to him. */
  async note(outcome: UploadOutcome | undefined): Promise<void> {
    this.#noted = outcome;
    await this.#write(outcome);
  }

  /** Lets others have it, in an outage when it is old; one that another has by now is left to him. Never rejects. */
  async release(): Promise<void> {
    await this[Symbol.asyncDispose]();
    try {
      if (await this.isHeld()) await this.staging.delete(this.key);
    } catch {
      // It is released because something failed, and that is what the client is to be told.
    }
  }

  /** Nothing is written any more by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewals);
    await this.#last;
  }

  /** So young that nobody else can have it. */
  get #isYoung(): boolean {
    return Date.now() - this.written <= ABANDONED_AFTER / 2;
  }

  async #renew(): Promise<void> {
    // Where it fails, the next one or the outcome finds out who has it.
    await this.#write(this.#noted).catch(() => {});
  }

  /** Whether it was written, which it is not when another has it. */
  #write(outcome: UploadOutcome | undefined): Promise<boolean> {
    const written = this.#last.then(() => this.#replace(outcome));
    this.#last = written.catch(() => {});
    return written;
  }

  async #replace(outcome: UploadOutcome | undefined): Promise<boolean> {
    const begun = Date.now();
    const { staging, key, holder } = this;
    const note = noteOf(holder, outcome);
    if (!this.#compareAndSet) {
      if (!this.#isYoung) return false;
      await staging.put(key, note);
    } else {
      try {
        this.etag = (await staging.put(key, note, { ifMatch: this.etag! })).etag;
      } catch (error) {
        if (!isOvertaken(error)) throw error;
        // It may have been written by an earlier try whose answer was lost.
        const held = await heldClaim(staging, key);
        if (held?.holder !== holder || held.file.etag === undefined) return false;
        const again = await replaceClaim(staging, key, note, held.file.etag);
        if (!again) return false;
        this.etag = again.etag;
      }
    }
    this.written = begun;
    return true;
  }
}

function claimKey(name: string): string {
  return `${name}.claim`;
}

function isOver(outcome: UploadOutcome | undefined): boolean {
  return outcome?.state === 'completed' || outcome?.state === 'cancelled';
}

/** The claim, unless there is one already. */
async function create(
  staging: Storage,
  key: string,
  holder: string,
): Promise<StoredFile | undefined> {
  try {
    return await staging.put(key, noteOf(holder, undefined), { ifNoneMatch: '*' });
  } catch (error) {
    if (error instanceof StorageFileExistsError) return undefined;
    await giveBack(staging, key, holder);
    throw error;
  }
}

/** The claim as it is then; `undefined` when another has it. */
async function replaceClaim(
  staging: Storage,
  key: string,
  note: string,
  ifMatch: string,
): Promise<StoredFile | undefined> {
  try {
    return await staging.put(key, note, { ifMatch });
  } catch (error) {
    if (isOvertaken(error)) return undefined;
    throw error;
  }
}

/** Removes what a request has stored that was told of a failure, so that nobody waits for its age. */
async function giveBack(staging: Storage, key: string, holder: string): Promise<void> {
  try {
    if ((await heldClaim(staging, key))?.holder === holder) await staging.delete(key);
  } catch {
    // The failure of the request is what matters.
  }
}

/** Whether the claim is another one than it was, or is no more. */
function isOvertaken(error: unknown): boolean {
  return (
    error instanceof StoragePreconditionFailedError || error instanceof StorageFileNotFoundError
  );
}

function noteOf(holder: string, outcome: UploadOutcome | undefined): string {
  const note: ClaimNote = { holder, token: randomText(), ...(outcome && { outcome }) };
  return JSON.stringify(note);
}

function randomText(): string {
  return randomBytes(16).toString('hex');
}

async function heldClaim(staging: Storage, key: string): Promise<HeldClaim | undefined> {
  // Nearly always there is none.
  if (!(await infoOf(staging, key))) return undefined;
  try {
    const download = await staging.get(key);
    const { holder, outcome } = JSON.parse(await download.text()) as ClaimNote;
    return { file: download.file, holder, outcome: outcome && withDates(outcome) };
  } catch (error) {
    if (error instanceof StorageFileNotFoundError) return undefined;
    throw error;
  }
}

/** JSON knows no dates. */
function withDates(outcome: UploadOutcome): UploadOutcome {
  if (outcome.state === 'cancelled') return outcome;
  const { lastModified, ...file } = outcome.file;
  const date = lastModified && new Date(lastModified);
  return { ...outcome, file: storedFile({ ...file, lastModified: date }) };
}

/** The file, or `undefined` where there is none. */
export async function infoOf(storage: Storage, key: string): Promise<StoredFile | undefined> {
  try {
    return await storage.info(key);
  } catch (error) {
    if (error instanceof StorageFileNotFoundError) return undefined;
    throw error;
  }
}
