import type { DataStore, Upload } from '@tus/server';
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';
import type { Checksum } from '../core/checksum.js';
import type { Storage } from '../core/storage.js';
import { uploadNotFound } from '../uploads/upload.exceptions.js';
import { assertAnnouncedType } from './announced-file.js';
import type { TusServerPackage } from './load-tus-server.js';
import { StagedUpload } from './staged-upload.js';
import { finalUploadIsWhole } from './tus.exceptions.js';
import type { UploadPublication } from './upload-publication.js';
import type { UploadRecord } from './upload-record.js';

/** What the app offers of the protocol beside its core. */
const EXTENSIONS: readonly string[] = [
  'creation',
  'creation-with-upload',
  'creation-defer-length',
  'termination',
  'expiration',
  'checksum',
  'concatenation',
];

/** The one request that a store is for. */
export interface StoreRequest {
  readonly method: string;
  /** The HTTP framework's. */
  readonly request: unknown;
  readonly owner: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
  readonly checksum: Checksum | undefined;
  readonly isPartial: boolean;
  /** `Upload-Length`. */
  readonly length: string | undefined;
  /** `Upload-Metadata`. */
  readonly metadata: string | undefined;
}

/** What all requests have in common. */
export interface StoreSettings {
  readonly tus: TusServerPackage;
  readonly staging: Storage;
  readonly publication: UploadPublication;
  /** Bytes. */
  readonly maxSize: number;
  /** Bytes. */
  readonly partSize: number;
}

/**
 * What `@tus/server` stores by, for one request. What it rejects with is what the client is answered. The server has the
 * lock of the upload while it calls.
 */
export class UploadStore extends EventEmitter implements DataStore {
  readonly extensions = [...EXTENSIONS];
  #upload: StagedUpload | undefined;
  #created = false;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly settings: StoreSettings,
    private readonly request: StoreRequest,
  ) {
    super();
  }

  /** Of the upload that the request is about, when it was found. */
  get record(): UploadRecord | undefined {
    return this.#upload?.record;
  }

  hasExtension(extension: string): boolean {
    return this.extensions.includes(extension);
  }

  async create(upload: Upload): Promise<Upload> {
    const { staging, partSize, maxSize } = this.settings;
    const { id, size, metadata, creation_date: createdAt } = upload;
    assertAnnouncedType({ ...(metadata && { metadata }) });
    this.#upload = await StagedUpload.create(
      staging,
      id,
      {
        partSize,
        createdAt: createdAt!,
        ...(size !== undefined && { length: size }),
        ...(metadata && { metadata, metadataHeader: this.request.metadata! }),
        ...(this.request.isPartial && { concat: 'partial' as const }),
      },
      maxSize,
    );
    this.#created = true;
    await this.#publishComplete(this.#upload);
    return upload;
  }

  async getUpload(id: string): Promise<Upload> {
    const upload = await this.#find(id);
    const isJoined = Array.isArray(upload.record.concat);
    if (this.request.method === 'PATCH' && isJoined) throw finalUploadIsWhole();
    // A process that was killed, or a handler that failed, may have left it so.
    await this.#publishComplete(upload);
    return this.#described(id, upload);
  }

  async declareUploadLength(id: string, length: number): Promise<void> {
    const upload = await this.#find(id);
    if (upload.record.length !== length) await upload.note({ length });
  }

  write(stream: Readable, id: string): Promise<number> {
    const writing = this.#write(stream, id);
    this.#writing = writing;
    return writing;
  }

  /**
   * Resolves when nothing is being stored any more. `@tus/server` waits for `write` only while the connection lives, but what
   * came before it died is stored after that.
   */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#writing]);
  }

  async remove(id: string): Promise<void> {
    await this.settings.publication.withdraw(await this.#find(id));
  }

  /** For a creation that failed: nobody was told where the upload is. */
  async removeCreated(): Promise<void> {
    if (!this.#created) return;
    // The failure of the creation is what the client is told. What stays of the upload is left to the next sweep.
    await this.settings.publication.withdraw(this.#upload!).catch(() => {});
  }

  /** What is over is found by the sweep of the storage. */
  async deleteExpired(): Promise<number> {
    return 0;
  }

  /** Milliseconds from the creation on. */
  getExpiration(): number {
    const createdAt = this.record ? Date.parse(this.record.createdAt) : Date.now();
    return this.request.expires - createdAt;
  }

  async #find(id: string): Promise<StagedUpload> {
    this.#upload ??= await StagedUpload.find(this.settings.staging, id);
    if (!this.#upload) throw uploadNotFound();
    return this.#upload;
  }

  /** As `@tus/server` is to see it. */
  #described(id: string, { offset, record }: StagedUpload): Upload {
    const { length, metadata, createdAt } = record;
    // The server takes a length only for an upload that has none, but the answer to a request that told it may have been lost.
    const isToldAgain = this.request.method === 'PATCH' && this.request.length === String(length);
    return new this.settings.tus.Upload({
      id,
      offset,
      creation_date: createdAt,
      ...(length !== undefined && !isToldAgain && { size: length }),
      ...(metadata && { metadata }),
    });
  }

  async #write(stream: Readable, id: string): Promise<number> {
    const upload = await this.#find(id);
    const { checksum } = this.request;
    if (checksum) await this.#appendVerified(upload, stream, checksum);
    else await upload.append(stream);
    await this.#publishComplete(upload);
    return upload.offset;
  }

  async #publishComplete(upload: StagedUpload): Promise<void> {
    if (!upload.isComplete) return;
    await this.settings.publication.publish(upload, {
      ...this.request,
      isRepeatable: !this.#created,
    });
  }

  /** All bytes of the request, or none of them: they are aside until the last one has come. */
  async #appendVerified(upload: StagedUpload, stream: Readable, checksum: Checksum): Promise<void> {
    const { staging } = this.settings;
    // Its own: two processes that share no locker may each have one.
    const aside = `${upload.name}.chunk-${randomUUID()}`;
    await staging.put(aside, stream, { checksum });
    try {
      // Of an upload that has changed meanwhile, or is whole, it is not read.
      await using download = await staging.get(aside);
      await upload.append(download);
    } finally {
      await staging.delete(aside).catch(() => {});
    }
  }
}
