import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  Body,
  Controller,
  type ExceptionFilter,
  type ModuleMetadata,
  type NestInterceptor,
  type PipeTransform,
  Post,
  type Type,
  UploadedFile,
  UploadedFiles,
  UseInterceptors,
} from '@nestjs/common';
import {
  getStorageToken,
  Storage,
  type StorageConfiguration,
  type StorageDriver,
  StorageModule,
  type StorageModuleOptions,
} from '../../lib/index.js';
import { type AppSettings, startApp as startTestApp, type TestApp } from '../nest/app-fixture.js';
import { type Answer, send } from '../nest/http-client.js';
import { recordingDriver, type RecordingDriver } from '../nest/recording-driver.js';
import { form, formHeaders, type Part } from './forms.js';

const ADAPTERS: Readonly<Record<string, () => AbstractHttpAdapter>> = {
  Express: () => new ExpressAdapter(),
  Fastify: () => new FastifyAdapter(),
};

let adapter = ADAPTERS['Express']!;

/** Runs the tests once on each HTTP adapter: every app that they start here is on it. */
export function onEachAdapter(tests: (name: string) => void): void {
  describe.each(Object.keys(ADAPTERS))('on %s', (name) => {
    beforeAll(() => (adapter = ADAPTERS[name]!));
    tests(name);
  });
}

/** An app on the adapter of the tests. */
export function startApp(metadata: ModuleMetadata, settings: AppSettings = {}): Promise<TestApp> {
  return startTestApp(metadata, { adapter: adapter(), ...settings });
}

export interface UploadApp extends TestApp {
  readonly storage: Storage;
  /** Posts a form. */
  readonly post: (...parts: Part[]) => Promise<Answer>;
}

interface UploadSettings {
  /** What the handler does with the files. Default: it answers with them and the fields. */
  handle?: (upload: { file: unknown; files: unknown; body: unknown }) => unknown;
  pipes?: (Type<PipeTransform> | PipeTransform)[];
  /** Interceptors around the uploading one. */
  earlier?: (Type<NestInterceptor> | NestInterceptor)[];
  /** Interceptors between the uploading one and the handler. */
  later?: (Type<NestInterceptor> | NestInterceptor)[];
  filters?: ExceptionFilter[];
  several?: boolean;
}

type ModuleSettings = Pick<StorageModuleOptions, 'shutdownTimeout'>;

/** An app whose `POST /` is a handler behind the interceptor. */
export async function uploadApp(
  configuration: StorageConfiguration,
  interceptor: Type<NestInterceptor>,
  {
    handle = (upload) => upload,
    pipes = [],
    earlier = [],
    later = [],
    filters = [],
    several = false,
  }: UploadSettings = {},
  moduleSettings: ModuleSettings = {},
): Promise<UploadApp> {
  @Controller()
  class UploadController {
    @Post()
    @UseInterceptors(...earlier, interceptor, ...later)
    add(
      @UploadedFile(...(several ? [] : pipes)) file: unknown,
      @UploadedFiles(...(several ? pipes : [])) files: unknown,
      @Body() body: unknown,
    ): unknown {
      return handle({ file, files, body });
    }
  }
  const started = await startApp(
    {
      imports: [StorageModule.forRoot({ storages: { uploads: configuration }, ...moduleSettings })],
      controllers: [UploadController],
    },
    { configure: (app) => void app.useGlobalFilters(...filters) },
  );
  return {
    ...started,
    storage: started.app.get<Storage>(getStorageToken('uploads')),
    post: (...parts) =>
      send(started.port, '/', { method: 'POST', headers: formHeaders, body: form(...parts) }),
  };
}

/** The same over a recording driver. */
export async function recordedUploadApp(
  interceptor: Type<NestInterceptor>,
  settings?: UploadSettings,
  replace?: (memory: StorageDriver) => Partial<StorageDriver>,
  moduleSettings?: ModuleSettings,
): Promise<UploadApp & RecordingDriver> {
  const recorded = await recordingDriver((memory) => ({
    // What is left is looked at after the app has ended, too.
    async close() {},
    ...replace?.(memory),
  }));
  const configuration = { driver: recorded.driver, retry: { maxRetries: 0 } };
  return {
    ...(await uploadApp(configuration, interceptor, settings, moduleSettings)),
    ...recorded,
  };
}
