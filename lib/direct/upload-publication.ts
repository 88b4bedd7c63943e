import { HttpException, HttpStatus, Logger } from '@nestjs/common';
import { deleteFound } from '../core/delete-found.js';
import {
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageInvalidKeyError,
} from '../core/errors.js';
import { infoIfThere } from '../core/info-if-there.js';
import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';
import { toHttpException } from '../storage.exceptions.js';
import { uploadNotFound } from '../uploads/upload.exceptions.js';
import type { UploadOutcome } from './claim-note.js';
import { CompletionClaim } from './completion-claim.js';
import type { ParsedBehaviour } from './direct-upload-options.js';
import {
  alreadyCompleted,
  keyTaken,
  notUploaded,
  uploadBusy,
  UploadConflict,
} from './direct.exceptions.js';
import type { PartUrls } from './part-urls.js';
import { takenOut, takeOut } from './taken-out.js';
import { idKey, publishedAttributes, UPLOAD_MARK, type UploadClaims } from './upload-claims.js';
import type { UploadRules } from './upload-rules.js';
import { type Scanner, type VerifiedFile, verifyUpload } from './upload-verification.js';

const logger = new Logger('DirectUploads');

/** Whether the file is what became of the upload. */
export function isPublished(
  file: StoredFile | undefined,
  { name }: UploadClaims,
): file is StoredFile {
  return file?.metadata[UPLOAD_MARK] === name;
}

/** Decides what becomes of files that were sent: one request at a time, whichever process it comes to. */
export class UploadPublication {
  readonly #staging: Storage;

  constructor(
    private readonly storage: Storage,
    private readonly behaviour: ParsedBehaviour,
    private readonly partUrls: PartUrls,
    private readonly rules: UploadRules,
  ) {
    this.#staging = storage.staging();
  }

  /**
   * The file under its key, when it was verified and `onUploaded` has taken it.
   *
   * @param signal ends the examination of the file, which is kept then
   */
  async publish(claims: UploadClaims, request: unknown, signal: AbortSignal): Promise<StoredFile> {
    await using claim = await CompletionClaim.take(this.#staging, claims.name);
    if (claim.outcome?.state === 'refused') await this.#endRefusal(claims, claim);
    const { outcome } = claim;
    if (outcome?.state === 'cancelled') throw uploadNotFound();
    const noted = outcome && 'file' in outcome ? outcome.file : undefined;
    const published = await this.#published(claims, claim);
    // As it was answered before: no policy is asked of it any more.
    if (outcome?.state === 'completed') return published ?? outcome.file;
    const file = published ?? noted ?? (await this.#promote(claims, claim, request, signal));
    // Who published it may not have come to the end of this. One that is not there any more, the app has taken when it was told of it.
    const isTaken = outcome?.state === 'told' && !published;
    if (!isTaken) await this.#handOver(file, claims, claim, request);
    // All is done, whatever becomes of this. It is swept with the staging area, and the id that is noted with it.
    await claim.note({ state: 'completed', file }).catch(() => {});
    return file;
  }

  /** Removes what was sent, and lets nothing become of what is sent after it. @throws UploadException 409 when it is published */
  async withdraw(claims: UploadClaims): Promise<void> {
    // Without the claim, which would be younger then: whoever is to tell the app of the file waits for its age.
    await this.#assertNotTheApps(
      claims,
      await CompletionClaim.outcomeOf(this.#staging, claims.name),
    );
    await using claim = await CompletionClaim.take(this.#staging, claims.name);
    await this.#releasing(claim, async () => {
      await this.#assertNotTheApps(claims, claim.outcome);
      if (claim.outcome?.state === 'refused') await this.#unpublish(claims);
      await this.#remove(claims);
      await claim.note({ state: 'cancelled' });
    });
  }

  /** @throws UploadException 409 when the file is published, and the app has not refused it */
  async #assertNotTheApps(claims: UploadClaims, outcome: UploadOutcome | undefined): Promise<void> {
    if (outcome?.state === 'refused') return;
    if (outcome?.state === 'told' || outcome?.state === 'completed') throw alreadyCompleted();
    if (isPublished(await infoIfThere(this.storage, claims.key), claims)) throw alreadyCompleted();
  }

