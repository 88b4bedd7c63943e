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

/** What the small file says. */
interface ClaimNote {
  /** Another text each time, so that each claim has an etag of its own. */
  readonly token: string;
  readonly outcome?: UploadOutcome;
}

interface HeldClaim {
  readonly file: StoredFile;
  readonly outcome: UploadOutcome | undefined;
}

/**
 * The right to decide what becomes of an upload: one request at a time has it, in whichever process. It is a small file beside
 * the staged one. When the upload is over it says so, until a sweep removes it: so what is sent after that, with a
 * URL that still lives, becomes nothing. Where a backend has no create-only writes, two that come at the very same time may both get
 * it.
 */
export class CompletionClaim {
  readonly #taken = Date.now();

  private constructor(
    private readonly staging: Storage,
    private readonly key: string,
    /** Whoever had it before did not come to an end. */
    readonly isInherited: boolean,
    /** As far as that one came. An upload that is over has no claim to be held. */
    readonly outcome: UploadOutcome | undefined,
  ) {}

  /** @throws UploadException 409 while another has it */
  static async take(staging: Storage, name: string): Promise<CompletionClaim> {
    await staging.open();
    const key = claimKey(name);
    const { createOnly, compareAndSet } = staging.capabilities;
    const held = createOnly ? await create(staging, key) : await heldClaim(staging, key);
    if (held) {
      const { file, outcome } = held;
      if (!isOver(outcome)) {
        if (Date.now() - (file.lastModified?.getTime() ?? 0) < ABANDONED_AFTER) throw uploadBusy();
        await replace(staging, key, outcome, compareAndSet ? file.etag : undefined);
      }
    } else if (!createOnly) {
      await replace(staging, key, undefined, undefined);
    }
    return new CompletionClaim(staging, key, held !== undefined, held?.outcome);
  }

  /** What has become of the upload; `undefined` while nothing has. */
  static async outcomeOf(staging: Storage, name: string): Promise<UploadOutcome | undefined> {
    return (await heldClaim(staging, claimKey(name)))?.outcome;
  }

  /** Whether it is so young that nobody else can have it. */
  get isHeld(): boolean {
    return Date.now() - this.#taken <= ABANDONED_AFTER / 2;
  }

  /** @throws UploadException 409 when it was held so long that another may have it by now */
  assertHeld(): void {
    if (!this.isHeld) throw uploadBusy();
  }

  /** Writes down what has become of the upload; one that another may have by now is left to him. */
  async note(outcome: UploadOutcome | undefined): Promise<void> {
    if (this.isHeld) await replace(this.staging, this.key, outcome, undefined);
  }

  /** Lets others have it; one that another may have by now is left to him. */
  async release(): Promise<void> {
    if (this.isHeld) await this.staging.delete(this.key);
  }
}

function claimKey(name: string): string {
  return `${name}.claim`;
}

function isOver(outcome: UploadOutcome | undefined): boolean {
  return outcome?.state === 'completed' || outcome?.state === 'cancelled';
}

/** The claim that is there already, if there is one. */
async function create(staging: Storage, key: string): Promise<HeldClaim | undefined> {
  try {
    await staging.put(key, noteOf(undefined), { ifNoneMatch: '*' });
    return undefined;
  } catch (error) {
    if (!(error instanceof StorageFileExistsError)) throw error;
    const held = await heldClaim(staging, key);
    // Released meanwhile; the next try gets it.
    if (!held) throw uploadBusy();
    return held;
  }
}

async function replace(
  staging: Storage,
  key: string,
  outcome: UploadOutcome | undefined,
  etag: string | undefined,
): Promise<void> {
  try {
    await staging.put(key, noteOf(outcome), etag === undefined ? {} : { ifMatch: etag });
  } catch (error) {
    if (error instanceof StoragePreconditionFailedError) throw uploadBusy();
    throw error;
  }
}

function noteOf(outcome: UploadOutcome | undefined): string {
  const note: ClaimNote = {
    token: randomBytes(16).toString('hex'),
    ...(outcome && { outcome }),
  };
  return JSON.stringify(note);
}

async function heldClaim(staging: Storage, key: string): Promise<HeldClaim | undefined> {
  // Nearly always there is none.
  if (!(await infoOf(staging, key))) return undefined;
  try {
    const download = await staging.get(key);
    const { outcome } = JSON.parse(await download.text()) as ClaimNote;
    return { file: download.file, outcome: outcome && withDates(outcome) };
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
