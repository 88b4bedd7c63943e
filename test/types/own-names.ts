// An app that names its storages to the compiler. Compiled by a program of its own: the names hold for all of it.
import type { S3Client } from '@aws-sdk/client-s3';
import {
  getStorageToken,
  InjectStorage,
  ServeStorageModule,
  Storage,
  type StorageConfigurationOf,
  StorageFileInterceptor,
  StorageModule,
  type StorageName,
  type StorageRegistry,
} from 'nestjs-storages';
import { TusModule } from 'nestjs-storages/tus';
import { expectType } from './equal.js';

declare module 'nestjs-storages' {
  interface StorageNames {
    uploads: Storage<'s3'>;
    avatars: Storage;
  }
}

declare const registry: StorageRegistry;
declare const name: StorageName;
declare const text: string;

expectType<'uploads' | 'avatars'>()(name, true);

export class Photos {
  constructor(
    @InjectStorage() readonly whatever: Storage,
    @InjectStorage('uploads') readonly uploads: Storage<'s3'>,
    // @ts-expect-error misspelt
    @InjectStorage('uplaods') readonly misspelt: Storage,
  ) {}
}

// The registry knows what each name means, and takes names that are known only at run time.
expectType<Storage<'s3'>>()(registry.get('uploads'), true);
expectType<S3Client>()(registry.get('uploads').client, true);
expectType<Storage>()(registry.get(text), true);

getStorageToken('avatars');
StorageFileInterceptor('photo', { storage: 'uploads' });
// @ts-expect-error misspelt
getStorageToken('avatar');
// @ts-expect-error misspelt
StorageFileInterceptor('photo', { storage: 'uplaods' });
// @ts-expect-error misspelt
ServeStorageModule.register({ path: 'files', public: true, storage: 'uplaods' });
const tus = {
  signingKeys: [{ id: 'one', secret: 'a secret of thirty-two bytes and more' }],
  maxSize: '1gb',
};
TusModule.forRoot({ ...tus, storage: 'uploads' });
// @ts-expect-error misspelt
TusModule.forRoot({ ...tus, storage: 'uplaods' });

// One module registers some of them; the driver is the one that the names promise.
StorageModule.forRoot({ storages: { uploads: { driver: 's3', bucket: 'uploads' } } });
StorageModule.forRootAsync({
  storages: { uploads: { useFactory: () => ({ driver: 's3', bucket: 'uploads' }) } },
});
StorageModule.forRootAsync({
  storages: {
    uploads: { useFactory: (): StorageConfigurationOf<'s3'> => ({ driver: 's3', bucket: 'u' }) },
  },
});
export const misspelt = (): StorageConfigurationOf<'s3'> => ({
  driver: 's3',
  bucket: 'uploads',
  // @ts-expect-error misspelt, which only a return type lets the compiler see
  regoin: 'eu-central-1',
});
StorageModule.forFeature({ avatars: { storage: 'uploads', prefix: 'avatars/' } });
// @ts-expect-error misspelt
StorageModule.forRoot({ storages: { uplaods: { driver: 's3', bucket: 'uploads' } } });
// @ts-expect-error misspelt
StorageModule.forRoot({ default: 'uplaods', storages: { avatars: { driver: 'memory' } } });
// @ts-expect-error another driver than `Storage<'s3'>` has
StorageModule.forRoot({ storages: { uploads: { driver: 'gcs', bucket: 'uploads' } } });
// @ts-expect-error another driver than `Storage<'s3'>` has
StorageModule.forRootAsync({ storages: { uploads: { useFactory: () => ({ driver: 'memory' }) } } });
// @ts-expect-error misspelt
StorageModule.forFeature({ avatar: { storage: 'uploads', prefix: 'avatars/' } });
// @ts-expect-error misspelt
StorageModule.forFeature({ avatars: { storage: 'uplaods', prefix: 'avatars/' } });