  async #published(claims: UploadClaims, claim: CompletionClaim): Promise<StoredFile | undefined> {
    return this.#releasing(claim, async () => {
      const file = await infoIfThere(this.storage, claims.key);
      return isPublished(file, claims) ? file : undefined;
    });
  }

  /** Publishes the file that was sent. A failure lets others have the claim, and removes what is refused. */
  async #promote(
    claims: UploadClaims,
    claim: CompletionClaim,
    request: unknown,
    signal: AbortSignal,
  ): Promise<StoredFile> {
    const scanner = await this.#scannerOf(claims, claim, request, signal);
    try {
      return await this.#publishSent(claims, claim, scanner);
    } catch (error) {
      // Whether it is published is not known: the claim stays, so that this is looked into when it is given up.
      if (error instanceof UnknownOutcome) throw error.cause;
      // What is refused is removed; what could not be decided about stays where it is, and is found there.
      if (isRefusal(error)) await this.#removeRefused(claims, claim);
      await claim.release();
      // Without create-only writes, another request may have decided about it meanwhile.
      throw error instanceof StorageFileNotFoundError ? uploadBusy() : error;
    }
  }

  /** What the app's policy throws says nothing of the file, which stays, and can be completed later. */
  async #scannerOf(
    claims: UploadClaims,
    claim: CompletionClaim,
    request: unknown,
    signal: AbortSignal,
  ): Promise<Scanner | undefined> {
    try {
      return await this.rules.scannerOf(claims, request, signal);
    } catch (error) {
      await claim.release();
      throw error;
    }
  }

  async #publishSent(
    claims: UploadClaims,
    claim: CompletionClaim,
    scanner: Scanner | undefined,
  ): Promise<StoredFile> {
    const [staged, ...others] = await this.#outOfReach(claims);
    const file = await this.#staging.info(staged);
    const verified = await verifyUpload(this.#staging, file, claims, scanner);
    await claim.assertHeld();
    const published = await this.#commit(staged, verified, claims);
    // The file is published, whatever becomes of this: the next sweep finds what stays.
    if (others.length > 0) await this.#staging.deleteMany(others).catch(() => {});
    return published;
  }

  /**
   * The file under a name where nobody who has a URL can change it any more, and before anything that was sent after it: that of
   * a request which did not come to an end is gone on with.
   *
   * @returns its name, and those of what is left besides
   */
  async #outOfReach(claims: UploadClaims): Promise<[name: string, ...others: string[]]> {
    const { name, multipart, isReplaceable } = claims;
    if (multipart && !(await infoIfThere(this.#staging, name))) await this.partUrls.join(claims);
    if (!isReplaceable) {
      if (!multipart && !(await infoIfThere(this.#staging, name))) {
        throw notUploaded('No file was sent');
      }
      return [name];
    }
    const [before, ...others] = await takenOut(this.#staging, name);
    if (before !== undefined) return [before, ...others, name];
    const taken = await takeOut(this.#staging, name);
    if (taken === undefined) throw notUploaded('No file was sent');
    return [taken];
  }

  async #commit(taken: string, verified: VerifiedFile, claims: UploadClaims): Promise<StoredFile> {
    const { key } = claims;
    const staged = await this.storage.staged(taken);
    const { createOnlyCopy } = this.storage.capabilities;
    try {
      return await staged.commit(key, {
        ...publishedAttributes(claims),
        ...verified,
        ...(createOnlyCopy && { ifNoneMatch: '*' }),
      });
    } catch (error) {
      // Which key a backend takes may depend on what is stored there: it is the client's as much as the app's.
      if (error instanceof StorageInvalidKeyError) throw toHttpException(error);
      const there = await infoIfThere(this.storage, key).catch(() => {
        throw new UnknownOutcome(error);
      });
      if (isPublished(there, claims)) return there;
      throw error instanceof StorageFileExistsError ? keyTaken(error) : error;
    }
  }

  /** When the app does not want the file, there is none, unless it may have wanted it before. */
  async #handOver(
    file: StoredFile,
    claims: UploadClaims,
    claim: CompletionClaim,
    request: unknown,
  ): Promise<void> {
    const { storage } = this;
    const { onUploaded } = this.behaviour;
    if (!onUploaded) return;
    const isRepeated = claim.outcome?.state === 'told';
    if (!isRepeated) await this.#noteTold(file, claim);
    const { name, owner, filename } = claims;
    try {
      await onUploaded(file, {
        uploadId: name,
        storage,
        owner,
        filename,
        ...(request !== undefined && { request }),
      });
    } catch (error) {
      // A call that is repeated tells of a file that the app may have taken before: it stays, and the next request tells of it again.
      if (isRepeated) await claim.release(claim.outcome);
      else await this.#takeBack(claims, claim);
      throw error;
    }
  }

  /** Before the app is told: afterwards, it may have the file and this process may have ended. */
  async #noteTold(file: StoredFile, claim: CompletionClaim): Promise<void> {
    let isNoted: boolean;
    try {
      isNoted = await claim.note({ state: 'told', file });
    } catch (error) {
      // With that, the next request is the first one that tells the app, unless it was written and the outage goes on.
      await claim.release();
      throw error;
    }
    if (!isNoted) throw uploadBusy();
  }

  /**
   * Removes the file that the app has refused. What the app said is what the client is to be told: in an outage the file stays until
   * the upload is completed again or cancelled, or, when not even the refusal can be written down, as one that the app was told of.
   */
  async #takeBack(claims: UploadClaims, claim: CompletionClaim): Promise<void> {
    try {
      // Before the file goes: a process that ends in between is not to leave it to the app. Another request may have taken over meanwhile,
      // told the app, and been told that all is well: then it is not to be taken away, either.
      if (!(await claim.note({ state: 'refused' }))) return;
      await this.#unpublish(claims);
      await this.#remove(claims);
      await claim.release();
    } catch (error) {
      logger.error(error);
      await claim.release({ state: 'refused' });
    }
  }

  /** The same, where a request before did not come to the end of it. @throws StorageError when it stays once more */
  async #endRefusal(claims: UploadClaims, claim: CompletionClaim): Promise<void> {
    await this.#releasing(claim, async () => {
      await this.#unpublish(claims);
      await this.#remove(claims);
      if (!(await claim.note(undefined))) throw uploadBusy();
    });
  }

  async #unpublish(claims: UploadClaims): Promise<void> {
    const file = await infoIfThere(this.storage, claims.key);
    if (isPublished(file, claims)) await deleteFound(this.storage, file);
  }

  /** In an outage it stays, and is refused again: why it is refused is what the client is to be told. */
  async #removeRefused(claims: UploadClaims, claim: CompletionClaim): Promise<void> {
    try {
      if (await claim.isHeld()) await this.#remove(claims);
    } catch {
      // A sweep finds what stays.
    }
  }

  async #remove(claims: UploadClaims): Promise<void> {
    if (claims.multipart) await this.partUrls.abort(claims);
    const { name, isNoted, isReplaceable } = claims;
    const taken = isReplaceable ? await takenOut(this.#staging, name) : [];
    const keys = [name, ...taken, ...(isNoted ? [idKey(name)] : [])];
    const { failed } = await this.#staging.deleteMany(keys);
    if (failed[0]) throw failed[0].error;
  }

  /** Lets others try, and go on from where the upload was, when this fails. */
  async #releasing<Result>(claim: CompletionClaim, act: () => Promise<Result>): Promise<Result> {
    const { outcome } = claim;
    try {
      return await act();
    } catch (error) {
      await claim.release(outcome);
      throw error;
    }
  }
}

/** Whether it is about the file, rather than about the state of the app or of the backend. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof HttpException) || error instanceof UploadConflict) return false;
  return error.getStatus() < Number(HttpStatus.INTERNAL_SERVER_ERROR);
}

class UnknownOutcome extends Error {
  constructor(override readonly cause: unknown) {
    super('It is not known whether the file is published');
  }
}
