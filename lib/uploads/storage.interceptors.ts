import type { NestInterceptor, Type } from '@nestjs/common';
import { shown } from '../core/arguments.js';
import { StorageInvalidArgumentError } from '../core/errors.js';
import { assertCount } from '../core/units.js';
import type { StoredUpload } from './stored-upload.js';
import { uploadInterceptor } from './upload.interceptor.js';
import type { UploadField } from './upload-plan.js';
import type { UploadOptionsSource } from './upload-policy.js';

/**
 * Stores the one file of a field; the handler gets it by `@UploadedFile()` as a `StoredUpload`.
 *
 * The file is kept only when the request succeeds: a pipe that refuses, a handler or an interceptor that throws, an
 * answer with a status of 400 or more, a limit and a client that goes away leave nothing in the storage.
 */
export function StorageFileInterceptor<Request = unknown>(
  fieldName: string,
  options: UploadOptionsSource<Request> = {},
): Type<NestInterceptor> {
  assertField(fieldName, 'StorageFileInterceptor');
  return uploadInterceptor(options, {
    name: `StorageFileInterceptor(${fieldName})`,
    fields: (parser) => parser.single(fieldName),
    expectedFiles: 1,
    onlyFile: fieldName,
    described: { [fieldName]: 'file' },
    handOn: (request, [upload]) => {
      request.file = upload;
    },
  });
}

/** Stores the files of one field; the handler gets them by `@UploadedFiles()`. Otherwise as `StorageFileInterceptor`. */
export function StorageFilesInterceptor<Request = unknown>(
  fieldName: string,
  maxCount?: number,
  options: UploadOptionsSource<Request> = {},
): Type<NestInterceptor> {
  assertField(fieldName, 'StorageFilesInterceptor');
  const name = `StorageFilesInterceptor(${fieldName})`;
  assertRoom(maxCount, name);
  return uploadInterceptor(options, {
    name,
    fields: (parser) => parser.array(fieldName, maxCount),
    ...(maxCount !== undefined && { expectedFiles: maxCount, defaultMaxFiles: maxCount }),
    described: { [fieldName]: 'files' },
    handOn: handOnList,
  });
}

/**
 * Stores the files of several fields, each by options of its own where it has such, even in another storage; the
 * handler gets `{ [field]: StoredUpload[] }` by `@UploadedFiles()`. Where each has a `maxCount`, their sum is the default of
 * `maxFiles`; where not all have, it is 10, or the sum if that is more.
 */
export function StorageFileFieldsInterceptor<Request = unknown>(
  uploadFields: readonly UploadField<Request>[],
  options: UploadOptionsSource<Request> = {},
): Type<NestInterceptor> {
  const names = new Set<string>();
  for (const { name, maxCount } of uploadFields) {
    assertField(name, 'StorageFileFieldsInterceptor');
    if (names.has(name)) throw fieldTwice(`StorageFileFieldsInterceptor(${name})`);
    names.add(name);
    assertRoom(maxCount, `StorageFileFieldsInterceptor(${name})`);
  }
  return uploadInterceptor(options, {
    name: 'StorageFileFieldsInterceptor',
    fields: (parser) => parser.fields(uploadFields),
    uploadFields,
    described: Object.fromEntries(
      uploadFields.map((field) => [field.name, field.maxCount === 1 ? 'file' : 'files']),
    ),
    handOn: (request, uploads) => {
      const byField = Object.create(null) as Record<string, StoredUpload[]>;
      for (const upload of uploads) (byField[upload.fieldname] ??= []).push(upload);
      request.files = byField;
    },
  });
}

/** Stores every file of the form, whatever its field; the handler gets a list by `@UploadedFiles()`. */
export function StorageAnyFilesInterceptor<Request = unknown>(
  options: UploadOptionsSource<Request> = {},
): Type<NestInterceptor> {
  return uploadInterceptor(options, {
    name: 'StorageAnyFilesInterceptor',
    fields: (parser) => parser.any(),
    described: 'any',
    handOn: handOnList,
  });
}

/** @throws StorageInvalidArgumentError when no file could be of the field */
function assertField(name: unknown, interceptor: string): void {
  if (typeof name === 'string' && name !== '') return;
  throw new StorageInvalidArgumentError(
    `${interceptor}: the field must have a name, not ${shown(name)}`,
  );
}

/** The options of one of them would not hold. */
function fieldTwice(interceptor: string): StorageInvalidArgumentError {
  return new StorageInvalidArgumentError(
    `${interceptor}: the field is there twice; give it once, with all of its options`,
  );
}

/** @throws StorageInvalidArgumentError when it is no number of files, or 0: every file would be refused */
function assertRoom(maxCount: number | undefined, interceptor: string): void {
  if (maxCount !== undefined) assertCount(maxCount, `${interceptor}: maxCount`, 1);
}

function handOnList(request: { files?: unknown }, uploads: readonly StoredUpload[]): void {
  request.files = uploads;
}
