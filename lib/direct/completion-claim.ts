import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';
import {
  type ClaimNote,
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
 * the staged one, written anew while it is held, that says how far the upload has come:
 *
 * | outcome     | written                              | who completes the upload then                                       |
 * | ----------- | ------------------------------------ | ------------------------------------------------------------------- |
 * | none        | when the claim is taken              | publishes the file if it is not, and tells the app: the first time  |
 * | `told`      | before the app is told, or it is not | tells it again; the file stays, as the app may have taken it before |
 * | `refused`   | before what the app refuses goes     | removes the file, and goes on as with none                          |
 * | `completed` | when the app has taken the file      | is answered the file                                                |
 * | `cancelled` | when what was sent is removed        | is answered 404                                                     |
 *
 * The last two stay until a sweep removes them: so what is sent after that, with a URL that still lives, becomes nothing. Where a
 * backend has no create-only writes, two that come at the very same time may both get the claim.
 */
export class CompletionClaim {
  readonly #compareAndSet: boolean;
  #etag: string | undefined;
  /** What each renewal repeats. */
  #outcome: UploadOutcome | undefined;
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
    this.#outcome = before?.outcome;
    this.#etag = etag;
    this.#compareAndSet = staging.capabilities.compareAndSet && etag !== undefined;
    if (isOver(this.#outcome)) return;
    this.#renewals = setInterval(() => void this.#renew(), RENEWED_EVERY).unref();
  }

  /** As far as the upload has come. One that is over has no claim to be held. */
  get outcome(): UploadOutcome | undefined {
    return this.#outcome;
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
    if (before?.holder !== undefined && !isAbandoned(before)) throw uploadBusy();
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
    return this.#compareAndSet && this.#write(this.#held);
  }

  /** @throws UploadException 409 when it was held so long that another has it by now */
  async assertHeld(): Promise<void> {
    if (!(await this.isHeld())) throw uploadBusy();
  }

  /** Writes down what has become of the upload. Whether it did: a claim that another has by now is left to them. */
  async note(outcome: UploadOutcome | undefined): Promise<boolean> {
    this.#outcome = outcome;
    return this.#write(this.#held);
  }

  /**
   * Lets others have it at once, in an outage when it is old; one that another has by now is left to them. Never rejects.
   *
   * @param outcome for the next one to go on from
   */
  async release(outcome?: UploadOutcome): Promise<void> {
    await this[Symbol.asyncDispose]();
    if (isOver(outcome)) return;
    this.#outcome = outcome;
    try {
      if (!(await this.isHeld())) return;
      if (outcome) await this.#write({ outcome });
      else await this.staging.delete(this.key);
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

  get #held(): ClaimNote {
    return { holder: this.holder, outcome: this.#outcome };
  }

  async #renew(): Promise<void> {
    // Where it fails, the next one or the outcome finds out who has it.
    await this.#write(this.#held).catch(() => {});
  }

  /** After the writes before it. Whether it was written, which it is not when another has the claim. */
  #write(note: ClaimNote): Promise<boolean> {
    const written = this.#lastWrite.then(() => this.#replace(note));
    this.#lastWrite = written.catch(() => {});
    return written;
  }

  async #replace(note: ClaimNote): Promise<boolean> {
    const begun = Date.now();
    const file = this.#compareAndSet
      ? await this.#replaceOwn(note)
      : await this.#replaceYoung(note);
    if (!file) return false;
    this.#etag = file.etag;
    this.written = begun;
    return true;
  }

  /** The backend tells whether it is still the one that was written before. */
  async #replaceOwn(note: ClaimNote): Promise<StoredFile | undefined> {
    const { staging, key, holder } = this;
    const file = await storeNote(staging, key, note, { ifMatch: this.#etag! });
    if (file) return file;
    // One that was written before, and seemed not to be, has another etag.
    const stored = await readNote(staging, key);
    if (stored?.holder !== holder || stored.file.etag === undefined) return undefined;
    return storeNote(staging, key, note, { ifMatch: stored.file.etag });
  }

  /** The backend cannot tell: only while it is young is it surely nobody else's who did not come at the very same time. */
  async #replaceYoung(note: ClaimNote): Promise<StoredFile | undefined> {
    const { staging, key, holder } = this;
    if (!this.#isYoung) return undefined;
    const stored = await readNote(staging, key);
    return stored && stored.holder !== holder ? undefined : storeNote(staging, key, note, {});
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
