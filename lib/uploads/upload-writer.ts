import { HttpException } from '@nestjs/common';
import type { Readable } from 'node:stream';
import { shown } from '../core/arguments.js';
import { safeFileName } from '../core/content-disposition.js';
import { StorageConfigurationError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import { announcedInForm, type Sha512, Sha512Inspection } from './announced-checksum.js';
import { type BodyInspection, BodyInspector, LeastSize } from './body-inspection.js';
import { SNIFF_LENGTH } from './content-sniffing.js';
import { contentTypeByBytes, isAccepted } from './content-type-policy.js';
import { leaveFile, type MulterFile, openFileBody, peek } from './file-body.js';
import { IMAGE_HEADER_LENGTH } from './image-dimensions.js';
import { assertImageWithin } from './image-limits.js';
import { chosenKey } from './key-strategies.js';
import type { TypedFile } from './stored-upload.js';
import { notAccepted } from './upload.exceptions.js';
import type { ParsedUploadOptions } from './upload-options.js';
import { ScanInspection } from './upload-scan.js';
import {
  type CheckedFile,
  stageByContent,
  stageUnderKey,
  writeUnderKey,
  type WrittenUpload,
} from './written-upload.js';

/** What connects a file that is being written with the form that it came in. */
export interface UploadConnection {
  /** Ends the writing of a file that is still being received; one that was received is written to its end. */
  readonly signal: AbortSignal;
  /** Told why the file is refused, as soon as that is known: its storage may take long to end. */
  readonly onRefusal?: (refusal: Error) => void;
}

interface WriteContext extends UploadConnection {
  /** The HTTP framework's request, for the functions among the options. */
  readonly request: unknown;
}

/** Writes files of a form into one storage: checks each by its first bytes, names it and streams it on. */
export class UploadWriter {
  constructor(
    readonly storage: Storage,
    private readonly options: ParsedUploadOptions,
  ) {}

  /**
   * Writes the file. When it rejects, nothing of the file is in the storage, and the form goes on without it. Nothing
   * is stored of a file that is cut off: the storage never sees an end of it.
   */
  async write(file: MulterFile, context: WriteContext): Promise<WrittenUpload> {
    const { request, signal, onRefusal } = context;
    // Before anything is awaited: the stream's events do not come twice.
    const body = openFileBody(file, this.options.maxSize);
    const stop = new AbortController();
    let refusal: Error | undefined;
    const refuse = (reason: Error): void => {
      if (refusal) return;
      refusal = reason;
      // The storage has not seen an end of the body, and may wait for something else than more of it.
      stop.abort(reason);
      body.destroy(reason);
      onRefusal?.(reason);
    };
    body.on('error', (error) => error instanceof HttpException && refuse(error));
    const inspector = new BodyInspector(refuse);
    const abort = (): void => {
      // The storage may be about to commit what it has read to its end: only by waiting is it certain what became of it.
      if (body.readableEnded) return;
      stop.abort(signal.reason);
      body.destroy(signal.reason as Error);
    };
    signal.addEventListener('abort', abort);
    try {
      signal.throwIfAborted();
      const { sha512, ...checked } = await this.#check(file, body, context);
      const inspected = await inspector.inspect(
        checked.body,
        this.#inspections(checked.file, sha512, { ...context, onRefusal: refuse }),
      );
      return await this.#store({ ...checked, body: inspected, signal: stop.signal }, request);
    } catch (error) {
      const { errored } = body;
      leaveFile(file, body);
      inspector.abandon();
      // What ended the body says more than that it ended.
      throw refusal ?? (errored instanceof HttpException ? errored : error);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async #check(
    { fieldname, originalname, encoding, mimetype }: MulterFile,
    body: Readable,
    { request }: WriteContext,
  ): Promise<Omit<CheckedFile, 'signal'> & { readonly sha512: Sha512 | undefined }> {
    const { accept, image, metadata, cacheControl } = this.options;
    const { head, whole } = await peek(body, image ? IMAGE_HEADER_LENGTH : SNIFF_LENGTH);
    const contentType = contentTypeByBytes(head, mimetype);
    if (accept && !isAccepted(contentType, accept)) {
      throw notAccepted(contentType, accept, fieldname);
    }
    const file = { fieldname, originalname, encoding, mimetype, contentType };
    if (image) assertImageWithin(image, file, head);
    const announced = announcedInForm(await this.options.checksum(file, request), fieldname);
    return {
      file,
      sha512: announced?.algorithm === 'sha512' ? announced : undefined,
      body: whole,
      attributes: {
        contentType,
        metadata: {
          filename: safeFileName(originalname),
          ...metadataOf(await metadata(file, request)),
        },
        ...(cacheControl !== undefined && { cacheControl }),
        ...(announced && announced.algorithm !== 'sha512' && { checksum: announced }),
      },
    };
  }

  /** What only the last byte decides. */
  #inspections(
    file: TypedFile,
    sha512: Sha512 | undefined,
    { request, signal, onRefusal }: Required<WriteContext>,
  ): BodyInspection[] {
    const { minSize, scan, scanTimeout: timeout } = this.options;
    return [
      ...(minSize > 0 ? [new LeastSize(minSize, file.fieldname)] : []),
      ...(sha512 === undefined ? [] : [new Sha512Inspection(sha512, file.fieldname)]),
      ...(scan ? [new ScanInspection(scan, file, { request, signal, timeout, onRefusal })] : []),
    ];
  }

  async #store(checked: CheckedFile, request: unknown): Promise<WrittenUpload> {
    const { key, publication } = this.options;
    if (typeof key !== 'function') {
      return stageByContent(this.storage, (file) => key.fromContent(file, request), checked);
    }
    const chosen = chosenKey(await key(checked.file, request));
    if (publication === 'replace') return stageUnderKey(this.storage, chosen, checked);
    return writeUnderKey(this.storage, chosen, checked, { createOnly: publication === 'create' });
  }
}

/** @throws StorageConfigurationError when it is no object of strings */
function metadataOf(result: unknown): Record<string, string> {
  const values = typeof result === 'object' && result !== null ? Object.values(result) : [result];
  if (values.every((value) => typeof value === 'string') && typeof result === 'object') {
    return result as Record<string, string>;
  }
  throw new StorageConfigurationError(
    `The function metadata of the upload options must return an object of strings, not ${shown(result)}`,
  );
}
