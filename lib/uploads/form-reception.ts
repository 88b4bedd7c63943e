import multer from 'multer';
import type { IncomingMessage } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { StorageConfigurationError } from '../core/errors.js';
import type { HttpExchange } from '../http-exchange.js';
import type { MulterFile } from './file-body.js';
import { fileFailure } from './file-failure.js';
import { FormBody } from './form-body.js';
import { toUploadException } from './multer-errors.js';
import { fileTooLarge, formTooLarge, malformedType, tookTooLong } from './upload.exceptions.js';
import type { FormLimits } from './upload-plan.js';
import type { UploadTransaction } from './upload-transaction.js';
import type { UploadConnection } from './upload-writer.js';
import type { WrittenUpload } from './written-upload.js';

type Multer = ReturnType<typeof multer>;

/** The fields of a form that may have files, as multer has them. */
export type FieldSelection = (parser: Multer) => ReturnType<Multer['single']>;

export interface FormSpecification {
  readonly limits: FormLimits;
  readonly fields: FieldSelection;
  /** Told of the bytes of the form as they arrive. */
  readonly onReceived?: (bytes: number) => void;
  /** Writes a file of the form into its storage. `textFields` are those that came before it. */
  readonly write: (
    file: MulterFile,
    connection: UploadConnection,
    textFields: unknown,
  ) => Promise<WrittenUpload>;
}

export function isForm({ headers }: IncomingMessage): boolean {
  return /^multipart\//i.test(headers['content-type'] ?? '');
}

/**
 * Reads the form of a request: its files become part of the transaction, its text fields the request's body. Resolves
 * when every file is in its storage, and rejects as soon as it is known that the form fails, whatever a backend does. What then is
 * still on its way is left to the transaction, and what the client still sends to the caller.
 *
 * @throws HttpException with a stable `code` for what the client did wrong; any other error is not the client's
 */
export async function receiveForm(
  exchange: HttpExchange,
  transaction: UploadTransaction,
  specification: FormSpecification,
): Promise<void> {
  const { framework, request } = exchange;
  const { limits } = specification;
  // A rollback may have come before the form.
  transaction.signal.throwIfAborted();
  const body =
    announcedSize(exchange) <= limits.maxTotalSize &&
    new FormBody(request, limits, specification.onReceived);
  const stop = (): void => void (body && body.destroy(transaction.signal.reason as Error));
  transaction.signal.addEventListener('abort', stop);
  const { timeout } = limits;
  const timer =
    timeout === undefined
      ? undefined
      : setTimeout(() => void transaction.rollback(tookTooLong(timeout)), timeout);
  try {
    if (!body) throw tooLarge(limits);
    if (request.readableEnded) throw alreadyRead();
    await transaction.unlessEnded(parse(exchange, transaction, body, specification));
    // The parser passes over what it does not take for a form.
    if (body.body === undefined) throw malformedType();
    await transaction.written();
    framework.body = body.body;
  } finally {
    clearTimeout(timer);
    transaction.signal.removeEventListener('abort', stop);
    if (body) body.destroy();
  }
}

/** Hands the files of the form on as they come, and resolves when the parser has seen its end. */
function parse(
  { response }: HttpExchange,
  transaction: UploadTransaction,
  body: FormBody,
  { limits, fields, write }: FormSpecification,
): Promise<void> {
  const parser = multer({
    storage: {
      _handleFile(form: FormBody, file: MulterFile, callback: (error?: unknown) => void) {
        // The end of the transaction is that of the form, too: the others have no time to lose.
        const fail = (error: unknown): void =>
          void transaction.rollback(fileFailure(error, file.fieldname));
        transaction
          .write((signal) => write(file, { signal, onRefusal: fail }, form.body))
          .catch((error: unknown) => {
            // Of a form that breaks off, the parser says more than the file that was cut.
            if (!isCut(file.stream)) fail(error);
          });
        // At once: the parser waits for its files before it tells of anything, and a backend may hang.
        callback(null);
      },
      // The transaction knows what there is to remove.
      _removeFile(_request: unknown, _file: unknown, callback: (error: Error | null) => void) {
        callback(null);
      },
    },
    limits: multerLimits(limits),
    defParamCharset: 'utf8',
    streamHandler(_request: unknown, busboy: Writable) {
      // The parser lets go of the body when it has heard enough, and would then wait for its end.
      busboy.once('unpipe', () => body.destroy());
      body.pipe(busboy);
    },
  } as unknown as multer.Options);
  return new Promise<void>((resolve, reject) => {
    fields(parser)(body as never, response as never, (error: unknown) => {
      if (error) reject(toUploadException(error, limits.maxSize));
      else resolve();
    });
  });
}

/** Whether the form ended before the file did. */
function isCut(stream: Readable): boolean {
  return stream.destroyed && !stream.readableEnded;
}

/** By what the form announces: of one that may have one file, who sends it knows no limit but that of the file. */
function tooLarge({ onlyFile, maxSize, maxTotalSize }: FormLimits): Error {
  return onlyFile === undefined ? formTooLarge(maxTotalSize) : fileTooLarge(maxSize, onlyFile);
}

function alreadyRead(): Error {
  return new StorageConfigurationError(
    'The body of the request was read before the upload interceptor came to it; take away the body parser, middleware or plugin that reads multipart bodies on this route, and what calls the handler twice, such as retry()',
  );
}

function announcedSize({ request }: HttpExchange): number {
  return Number(request.headers['content-length'] ?? 0);
}

function multerLimits({ maxSize, maxFiles, maxFields, maxFieldSize }: FormLimits): object {
  return {
    fileSize: maxSize,
    files: maxFiles,
    fields: maxFields,
    parts: maxFiles + maxFields,
    fieldSize: maxFieldSize,
    fieldNameSize: 100,
    fieldNestingDepth: 32,
    fieldArrayIndexLimit: 1000,
  };
}
