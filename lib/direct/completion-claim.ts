import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';
import {
  newHolder,
  readNote,
  type StoredNote,
  storeNote,
  type UploadOutcome,
} from './claim-note.js';
import { uploadBusy } from './direct.exceptions.js';

/** Milliseconds after which a claim that nobody renews is taken for that of a process that has ended. */
const ABANDONED_AFTER = 10 * 60_000;

/** Milliseconds between two renewals of a claim, so that it stays young however long its work takes. */
const RENEWED_EVERY = ABANDONED_AFTER / 5;

/**
 * The right to decide what becomes of an upload: one request at a time has it, in whichever process. It is a small file beside
 * the staged one, written anew while it is held. When the upload is over it says so, until a sweep removes it: so what is sent after
 * that, with a URL that still lives, becomes nothing. Where a backend has no create-only writes, two that come at the very same time
 * may both get it.
 */
export class CompletionClaim {
  /** Whoever had it before did not come to an end. */
  readonly isInherited: boolean;
  /** As far as that one came. An upload that is over has no claim to be held. */
  readonly outcome: UploadOutcome | undefined;
  readonly #compareAndSet: boolean;
  #etag: string | undefined;
  /** What each renewal repeats. */
  #noted: UploadOutcome | undefined;
  #renewals: NodeJS.Timeout | undefined;
  /** Of the writes, one after the other, as each names the etag of the one before. */
  #lastWrite: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly staging: Storage,
    private readonly key: string,
    private readonly holder: string,
    { etag }: StoredFile,
    /** When it was surely no older than now, by the clock of the app. */
    private written: number,
    before: StoredNote | undefined,
  ) {
    this.isInherited = before !== undefined;
    this.outcome = this.#noted = before?.outcome;
    this.#etag = etag;
    this.#compareAndSet = staging.capabilities.compareAndSet && etag !== undefined;
    if (isOver(this.outcome)) return;
    this.#renewals = setInterval(() => void this.#renew(), RENEWED_EVERY).unref();
  }

  /** It is renewed until it is disposed of. @throws UploadException 409 while another has it */
  static async take(staging: Storage, name: string): Promise<CompletionClaim> {
    await staging.open();
    const key = claimKey(name);
    const holder = newHolder();
    const { createOnly, compareAndSet } = staging.capabilities;
    const begun = Date.now();
    const taken = (file: StoredFile, before?: StoredNote): CompletionClaim =>
      new CompletionClaim(staging, key, holder, file, begun, before);

    if (createOnly) {
      const file = await storeNote(staging, key, { holder }, { ifNoneMatch: '*' });
      if (file) return taken(file);
    }
    const before = await readNote(staging, key);
    // Released meanwhile; the next try gets it.
    if (!before && createOnly) throw uploadBusy();
    if (before && isOver(before.outcome)) return taken(before.file, before);
    if (before && !isAbandoned(before)) throw uploadBusy();
    const etag = before?.file.etag;
    const condition = compareAndSet && etag !== undefined ? { ifMatch: etag } : {};
    const file = await storeNote(staging, key, { holder, outcome: before?.outcome }, condition);
    if (!file) throw uploadBusy();
    return taken(file, before);
  }

  /** What has become of the upload; `undefined` while nothing has. */
  static async outcomeOf(staging: Storage, name: string): Promise<UploadOutcome | undefined> {
    return (await readNote(staging, claimKey(name)))?.outcome;
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
    await this.#lastWrite;
  }

  /** So young that nobody else can have it. */
  get #isYoung(): boolean {
    return Date.now() - this.written <= ABANDONED_AFTER / 2;
  }

  async #renew(): Promise<void> {
    // Where it fails, the next one or the outcome finds out who has it.
    await this.#write(this.#noted).catch(() => {});
  }

  /** After the writes before it. Whether it was written, which it is not when another has the claim. */
  #write(outcome: UploadOutcome | undefined): Promise<boolean> {
    const written = this.#lastWrite.then(() => this.#replace(outcome));
    this.#lastWrite = written.catch(() => {});
    return written;
  }

  async #replace(outcome: UploadOutcome | undefined): Promise<boolean> {
    const begun = Date.now();
    const file = this.#compareAndSet
      ? await this.#replaceOwn(outcome)
      : await this.#replaceYoung(outcome);
    if (!file) return false;
    this.#etag = file.etag;
    this.written = begun;
    return true;
  }

  /** The backend tells whether it is still the one that was written before. */
  async #replaceOwn(outcome: UploadOutcome | undefined): Promise<StoredFile | undefined> {
    const { staging, key, holder } = this;
    const note = { holder, outcome };
    const file = await storeNote(staging, key, note, { ifMatch: this.#etag! });
    if (file) return file;
    // One that was written before, and seemed not to be, has another etag.
    const stored = await readNote(staging, key);
    if (stored?.holder !== holder || stored.file.etag === undefined) return undefined;
    return storeNote(staging, key, note, { ifMatch: stored.file.etag });
  }

  /** The backend cannot tell: only while it is young is it surely nobody else's. */
  async #replaceYoung(outcome: UploadOutcome | undefined): Promise<StoredFile | undefined> {
    const { staging, key, holder } = this;
    return this.#isYoung ? storeNote(staging, key, { holder, outcome }, {}) : undefined;
  }
}

function claimKey(name: string): string {
  return `${name}.claim`;
}

function isOver(outcome: UploadOutcome | undefined): boolean {
  return outcome?.state === 'completed' || outcome?.state === 'cancelled';
}

function isAbandoned({ file }: StoredNote): boolean {
  return Date.now() - (file.lastModified?.getTime() ?? 0) >= ABANDONED_AFTER;
}
