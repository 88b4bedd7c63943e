import type { ModuleRef } from '@nestjs/core';
import {
  StorageAbortedError,
  StorageConfigurationError,
  StorageFileNotFoundError,
} from '../core/errors.js';
import { infoIfThere } from '../core/info-if-there.js';
import { isKeptName } from '../core/kept-names.js';
import { TokenSealer } from '../core/sealed-token.js';
import type { MultipartPart } from '../core/multipart.js';
import type { UploadUrl } from '../core/storage-driver.js';
import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';
import type { StorageRegistry } from '../storage.registry.js';
import { shuttingDown, uploadNotFound } from '../uploads/upload.exceptions.js';
import { CompletionClaim } from './completion-claim.js';
import type { ParsedBehaviour } from './direct-upload-options.js';
import { type PartUrl, PartUrls } from './part-urls.js';
import { takenOut } from './taken-out.js';
import { isPublished, UploadPublication } from './upload-publication.js';
import { idKey, TIME_TO_COMPLETE, type UploadClaims } from './upload-claims.js';
import { type UploadForm, UploadBeginning } from './upload-beginning.js';
import { UploadRules } from './upload-rules.js';
import { type DirectUploadRequest, parseUploadRequest } from './upload-request.js';

/** Parts whose URLs are part of the answer. */
const FIRST_PARTS = 100;

/** An upload that was begun. */
export interface BegunDirectUpload {
  /** By which the upload is completed, cancelled and gone on with. For its owner only. */
  readonly id: string;
  /** Where the file will be when the upload is completed. */
  readonly key: string;
  /** Until when the file may come. */
  readonly expiresAt: Date;
}

/** The file goes up in one request. */
export interface DirectRequestUpload extends BegunDirectUpload {
  readonly method: 'PUT' | 'POST';
  readonly url: string;
  /** Headers that must be sent along. */
  readonly headers: Readonly<Record<string, string>>;
  /** Form fields that come before the field `file`; POST only. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly parts?: undefined;
}

/** The file goes up in parts, each in a request of its own. */
export interface DirectPartsUpload extends BegunDirectUpload {
  readonly method: 'PUT';
  readonly url?: undefined;
  /** None; each part says its own. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of each part but the last. */
  readonly partSize: number;
  readonly partCount: number;
  /** The first parts, 100 at most. Their URLs live an hour; those of the others, and new ones, are to be asked for. */
  readonly parts: readonly PartUrl[];
}

/** What the client is to send, and where to: whether there are `parts` or a `url` tells which of the two it is. */
export type DirectUpload = DirectRequestUpload | DirectPartsUpload;

/** How far an upload has come. */
export interface DirectUploadStatus {
  readonly key: string;
  /** `uploaded`: the file is there, and is to be completed, or is being so. `completed`: the app has taken it. */
  readonly state: 'waiting' | 'uploaded' | 'completed';
  /** The parts that are there; only while the file goes up in parts. */
  readonly parts?: readonly { readonly partNumber: number; readonly size: number }[];
  readonly partSize?: number;
  readonly partCount?: number;
  readonly expiresAt: Date;
}

/**
 * Uploads that clients send to the backend themselves. All that an upload is, its id says; no process keeps anything of
 * it. Every method that takes an id refuses those of others, and all that are none, with the same 404.
 */
export class DirectUploads {
  readonly #staging: Storage;
  readonly #sealer: TokenSealer<UploadClaims>;
  readonly #beginning: UploadBeginning;
  readonly #publication: UploadPublication;
  readonly #partUrls: PartUrls;

  /** @internal */
  constructor(
    /** Where the files are published. */
    readonly storage: Storage,
    private readonly behaviour: ParsedBehaviour,
    private readonly registry: StorageRegistry,
    /** Of the routes: the ids of one module are nothing to another. */
    path: string,
    moduleRef: ModuleRef,
  ) {
    this.#staging = storage.staging();
    this.#sealer = new TokenSealer(
      behaviour.signingKeys,
      `direct upload\n${storage.name}\n${path}`,
    );
    const rules = new UploadRules(behaviour, moduleRef);
    this.#beginning = new UploadBeginning(storage, behaviour, rules);
    this.#partUrls = new PartUrls(this.#staging);
    this.#publication = new UploadPublication(storage, behaviour, this.#partUrls, rules);
  }

