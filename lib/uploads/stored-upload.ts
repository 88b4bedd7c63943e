import type { StoredFile } from '../core/stored-file.js';

/** A file of a form that was stored: what multer tells about it, and where it is. */
export interface StoredUpload {
  fieldname: string;
  /** The name that the client gave. For display only: it is no part of the key. */
  originalname: string;
  encoding: string;
  /** Media type by the file's first bytes, not by the client's word. */
  mimetype: string;
  /** Bytes. */
  size: number;
  /** With `overwrite` and with keys by content, the file is under its key only when the handler has succeeded. */
  key: string;
  /** Name of the storage. */
  storage: string;
  /** Has `etag` and `lastModified` when the file is under its key. */
  stored: StoredFile;
  /**
   * Keeps the file even when the request fails from here on. With the interceptors only.
   *
   * @throws StorageAbortedError when the request has failed already, as when the client has gone
   */
  keep(): void;
}

/** A file of a form before its bytes are read. */
export interface IncomingFile {
  readonly fieldname: string;
  readonly originalname: string;
  /** What the client says; not to be trusted. */
  readonly mimetype: string;
}

/** A file whose type is known by its first bytes. */
export interface TypedFile extends IncomingFile {
  /** Media type that it is stored with. */
  readonly contentType: string;
}

/** A file all of whose bytes are known. */
export interface HashedFile extends TypedFile {
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the bytes, in hexadecimal. */
  readonly sha256: string;
}
