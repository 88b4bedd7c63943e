import { randomBytes } from 'node:crypto';
import { extension } from 'mime-types';
import { shown } from '../core/arguments.js';
import { StorageConfigurationError } from '../core/errors.js';
import { parseKey } from '../core/key.js';
import type { HashedFile, TypedFile } from './stored-upload.js';

/** Chooses the key of an uploaded file. The client's name is no part of it, unless the function puts it in. */
export type UploadKey<Request = unknown> = (
  file: TypedFile,
  request: Request,
) => string | Promise<string>;

/**
 * Chooses the key of an uploaded file by its bytes. One key must mean one content: a file that is there already is
 * taken for the same one, and left as it is.
 */
export interface UploadContentKey<Request = unknown> {
  /** Called once all bytes are there, with their hash. */
  fromContent(file: HashedFile, request: Request): string | Promise<string>;
}

/** 128 random bits and the extension of the type that was found: unguessable, unique, and the same alphabet on every backend. */
export const randomKey: UploadKey = (file) =>
  `${randomBytes(16).toString('hex')}${extensionOf(file)}`;

/** `randomKey` in a folder of the day, such as `2026/11/23/…` (UTC). */
export const datedKey: UploadKey = async (file, request) => {
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '/');
  return `${day}/${await randomKey(file, request)}`;
};

/** SHA-256 of the bytes and the extension of the type: the same file is stored once, however often it is uploaded. */
export const contentHashKey: UploadContentKey = {
  fromContent: (file) => `${file.sha256}${extensionOf(file)}`,
};

/**
 * The key that such a function has chosen.
 *
 * @throws StorageConfigurationError when it is no text
 * @throws StorageInvalidKeyError when it is no key: the client's words may be to blame
 */
export function chosenKey(result: unknown): string {
  if (typeof result === 'string') return parseKey(result);
  throw new StorageConfigurationError(
    `The function key of the upload options must return a string, not ${shown(result)}`,
  );
}

/** Whether no two files ever get the same key from it. */
export function isUniqueKey(key: UploadKey | UploadContentKey): boolean {
  return key === randomKey || key === datedKey;
}

function extensionOf({ contentType }: TypedFile): string {
  const suffix = extension(contentType);
  return suffix ? `.${suffix}` : '';
}
