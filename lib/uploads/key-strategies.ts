import { randomBytes } from 'node:crypto';
import { extension } from 'mime-types';
import type { TypedFile } from './stored-upload.js';

/** Chooses the key of an uploaded file. The client's name is no part of it, unless the function puts it in. */
export type UploadKey<Request = unknown> = (
  file: TypedFile,
  request: Request,
) => string | Promise<string>;

/** 128 random bits and the extension of the type that was found: unguessable, unique, and the same alphabet on every backend. */
export const randomKey: UploadKey = (file) => {
  const suffix = extension(file.contentType);
  return `${randomBytes(16).toString('hex')}${suffix ? `.${suffix}` : ''}`;
};

/** `randomKey` in a folder of the day, such as `2026/11/23/…` (UTC). */
export const datedKey: UploadKey = async (file, request) => {
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '/');
  return `${day}/${await randomKey(file, request)}`;
};
