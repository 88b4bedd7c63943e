import { Controller, Get, Param, type Type } from '@nestjs/common';
import {
  getStorageToken,
  InjectStorage,
  ServedFile,
  type ServedFileOptions,
  Storage,
  StorageModule,
} from '../../lib/index.js';
import { startApp, type TestApp } from '../nest/app-fixture.js';
import type { ADAPTERS } from './adapters.js';

export const NAME = 'a dir/ü%20?x#y+z\'"&日本.txt';

export const X_ACCEL: ServedFileOptions = {
  mode: 'accel',
  accel: { header: 'X-Accel-Redirect', location: '/protected/' },
};

/** Serves with these options below `/files/`. */
export function acceleratedController(options: ServedFileOptions): Type {
  @Controller('files')
  class AcceleratedController {
    constructor(@InjectStorage() private readonly files: Storage) {}

    @Get(':key')
    show(@Param('key') key: string): ServedFile {
      return new ServedFile(this.files, key, options);
    }

    @Get('avatars/:key')
    avatar(@Param('key') key: string): ServedFile {
      return new ServedFile(this.files.scope('avatars/'), key, options);
    }
  }
  return AcceleratedController;
}

/** Some files in `media` of the folder, and an app that has the web server in front send them. */
export async function startLocalApp(
  adapter: (typeof ADAPTERS)[number][1],
  root: string,
  options: ServedFileOptions,
): Promise<TestApp> {
  const storages = { files: { driver: 'local', root, prefix: 'media/' } } as const;
  const started = await startApp(
    {
      controllers: [acceleratedController(options)],
      imports: [StorageModule.forRoot({ storages })],
    },
    { adapter: adapter() },
  );
  const storage = started.app.get<Storage>(getStorageToken());
  await storage.put(NAME, '0123456789', { cacheControl: 'public, max-age=60' });
  await storage.put('avatars/a.png', 'png');
  await storage.put('page.html', '<script>alert(1)</script>');
  await storage.put('packed.txt', 'gzip', { contentEncoding: 'gzip', contentLanguage: 'de' });
  return started;
}