  /**
   * Begins an upload: says where the client may send that one file to.
   *
   * @param request for the functions among the options; a policy needs it
   * @throws UploadException when the request is not well-formed, or the file not allowed
   */
  async start(asked: DirectUploadRequest, owner: string, request?: unknown): Promise<DirectUpload> {
    const { size } = parseUploadRequest(asked, { needsSize: true });
    const inParts = size! > 0 && size! >= this.behaviour.multipart.threshold;
    const { upload, claims, url } = await this.#begin(
      asked,
      owner,
      request,
      inParts ? 'parts' : 'request',
    );
    if (url) return requestUpload(upload, url);
    const { partSize, partCount } = claims.multipart!;
    const parts = await this.#firstUrls(claims, partCount);
    return { ...upload, method: 'PUT', headers: {}, partSize: partSize!, partCount, parts };
  }

  /**
   * The same for the protocols of others, which send the file in one request, and may leave out the size in a form's.
   *
   * @internal
   */
  async startRequest(
    asked: object,
    owner: string,
    request: unknown,
    form: 'request' | 'form',
  ): Promise<DirectRequestUpload> {
    const { upload, url } = await this.#begin(asked, owner, request, form);
    return requestUpload(upload, url!);
  }

  /** The same for those by which the client divides the file, and asks for the URL of each part. @internal */
  async startParts(asked: object, owner: string, request: unknown): Promise<BegunDirectUpload> {
    const { upload } = await this.#begin(asked, owner, request, 'parts of any size');
    return upload;
  }

  /** URLs for parts of the upload. @throws UploadException 400 for a number that none of its parts has */
  async partUrls(id: string, owner: string, partNumbers: readonly number[]): Promise<PartUrl[]> {
    return this.#partUrls.sign(this.claimsOf(id, owner), partNumbers);
  }

  /** The same for one part, whose number is as a client spelt it. @internal */
  async partUrl(id: string, owner: string, part: unknown): Promise<PartUrl> {
    const number = typeof part === 'string' && /^\d{1,5}$/.test(part) ? Number(part) : part;
    const [url] = await this.#partUrls.sign(this.claimsOf(id, owner), [number]);
    return url!;
  }

  /** The parts that are there. @internal */
  async sentParts(id: string, owner: string): Promise<MultipartPart[]> {
    return this.#partUrls.sent(this.claimsOf(id, owner));
  }

  /** How far the upload has come. */
  async status(id: string, owner: string): Promise<DirectUploadStatus> {
    const claims = this.claimsOf(id, owner);
    const { key, name, expires, multipart, isReplaceable } = claims;
    const upload = { key, expiresAt: new Date(expires) };
    const outcome = await CompletionClaim.outcomeOf(this.#staging, name);
    if (outcome?.state === 'cancelled') throw uploadNotFound();
    if (outcome?.state === 'completed') return { ...upload, state: 'completed' };
    // A file that is published already may still be refused by the app.
    const isSent =
      outcome !== undefined ||
      isPublished(await infoIfThere(this.storage, key), claims) ||
      (await infoIfThere(this.#staging, name)) ||
      (isReplaceable && (await takenOut(this.#staging, name)).length > 0);
    if (isSent) return { ...upload, state: 'uploaded' };
    if (!multipart) return { ...upload, state: 'waiting' };
    const { partSize, partCount } = multipart;
    return {
      ...upload,
      state: 'waiting',
      parts: await this.#partUrls.sent(claims),
      partCount,
      ...(partSize !== undefined && { partSize }),
    };
  }

  /**
   * Verifies the file that was sent, publishes it under its key and calls `onUploaded`. When it rejects, nothing is
   * published; a file that is not as it should be is removed, and one that could not be verified now is kept. For an
   * upload that is completed already it answers its file, and calls nothing.
   *
   * @param request for `onUploaded` and `scan`; a policy that gives a scan needs it
   * @throws UploadException when nothing was sent, or something else than was announced or is allowed
   */
  async complete(id: string, owner: string, request?: unknown): Promise<StoredFile> {
    const claims = this.claimsOf(id, owner);
    const interruption = new AbortController();
    const { signal } = interruption;
    const published = this.#publication.publish(claims, request, signal).catch((error: unknown) => {
      // A transfer that the shutdown ends tells only that it was ended.
      throw signal.aborted && error instanceof StorageAbortedError ? signal.reason : error;
    });
    return this.#holdOpen(published, () => interruption.abort(shuttingDown()));
  }

  /**
   * Ends the upload and removes what was sent. What is sent after it, while its URL lives, becomes nothing.
   *
   * @throws UploadException 409 when the file is published already
   */
  async cancel(id: string, owner: string): Promise<void> {
    const claims = this.claimsOf(id, owner);
    await this.#holdOpen(this.#publication.withdraw(claims));
  }

  /** What the id says, to its owner. @throws UploadException 404 @internal */
  claimsOf(id: unknown, owner: string): UploadClaims {
    const claims = typeof id === 'string' ? this.#sealer.open(id) : undefined;
    if (claims?.owner !== parseOwner(owner)) throw uploadNotFound();
    return claims;
  }

  /** The id of an upload of which the client knows only where it sent the file. @throws UploadException 404 @internal */
  async notedId(fullKey: unknown): Promise<string> {
    const { prefix } = this.#staging;
    const isStaged = typeof fullKey === 'string' && fullKey.startsWith(prefix);
    const name = isStaged ? fullKey.slice(prefix.length) : '';
    if (!isKeptName(name)) throw uploadNotFound();
    try {
      return (await this.#staging.getBytes(idKey(name))).toString();
    } catch (error) {
      if (error instanceof StorageFileNotFoundError) throw uploadNotFound();
      throw error;
    }
  }

  async #begin(
    asked: object,
    owner: string,
    request: unknown,
    form: UploadForm,
  ): Promise<{ upload: BegunDirectUpload; claims: UploadClaims; url?: UploadUrl }> {
    const needsSize = form === 'parts' || form === 'request';
    const parsed = parseUploadRequest(asked, { needsSize });
    const begun = await this.#beginning.begin(parsed, parseOwner(owner), request, form);
    const { name, key, expires, isNoted } = begun.claims;
    const id = this.#sealer.seal(begun.claims, new Date(expires + TIME_TO_COMPLETE));
    if (isNoted) await this.#staging.put(idKey(name), id);
    return { ...begun, upload: { id, key, expiresAt: new Date(expires) } };
  }

  /** When they cannot be signed, nobody is told of the upload, and nothing is left of it. */
  async #firstUrls(claims: UploadClaims, partCount: number): Promise<PartUrl[]> {
    try {
      return await this.#partUrls.sign(claims, firstParts(partCount));
    } catch (error) {
      // What fails is left to the next sweep.
      await this.#partUrls.abort(claims).catch(() => {});
      throw error;
    }
  }

  /** The storage stays open until it is done, at a shutdown, too. */
  #holdOpen<Result>(work: Promise<Result>, interrupt = (): void => {}): Promise<Result> {
    this.registry.holdOpen({ settled: work, interrupt });
    return work;
  }
}

/** An owner by mistake empty would be everybody's. */
function parseOwner(owner: unknown): string {
  if (typeof owner === 'string' && owner !== '') return owner;
  throw new StorageConfigurationError('owner must give the text that tells one user from others');
}

function requestUpload(
  upload: BegunDirectUpload,
  { method, url, headers, fields }: UploadUrl,
): DirectRequestUpload {
  return { ...upload, method, url, headers, ...(fields && { fields }) };
}

function firstParts(partCount: number): number[] {
  return Array.from({ length: Math.min(partCount, FIRST_PARTS) }, (_, index) => index + 1);
}
