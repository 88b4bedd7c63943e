import { Controller, Get, type ModuleMetadata, Param, Query } from '@nestjs/common';
import { Readable } from 'node:stream';
import {
  InjectStorage,
  ServedFile,
  Storage,
  type StorageDriver,
  StorageModule,
} from '../../lib/index.js';
import { getStorageToken, type PutOptions } from '../../lib/index.js';
import { type AppSettings, startApp, type TestApp } from '../nest/app-fixture.js';
import { recordingDriver, type RecordingDriver } from '../nest/recording-driver.js';

@Controller('files')
export class FilesController {
  constructor(@InjectStorage() private readonly files: Storage) {}

  @Get(':key')
  show(@Param('key') key: string, @Query('save') save?: string): ServedFile {
    return new ServedFile(
      this.files,
      key,
      save === undefined ? {} : { disposition: 'attachment', filename: save },
    );
  }
}

export interface ServingApp extends TestApp, RecordingDriver {
  readonly storage: Storage;
  readonly put: (
    key: string,
    body: string | Buffer,
    options?: PutOptions,
  ) => Promise<{ etag: string; lastModified: Date }>;
}

/** An app that serves the files of a recording driver below `/files/`. */
export async function serve(
  replace?: (memory: StorageDriver) => Partial<StorageDriver>,
  { controllers = [FilesController], ...metadata }: ModuleMetadata = {},
  settings?: Parameters<typeof startApp>[1],
): Promise<ServingApp> {
  const recorded = await recordingDriver(replace);
  const started = await startApp(
    {
      controllers,
      imports: [
        StorageModule.forRoot({
          storages: { files: { driver: recorded.driver, retry: { maxRetries: 0 } } },
        }),
      ],
      ...metadata,
    },
    settings,
  );
  const storage = started.app.get<Storage>(getStorageToken('files'));
  return {
    ...started,
    ...recorded,
    storage,
    async put(key, body, options) {
      const { etag, lastModified } = await storage.put(key, body, options);
      recorded.calls.length = 0;
      return { etag: etag!, lastModified: lastModified! };
    },
  };
}

/** Bytes without end, that tell whether they were freed. */
export function endless(): Readable {
  const chunk = Buffer.alloc(64 * 1024, 0x2e);
  return new Readable({
    read() {
      this.push(chunk);
    },
  });
}

/** `serve()` on an adapter. */
export function servingOn(adapter: () => AppSettings['adapter']): typeof serve {
  return (replace, metadata, settings) =>
    serve(replace, metadata, { adapter: adapter(), ...settings });
}
