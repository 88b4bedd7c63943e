import { Injectable } from '@nestjs/common';
import {
  InjectStorage,
  type Storage,
  StorageConfigurationError,
  StorageModule,
} from '../../lib/index.js';
import { closeApps, failure, startApp } from './app-fixture.js';

// In a file of its own: which names are registered is known by process, and other tests register a default.

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
