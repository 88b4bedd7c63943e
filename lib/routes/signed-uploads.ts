import { HttpException, HttpStatus } from '@nestjs/common';
import { contentTypeOf } from '../core/attributes.js';
import { unshared } from '../core/body.js';
import type { Checksum, ChecksumAlgorithm } from '../core/checksum.js';
import { StorageFileExistsError, StoragePreconditionFailedError } from '../core/errors.js';
import type { MultipartPart } from '../core/multipart.js';
import type { SignedRequest } from '../core/signed-url.js';
import type { StageOptions } from '../core/storage-methods.js';
import type { Storage } from '../core/storage.js';
import { type StoredFile, storedFile } from '../core/stored-file.js';
import type { HttpExchange } from '../http-exchange.js';
import { leaveFile, type MulterFile, openFileBody } from '../uploads/file-body.js';
import { FormBody } from '../uploads/form-body.js';
import { type FormSpecification, receiveForm } from '../uploads/form-reception.js';
import { UploadException } from '../uploads/upload.exceptions.js';
import type { UploadTransaction } from '../uploads/upload-transaction.js';
import type { WrittenUpload } from '../uploads/written-upload.js';
import { assertWhole, putConditions } from './put-conditions.js';
import { alreadyRead, tooLarge, wrongSize, wrongType } from './route.exceptions.js';

/** What a signature allows to store, under the key that the storage knows. */
export interface SignedUpload {
  readonly storage: Storage;
  readonly key: string;
  readonly signed: SignedRequest;
}

// What the signature says is counted where the file is: these hold for whatever is around it.
const LIMITS: FormSpecification['limits'] = {
  maxSize: Infinity,
  maxFiles: 1,
  maxFields: 20,
  maxFieldSize: 8 * 1024,
  maxTotalSize: Infinity,
  onlyFile: undefined,
  minRate: 1024,
  minRateWindow: 30_000,
  timeout: undefined,
};

/**
 * Stores the body of a PUT as its URL says, as a file or as a part of one: all of it, or nothing. What can be told from
 * the headers is refused before a byte is read.
 *
 * @throws HttpException, StorageError
 */
export async function storePut(
  { request }: HttpExchange,
  { storage, key, signed }: SignedUpload,
  signal: AbortSignal,
): Promise<StoredFile | MultipartPart> {
  const { uploadId, partNumber } = signed;
  const { headers } = request;
  assertWhole(headers);
  const contentType = assertType(signed, headers['content-type']);
  const announced = announcedSize(headers['content-length']);
  assertSize(signed, announced);
  // A part is of no version yet.
  const conditions =
    uploadId === undefined ? putConditions(headers, signed.createOnly === true) : undefined;
  if (request.readableEnded) throw alreadyRead();
  const size = signed.size ?? announced;
  const body = new FormBody(request, LIMITS);
  const content = unshared(upTo(signed.maxSize, body));
  const options = { ...attributesOf(signed, signal), ...(size !== undefined && { size }) };
  try {
    if (uploadId !== undefined && partNumber !== undefined) {
      const upload = { key, uploadId, partSize: size ?? 0 };
      return await storage.uploadPart(upload, partNumber, content, options);
    }
    return await storage.put(key, content, {
      ...options,
      ...(contentType !== undefined && { contentType }),
      ...(headers['content-encoding'] !== undefined && {
        contentEncoding: headers['content-encoding'],
      }),
      ...conditions,
    });
  } catch (error) {
    // The uploader's own condition has a status of its own (RFC 9110 §13.1.2).
    if (error instanceof StorageFileExistsError && headers['if-none-match'] !== undefined) {
      throw new StoragePreconditionFailedError();
    }
    // What ended the body says more than that it ended.
    throw body.errored instanceof HttpException ? body.errored : error;
  } finally {
    body.destroy();
  }
}

