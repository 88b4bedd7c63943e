import { randomBytes } from 'node:crypto';
import {
  StorageFileExistsError,
  StorageFileNotFoundError,
  StoragePreconditionFailedError,
} from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';
import { uploadBusy } from './direct.exceptions.js';

/**
 * Milliseconds after which a claim is taken for that of a process that has ended. So long, an upload outlives its id: it may be under
 * completion when that ends.
 */
export const ABANDONED_AFTER = 10 * 60_000;

/**
 * The right to decide what becomes of an upload: one request at a time has it, in whichever process. It is a small file beside
 * the staged one. Where a backend has no create-only writes, two that come at the very same time may both get it.
 */
export class CompletionClaim {
  readonly #taken = Date.now();

  private constructor(
    private readonly staging: Storage,
    private readonly key: string,
    /** Whoever had it before did not come to an end. */
    readonly isInherited: boolean,
  ) {}

  /** @throws UploadException 409 while another has it */
  static async take(staging: Storage, name: string): Promise<CompletionClaim> {
    await staging.open();
    const key = `${name}.claim`;
    const { createOnly, compareAndSet } = staging.capabilities;
    const held = createOnly ? await create(staging, key) : await infoOf(staging, key);
    if (held) {
      if (Date.now() - (held.lastModified?.getTime() ?? 0) < ABANDONED_AFTER) throw uploadBusy();
      await replace(staging, key, compareAndSet ? held.etag : undefined);
    } else if (!createOnly) {
      await replace(staging, key, undefined);
    }
    return new CompletionClaim(staging, key, held !== undefined);
  }

  /** Whether it is so young that nobody else can have it. */
  get isHeld(): boolean {
    return Date.now() - this.#taken <= ABANDONED_AFTER / 2;
  }

  /** @throws UploadException 409 when it was held so long that another may have it by now */
  assertHeld(): void {
    if (!this.isHeld) throw uploadBusy();
  }

  /** Lets others have it; one that another may have by now is left to him. */
  async release(): Promise<void> {
    if (this.isHeld) await this.staging.delete(this.key);
  }
}

/** The claim that is there already, if there is one. */
async function create(staging: Storage, key: string): Promise<StoredFile | undefined> {
  try {
    await staging.put(key, token(), { ifNoneMatch: '*' });
    return undefined;
  } catch (error) {
    if (!(error instanceof StorageFileExistsError)) throw error;
    const held = await infoOf(staging, key);
    // Released meanwhile; the next try gets it.
    if (!held) throw uploadBusy();
    return held;
  }
}

async function replace(staging: Storage, key: string, etag: string | undefined): Promise<void> {
  try {
    await staging.put(key, token(), etag === undefined ? {} : { ifMatch: etag });
  } catch (error) {
    if (error instanceof StoragePreconditionFailedError) throw uploadBusy();
    throw error;
  }
}

/** Another text each time, so that each claim has an etag of its own. */
function token(): string {
  return randomBytes(16).toString('hex');
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
