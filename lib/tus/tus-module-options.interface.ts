import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency } from '@nestjs/common';
import type { SigningKey } from '../core/signing-keys.js';
import type { Storage } from '../core/storage.js';
import type { StorageName } from '../core/storage-names.js';
import type { StoredFile } from '../core/stored-file.js';
import type { ByteSize } from '../core/units.js';
import type { StorageRouteSettings } from '../interfaces/storage-routes-options.interface.js';
import type { UploadKey } from '../uploads/key-strategies.js';

/** The right of one request to work on an upload. */
export interface TusLock {
  /**
   * Resolves when the caller has the lock. Whoever has it is asked by its `requestRelease` to let go.
   *
   * @param signal the caller does not want it any more
   * @param requestRelease for whoever wants the lock next
   */
  lock(signal: AbortSignal, requestRelease: () => Promise<void> | void): Promise<void>;
  unlock(): Promise<void>;
}

/** Lets one request at a time work on an upload: the interface of the lockers of `@tus/server`. */
export interface TusLocker {
  newLock(id: string): TusLock;
}

/** What `onUploaded` is told beside the file. */
export interface TusUploadContext<Request = unknown> {
  readonly storage: Storage;
  readonly owner: string;
  /** The client's name for the file, fit for a file system; empty when it gave none. For display only. */
  readonly filename: string;
  /** As the client sent it; not to be trusted. A name without a value is `null`. */
  readonly metadata: Readonly<Record<string, string | null>>;
  /** The one that brought the last bytes, or that found them there. */
  readonly request: Request;
}

/** What uploads may be, and what becomes of them. */
export interface TusBehaviour<Request = unknown> {
  /** Seal the ids. The first seals, all open: put a new one in front to rotate. */
  signingKeys: readonly SigningKey[];
  /** Largest file: bytes, or text such as `'5gb'`. */
  maxSize: ByteSize;
  /**
   * Allowed media types, such as `'image/png'` and `'image/*'`; decided by the file's first bytes when all are there. Types that
   * run script must be named in full. Default: any.
   */
  accept?: readonly string[];
  /** Who makes the request. To everybody else, what they upload is not there. Default: whoever has the URL. */
  owner?: (request: Request) => string | Promise<string>;
  /**
   * Chooses the key when all bytes are there. Default: 128 random bits and the extension of the found type. A key of one's
   * own that is in use is refused, 422 `FILE_EXISTS`.
   */
  key?: UploadKey<Request>;
  /** How long an upload may take, from its creation: seconds, or text such as `'12h'`. Default one day. */
  expiresIn?: number | string;
  /**
   * Bytes that the app collects before it sends them on, and so of the memory of one request; more where the file would
   * have too many parts. Default `'8mb'`.
   */
  partSize?: ByteSize;
  /** Where several processes serve the uploads, one that they share. Default: one in the memory of the process. */
  locker?: TusLocker;
  /**
   * How long a request may go on when another one wants the same upload: milliseconds, or text such as `'3s'`, which is the
   * default.
   */
  drainTimeout?: number | string;
  /** URL under which clients reach the app. Default: locations are paths, which clients resolve. */
  baseUrl?: string;
  /**
   * Called when the file is published under its key. An `HttpException` below 500 refuses the file: it is removed. After any
   * other failure the file stays, and the next request for the upload calls it again.
   */
  onUploaded?: (file: StoredFile, context: TusUploadContext<Request>) => unknown;
}

/** What is known before the app starts. */
export interface TusSettings extends StorageRouteSettings {
  /** Default `'/files'`. */
  path?: string;
  /** Name of the storage. Default: the default storage. */
  storage?: StorageName;
  /** For what guards among the decorators need, and for storages that are not global. */
  imports?: ModuleMetadata['imports'];
}

/** What `TusModule.forRoot()` takes. */
export interface TusModuleOptions<Request = unknown> extends TusSettings, TusBehaviour<Request> {}

/** The path is static, what is allowed is made when the app starts. */
export interface TusModuleAsyncOptions extends TusSettings {
  /** Makes what is allowed, of what `inject` names. */
  useFactory: (...args: never[]) => TusBehaviour<never> | Promise<TusBehaviour<never>>;
  /** Tokens of what `useFactory` is called with, in its order. */
  inject?: (InjectionToken | OptionalFactoryDependency)[];
}
