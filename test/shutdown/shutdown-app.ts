// An app in a process of its own, which is told to shut down, and has to end by itself:
// node --import ../leaks/register.js shutdown-app.ts '{"adapter":…,"configuration":…,"shutdownTimeout":…}'
import 'reflect-metadata';
import {
  Controller,
  Get,
  Param,
  Post,
  Put,
  Req,
  StreamableFile,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { IncomingMessage } from 'node:http';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import {
  getStorageToken,
  InjectStorage,
  ServedFile,
  Storage,
  StorageFileInterceptor,
  StorageModule,
  type StoredUpload,
} from '../../lib/index.js';
import { startApp } from '../nest/app-fixture.js';

export interface ShutdownOptions {
  readonly adapter: 'Express' | 'Fastify';
  readonly configuration: StorageConfiguration;
  /** Milliseconds. */
  readonly shutdownTimeout: number;
}

const { adapter, configuration, shutdownTimeout } = JSON.parse(process.argv[2]!) as ShutdownOptions;

@Controller()
class FilesController {
  constructor(@InjectStorage('files') private readonly files: Storage) {}

  @Post('form')
  @UseInterceptors(StorageFileInterceptor('photo', { maxSize: '100mb' }))
  add(@UploadedFile() photo: StoredUpload) {
    return photo.stored;
  }

  @Get('served/:key')
  show(@Param('key') key: string) {
    return new ServedFile(this.files, key);
  }

  // As handlers may do it by themselves.
  @Put('put/:key')
  async put(@Param('key') key: string, @Req() request: IncomingMessage | { raw: IncomingMessage }) {
    return this.files.put(key, 'raw' in request ? request.raw : request);
  }

  @Get('got/:key')
  async get(@Param('key') key: string) {
    const { stream } = await this.files.get(key);
    // Nest's own would end the answer as if it were whole.
    return new StreamableFile(stream).setErrorHandler((_error, response) => response.destroy?.());
  }
}

const { app, port } = await startApp(
  {
    imports: [StorageModule.forRoot({ storages: { files: configuration }, shutdownTimeout })],
    controllers: [FilesController],
  },
  {
    adapter: adapter === 'Fastify' ? new FastifyAdapter() : new ExpressAdapter(),
    configure: (created) => {
      created.enableShutdownHooks();
      const instance = created.getHttpAdapter().getInstance() as {
        addContentTypeParser?(type: string, parser: (...args: unknown[]) => void): void;
      };
      // Fastify refuses a type that it has no parser for.
      instance.addContentTypeParser?.('application/octet-stream', (_request, _body, done) =>
        (done as (error: null) => void)(null),
      );
    },
  },
);

/** What a call is told when the app has closed; then nothing is left to keep the process. */
async function close(): Promise<void> {
  await app.close();
  const late = await app
    .get<Storage>(getStorageToken('files'))
    .exists('a')
    .catch((error: unknown) => (error as { code: string }).code);
  process.send!(late, () => process.connected && process.disconnect());
}

process.on('message', () => void close());
process.send!(port);
// Only the app and its storages are to hold the process.
process.channel!.unref();
