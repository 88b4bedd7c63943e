import { randomBytes } from 'node:crypto';
import {
  StorageFileExistsError,
  StorageFileNotFoundError,
  StoragePreconditionFailedError,
} from '../core/errors.js';
import { infoIfThere } from '../core/info-if-there.js';
import type { Storage } from '../core/storage.js';
import type { WriteConditions } from '../core/conditions.js';
import { storedFile, type StoredFile } from '../core/stored-file.js';

/** What has become of an upload. */
export type UploadOutcome =
  /** `told`: the app is being told of the file, which may be under another key, or be no more, when it returns. */
  | { readonly state: 'told' | 'completed'; readonly file: StoredFile }
  /** `refused`: the app has refused the file, which is to be removed. */
  | { readonly state: 'refused' }
  | { readonly state: 'cancelled' };

/** What the small file of a claim says. */
export interface ClaimNote {
  /** Another text for each who takes the claim; absent when nobody has it. */
  readonly holder?: string | undefined;
  /** As far as the upload has come; absent while nothing is decided. */
  readonly outcome?: UploadOutcome | undefined;
}

/** A note that is there. */
export interface StoredNote extends ClaimNote {
  /** Another text each time one is stored: by it, who stored it knows their own, and no two have the same etag. */
  readonly token: string;
  readonly file: StoredFile;
}

export function newHolder(): string {
  return randomText();
}

/** `undefined` when there is none. */
export async function readNote(staging: Storage, key: string): Promise<StoredNote | undefined> {
  // Nearly always there is none.
  if (!(await infoIfThere(staging, key))) return undefined;
  try {
    const download = await staging.get(key);
    const note = JSON.parse(await download.text()) as Omit<StoredNote, 'file'>;
    return { ...note, file: download.file, outcome: note.outcome && withDates(note.outcome) };
  } catch (error) {
    if (error instanceof StorageFileNotFoundError) return undefined;
    throw error;
  }
}

/**
 * Stores the note. Where the answer of the backend is lost, it is looked at: one that is there all the same is stored.
 *
 * @returns the file; `undefined` when the condition is not met: somebody else was there before
 */
export async function storeNote(
  staging: Storage,
  key: string,
  note: ClaimNote,
  condition: WriteConditions,
): Promise<StoredFile | undefined> {
  const token = randomText();
  try {
    return await staging.put(key, JSON.stringify({ ...note, token }), condition);
  } catch (error) {
    // A failure of this one tells nothing that the other does not.
    const stored = await readNote(staging, key).catch(() => undefined);
    // A condition, too, may be unmet only because an earlier try was stored.
    if (stored?.token === token) return stored.file;
    if (isUnmet(error)) return undefined;
    throw error;
  }
}

/** Whether what is there is something else than the condition has it. */
function isUnmet(error: unknown): boolean {
  return (
    error instanceof StorageFileExistsError ||
    error instanceof StoragePreconditionFailedError ||
    error instanceof StorageFileNotFoundError
  );
}

/** JSON knows no dates. */
function withDates(outcome: UploadOutcome): UploadOutcome {
  if (!('file' in outcome)) return outcome;
  const { lastModified, ...file } = outcome.file;
  const date = lastModified && new Date(lastModified);
  return { ...outcome, file: storedFile({ ...file, lastModified: date }) };
}

function randomText(): string {
  return randomBytes(16).toString('hex');
}
