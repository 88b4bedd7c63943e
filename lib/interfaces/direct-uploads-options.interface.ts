import type {
  InjectionToken,
  ModuleMetadata,
  OptionalFactoryDependency,
  Type,
} from '@nestjs/common';
import type { SigningKey } from '../core/signing-keys.js';
import type { Storage } from '../core/storage.js';
import type { StorageName } from '../core/storage-names.js';
import type { StoredFile } from '../core/stored-file.js';
import type { ByteSize } from '../core/units.js';
import type { UploadKey } from '../uploads/key-strategies.js';
import type { UploadOptions } from '../uploads/upload-options.js';
import type { UploadPolicy } from '../uploads/upload-policy.js';
import type { UploadScan } from '../uploads/upload-scan.js';
import type { StorageRouteSettings } from './storage-routes-options.interface.js';

/** What a direct upload may be, and how its file is named and stored. */
export interface DirectUploadRules<Request = unknown> extends Pick<
  UploadOptions<Request>,
  'accept' | 'maxSize' | 'minSize' | 'image' | 'scanTimeout' | 'metadata' | 'cacheControl'
> {
  /**
   * Chooses the key when the upload is asked for; the file's `contentType` is then the client's word. A key that is in
   * use is refused, 409 `FILE_EXISTS`. Default: 128 random bits and the extension of the announced type.
   */
  key?: UploadKey<Request>;
  /**
   * Examines the file when the upload is completed, before it is published: reads it from the backend, where it lies. Its request is
   * the one that completes the upload. A file that could not be examined is kept, and can be completed again.
   */
  scan?: UploadScan<Request>;
}

/** From which size on a file goes up in parts, and how large these are. */
export interface DirectMultipartOptions {
  /** Files of this size and larger. Default `'100mb'`. */
  threshold?: ByteSize;
  /** Of each part but the last; larger where the file would have too many. Default `'8mb'`. */
  partSize?: ByteSize;
}

/** What `onUploaded` is told beside the file. */
export interface UploadedContext<Request = unknown> {
  /** Of this upload, and the same each time that `onUploaded` is told of it. */
  readonly uploadId: string;
  readonly storage: Storage;
  readonly owner: string;
  /** The client's name for the file, fit for a file system. For display only. */
  readonly filename: string;
  /** Of the route that completed the upload; absent when `DirectUploads.complete()` was called without one. */
  readonly request?: Request;
}

/** How direct uploads are allowed and checked. */
export interface DirectUploadsBehaviour<Request = unknown> extends DirectUploadRules<Request> {
  /**
   * Who makes the request. Nobody else can complete, cancel or go on with what they started. What it throws is the answer.
   */
  owner: (request: Request) => string | Promise<string>;
  /**
   * Rules for each request that begins an upload, in place of those of the same name: a function, or a class as the
   * interceptors take it. What is about the form around files does not matter here. What it throws is the answer. Of a policy that gives `scan`, the
   * one for the request that completes the upload counts.
   */
  policy?: UploadPolicy<Request>['optionsFor'] | Type<UploadPolicy<Request>>;
  /**
   * Seal the ids. The first seals, all open. Required in production; elsewhere the default is a random key, with which no
   * upload outlives the process.
   */
  signingKeys?: readonly SigningKey[];
  /**
   * How long a file may take to come: seconds, or text such as `'1h'`. Default 12 hours. Until then, and
   * an hour more, `sweep()` leaves what was sent alone.
   */
  expiresIn?: number | string;
  /** `false`: every file in one request. */
  multipart?: DirectMultipartOptions | false;
  /**
   * Called when the file is published under its key. When it throws, the file is removed again and that is the answer.
   * Called at least once for each file, and again only where the process that called it ended before it returned: let what
   * it does be bound to `uploadId`.
   */
  onUploaded?: (file: StoredFile, context: UploadedContext<Request>) => unknown;
}

/** What is known before the app starts. */
export interface DirectUploadsSettings extends StorageRouteSettings {
  /** Default `'/direct-uploads'`. */
  path?: string;
  /** Name of the storage. Default: the default storage. */
  storage?: StorageName;
  /** Serves the protocol of `@rails/activestorage` at the path. */
  activeStorage?: {
    /** From the root of the app. */
    path: string;
  };
  /** Serves `@uppy/aws-s3` below the path: Companion's `/s3/…`, and `/sign` for `signRequest`. */
  companion?: {
    /** From the root of the app. */
    path: string;
  };
  /** Whether `DirectUploads` can be injected in all modules. Default true. */
  isGlobal?: boolean;
  /** For what is injected, for what guards among the decorators need, and for storages that are not global. */
  imports?: ModuleMetadata['imports'];
}

/** What `DirectUploadsModule.forRoot()` takes. */
export interface DirectUploadsOptions<Request = unknown>
  extends DirectUploadsSettings, DirectUploadsBehaviour<Request> {}

/** Paths are static, what is allowed is made when the app starts. */
export interface AsyncDirectUploadsOptions extends DirectUploadsSettings {
  /** Makes the rest, of what `inject` names. */
  useFactory: (
    ...args: never[]
  ) => DirectUploadsBehaviour<never> | Promise<DirectUploadsBehaviour<never>>;
  /** Tokens of what `useFactory` is called with, in its order. */
  inject?: (InjectionToken | OptionalFactoryDependency)[];
}
