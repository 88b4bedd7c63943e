import { Controller, Injectable, Post, UseInterceptors } from '@nestjs/common';
import {
  InjectStorage,
  type Storage,
  StorageConfigurationError,
  StorageFileFieldsInterceptor,
  StorageFileInterceptor,
  StorageModule,
} from '../../lib/index.js';
import { closeApps, failure, startApp } from './app-fixture.js';

// In a file of its own: which names are registered is known by process, and no test here may register a default.

afterEach(closeApps);

const memory = { driver: 'memory' } as const;

test('is told for the default storage when there are several and none is it', async () => {
  @Injectable()
  class Photos {
    constructor(@InjectStorage() readonly storage: Storage) {}
  }
  const error = await failure(
    startApp({
      imports: [StorageModule.forRoot({ storages: { x1: memory, x2: memory } })],
      providers: [Photos],
    }),
  );
  expect(error).toBeInstanceOf(StorageConfigurationError);
  expect(error.message).toContain('Photos wants the default storage');
  expect(error.message).toContain('"x1", "x2"');
});

describe('of an upload interceptor', () => {
  @Controller()
  class Photos {
    @Post()
    @UseInterceptors(StorageFileInterceptor('photo'))
    add(): void {}
  }

  test('a default storage that is none of several is told', async () => {
    const imports = [StorageModule.forRoot({ storages: { x1: memory, x2: memory } })];
    const error = await failure(startApp({ imports, controllers: [Photos] }));
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toBe(
      'StorageFileInterceptor(photo) wants the default storage, but there is none: name the storage, or set `default` in StorageModule.forRoot(); the storages are "x1", "x2"',
    );
  });

  test('a storage is told where no module has any', async () => {
    @Controller()
    class Documents {
      @Post()
      @UseInterceptors(StorageFileFieldsInterceptor([{ name: 'a', storage: 'docs' }]))
      add(): void {}
    }
    const error = await failure(startApp({ controllers: [Documents] }));
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toBe(
      'StorageFileFieldsInterceptor wants the storage "docs", which no module registers; the storages are none: import StorageModule.forRoot() into the app',
    );
    expect((await failure(startApp({ controllers: [Photos] }))).message).toContain(
      'wants the default storage, but there is none',
    );
  });
});

test('is told for a part of a storage that no forRoot registers', async () => {
  const imports = [StorageModule.forFeature({ avatars: { storage: 'nowhere', prefix: 'a/' } })];
  const error = await failure(startApp({ imports }));
  expect(error).toBeInstanceOf(StorageConfigurationError);
  expect(error.message).toContain('the storage "nowhere", which no module registers');
});
