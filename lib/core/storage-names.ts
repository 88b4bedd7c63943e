import type { Storage } from './storage.js';

/**
 * The names of an app's storages, for whoever wants the compiler to know them. Empty until the app adds its own by declaration
 * merging, all of them at once, the features of `forFeature` included; each with the storage that it means:
 *
 * `declare module 'nestjs-storages' { interface StorageNames { uploads: Storage<'s3'>; avatars: Storage } }`
 *
 * From then on any other name is an error where one is asked for, and so is a storage in `forRoot` with another name or driver.
 */
export interface StorageNames {}

/** The name of a storage: one of `StorageNames`, or any text in an app that has none there. */
export type StorageName = [keyof StorageNames] extends [never]
  ? string
  : Extract<keyof StorageNames, string>;

/** The storage with the name: what `StorageNames` says, `Storage` for any other name. */
export type StorageNamed<Name extends string> = Name extends keyof StorageNames
  ? StorageNames[Name]
  : Storage;
