import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency } from '@nestjs/common';
import type { SigningKey } from '../core/signing-keys.js';
import type { StorageName } from '../core/storage-names.js';
import type { ServedFileOptions } from '../serving/serving-options.js';

/** Where the app serves a storage, and what stands before it. */
export interface StorageRouteSettings {
  /** Path of the routes, below the global prefix if there is one; without a version. */
  path?: string;
  /**
   * Class decorators of the routes' controller, such as `UseGuards(…)`, or the app's own `Public()` that its global guard
   * looks for.
   */
  decorators?: readonly ClassDecorator[];
}

/** How the URLs of `memory` and `local` storages are signed, and where they lead to. */
export interface StorageSigningOptions {
  /**
   * URL under which clients reach the app, such as `https://app.example.com`; path and global prefix are put behind it.
   * Required in production; elsewhere the default is the address that the app listens on, `http://localhost:<port>` for one
   * that listens on 127.0.0.1 or on all.
   */
  baseUrl?: string;
  /**
   * The first signs, all verify. Each storage derives a key of its own. Required in production; elsewhere the default is
   * a random one, with which no URL outlives the process.
   */
  signingKeys?: readonly SigningKey[];
}

/** Where the signed URLs of the storages are served. */
export interface StorageRoutesOptions extends StorageRouteSettings, StorageSigningOptions {
  /** Default `'/storage'`. */
  path?: string;
}

/** The path is static, what signs is made when the app starts. */
export interface AsyncStorageRoutesOptions
  extends StorageRouteSettings, Pick<ModuleMetadata, 'imports'> {
  /** Default `'/storage'`. */
  path?: string;
  /** Makes what signs, of what `inject` names. */
  useFactory: (...args: never[]) => StorageSigningOptions | Promise<StorageSigningOptions>;
  /** Tokens of what `useFactory` is called with, in its order. */
  inject?: (InjectionToken | OptionalFactoryDependency)[];
}

/** Who may read which file: true lets the request in, false answers it with 403. */
export type AuthorizeRead<Request = unknown> = (
  request: Request,
  key: string,
) => boolean | Promise<boolean>;

/** One storage that is read below a path: by whom `authorize` lets in, or by everybody. */
export type ServeStorageOptions<Request = unknown> = StorageRouteSettings & {
  /** For what guards among the decorators need, and for storages that are not global. */
  imports?: ModuleMetadata['imports'];
  /** Name of the storage. Default: the default storage. */
  storage?: StorageName;
  /** Where the files are, such as `'/files'`: the rest of a request's path is the key. */
  path: string;
  /** How the files are sent. */
  serving?: ServedFileOptions;
} & (
    | {
        /** Asked before the storage is, with the very key that the storage is asked for. */
        authorize: AuthorizeRead<Request>;
        /** Not beside `authorize`. */
        public?: never;
      }
    | {
        /** Everybody may read every file. */
        public: true;
        /** Not beside `public`. */
        authorize?: never;
      }
  );
