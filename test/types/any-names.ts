// An app that adds nothing to `StorageNames`. Compiled only.
import type { S3Client } from '@aws-sdk/client-s3';
import type { ContainerClient } from '@azure/storage-blob';
import type { Storage as GcsClient } from '@google-cloud/storage';
import {
  createStorage,
  getStorageToken,
  InjectStorage,
  openStorage,
  type RangeOption,
  Storage,
  type StorageConfiguration,
  type StorageDriver,
  StorageFileInterceptor,
  StorageModule,
  type StorageName,
  type StorageRegistry,
} from 'nestjs-storages';
import { expectType } from './equal.js';

declare const configuration: StorageConfiguration;
declare const driver: StorageDriver;
declare const registry: StorageRegistry;
declare const anyName: StorageName;

export class Photos {
  constructor(@InjectStorage('any name') readonly photos: Storage) {}
}

expectType<string>()(anyName, true);
expectType<Storage>()(registry.get('any name'), true);
getStorageToken('any name');
StorageFileInterceptor('photo', { storage: 'any name' });
StorageModule.forFeature({ avatars: { storage: 'any name', prefix: 'avatars/' } });

// Each driver with options of its own, and those of every storage.
StorageModule.forRoot({
  default: 'uploads',
  storages: {
    uploads: { driver: 'local', root: './var/uploads', durability: 'rename', timeout: '30s' },
    images: { driver: 's3', bucket: 'images', region: 'eu-central-1', prefix: 'img/' },
    media: { driver: 'gcs', bucket: 'media', publicUrl: (key) => `https://cdn.test/${key}` },
    docs: { driver: 'azure', container: 'docs', connectionString: 'UseDevelopmentStorage=true' },
    scratch: { driver: 'memory', maxSize: '64mb' },
    own: { driver, prefix: 'own/' },
  },
});

// What is missing, misspelt, another driver's or of another type does not compile.
export const wrong: StorageConfiguration[] = [
  // @ts-expect-error no such driver
  { driver: 's4', bucket: 'images' },
  // @ts-expect-error no driver
  { bucket: 'images' },
  // @ts-expect-error the bucket is missing
  { driver: 's3', region: 'eu-central-1' },
  // @ts-expect-error the bucket is missing
  { driver: 'gcs', projectId: 'project' },
  // @ts-expect-error the container is missing
  { driver: 'azure', connectionString: 'UseDevelopmentStorage=true' },
  // @ts-expect-error the root is missing
  { driver: 'local' },
  // @ts-expect-error misspelt
  { driver: 's3', bucket: 'images', regoin: 'eu-central-1' },
  // @ts-expect-error an option of another driver
  { driver: 'memory', root: './var/uploads' },
  // @ts-expect-error an option of another driver
  { driver: 'local', root: './var/uploads', bucket: 'images' },
  // @ts-expect-error no option of every storage
  { driver, root: './var/uploads' },
  // @ts-expect-error a number
  { driver: 'memory', concurrency: '4' },
  // @ts-expect-error one of three
  { driver: 'local', root: './var/uploads', durability: 'fast' },
  // @ts-expect-error a storage of AWS is no client
  { driver: 'gcs', bucket: 'media', client: createStorage('a', { driver: 'memory' }) },
  // @ts-expect-error not a driver: its methods are missing
  { driver: { name: 'own' } },
];

createStorage('images', { driver: 's3', bucket: 'images', region: 'eu-central-1' });
createStorage('own', { driver, prefix: 'own/' });
createStorage('known at run time', configuration);
// @ts-expect-error misspelt
createStorage('images', { driver: 's3', bucket: 'images', regoin: 'eu-central-1' });
// @ts-expect-error an option of another driver
createStorage('scratch', { driver: 'memory', root: './var/uploads' });
// @ts-expect-error the bucket is missing
createStorage('images', { driver: 's3', region: 'eu-central-1' });
// @ts-expect-error no such driver
createStorage('images', { driver: 's4', bucket: 'images' });
// @ts-expect-error no option of every storage
createStorage('own', { driver, root: './var/uploads' });
// @ts-expect-error misspelt
void openStorage('images', { driver: 's3', bucket: 'images', regoin: 'eu-central-1' });

// A range has one of two forms.
export const ranges: RangeOption[] = [
  { start: 2 },
  { start: 2, end: 4 },
  { suffix: 4 },
  // @ts-expect-error both
  { start: 2, suffix: 4 },
  // @ts-expect-error both
  { end: 2, suffix: 4 },
  // @ts-expect-error neither
  {},
];

// @ts-expect-error no storages
StorageModule.forRoot({});
// @ts-expect-error no such option
StorageModule.forRoot({ storages: {}, global: true });
StorageModule.forRootAsync({
  storages: {
    uploads: { inject: [String], useFactory: (root: string) => ({ driver: 'local', root }) },
    // @ts-expect-error the bucket is missing in what it makes
    images: { useFactory: () => ({ driver: 's3', region: 'eu-central-1' }) },
  },
});

// The client is the SDK's.
export async function clients(): Promise<void> {
  expectType<S3Client>()(createStorage('a', { driver: 's3', bucket: 'a' }).client, true);
  expectType<GcsClient>()(createStorage('a', { driver: 'gcs', bucket: 'a' }).client, true);
  expectType<ContainerClient>()(
    createStorage('a', { driver: 'azure', container: 'a' }).client,
    true,
  );
  expectType<undefined>()(createStorage('a', { driver: 'memory' }).client, true);
  expectType<undefined>()(createStorage('a', { driver: 'local', root: 'a' }).client, true);
  expectType<unknown>()(createStorage('a', { driver }).client, true);
  expectType<unknown>()(createStorage('a', configuration).client, true);
  expectType<S3Client>()((await openStorage('a', { driver: 's3', bucket: 'a' })).client, true);
  expectType<S3Client>()(
    (undefined as unknown as Storage<'s3'>).scope('a/').readonly().client,
    true,
  );
}