/**
 * Stores the file of a form as the fields before it say: when the form is complete, or not at all.
 *
 * @param verify what the fields allow. @throws HttpException when that is nothing
 * @throws HttpException, StorageError
 */
export async function storeForm(
  exchange: HttpExchange,
  transaction: UploadTransaction,
  verify: (fields: Readonly<Record<string, string>>) => SignedUpload,
): Promise<StoredFile> {
  let fieldsBefore = 0;
  await receiveForm(exchange, transaction, {
    limits: LIMITS,
    fields: (parser) => parser.single('file'),
    write(file, { signal }, textFields) {
      const fields = { ...(textFields as Record<string, string>) };
      fieldsBefore = Object.keys(fields).length;
      return stageFormFile(file, signal, () => verify(fields));
    },
  });
  const [upload] = transaction.uploads;
  if (!upload) throw malformed('The form has no file; it comes last, in the field "file"');
  const all = Object.values(exchange.framework.body as object) as unknown[];
  // One that comes once more makes a list of the field.
  if (all.length !== fieldsBefore || all.some((value) => typeof value !== 'string')) {
    throw malformed('The form has fields after its file; the file comes last');
  }
  transaction.received();
  await transaction.commit();
  return upload.stored;
}

async function stageFormFile(
  file: MulterFile,
  signal: AbortSignal,
  verify: () => SignedUpload,
): Promise<WrittenUpload> {
  // Before anything is awaited: the stream's events do not come twice.
  const body = openFileBody(file, Infinity);
  const stop = (): void => void body.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop);
  try {
    const { storage, key, signed } = verify();
    const { contentType = contentTypeOf(key), size, maxSize, createOnly } = signed;
    const staged = await storage.stage(unshared(upTo(maxSize, body)), {
      ...attributesOf(signed, signal),
      contentType,
      ...(size !== undefined && { size }),
    });
    const stored = storedFile({ key, size: staged.size, contentType, metadata: {} });
    const info = {
      fieldname: file.fieldname,
      originalname: file.originalname,
      encoding: file.encoding,
      mimetype: contentType,
      size: staged.size,
      key,
      storage: storage.name,
      stored,
    };
    return {
      info,
      publication: createOnly ? 'adding' : 'replacing',
      async publish() {
        info.stored = await staged.commit(key, createOnly ? { ifNoneMatch: '*' } : {});
      },
      remove: () => staged.discard(),
    };
  } catch (error) {
    leaveFile(file, body);
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** @throws StorageTooLargeError from the body, with its first byte beyond */
async function* upTo(
  maxSize = Infinity,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > maxSize) throw tooLarge(maxSize);
    yield chunk;
  }
}

function attributesOf(
  { checksum }: SignedRequest,
  signal: AbortSignal,
): Pick<StageOptions, 'signal' | 'checksum'> {
  return { signal, ...(checksum !== undefined && { checksum: parseSignedChecksum(checksum) }) };
}

/** As `UrlSigner` writes it; the signature says that it did. */
function parseSignedChecksum(text: string): Checksum {
  const colon = text.indexOf(':');
  return {
    algorithm: text.slice(0, colon) as ChecksumAlgorithm,
    value: text.slice(colon + 1),
  };
}

/** The type to store; where none is signed, the uploader is free to choose one. */
function assertType({ contentType }: SignedRequest, given: string | undefined): string | undefined {
  if (contentType !== undefined && given !== contentType) throw wrongType(contentType);
  return given;
}

function assertSize({ size, maxSize }: SignedRequest, announced: number | undefined): void {
  if (announced === undefined) return;
  const most = size ?? maxSize;
  if (most !== undefined && announced > most) throw tooLarge(most);
  if (size !== undefined && announced < size) throw wrongSize(size);
}

function announcedSize(contentLength: string | undefined): number | undefined {
  return contentLength === undefined ? undefined : Number(contentLength);
}

function malformed(message: string): UploadException {
  return new UploadException(HttpStatus.BAD_REQUEST, 'MALFORMED_FORM', message);
}
