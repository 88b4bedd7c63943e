import {
  Body,
  Controller,
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
} from '../../lib/index.js';
import { startApp, type TestApp } from '../nest/app-fixture.js';
import { type Answer, send } from '../nest/http-client.js';
import { recordingDriver, type RecordingDriver } from '../nest/recording-driver.js';
import { form, formHeaders, type Part } from './forms.js';

export interface UploadApp extends TestApp {
  readonly storage: Storage;
  /** Posts a form. */
  readonly post: (...parts: Part[]) => Promise<Answer>;
}

interface UploadSettings {
  /** What the handler does with the files. Default: it answers with them and the fields. */
  handle?: (upload: { file: unknown; files: unknown; body: unknown }) => unknown;
  pipes?: (Type<PipeTransform> | PipeTransform)[];
  /** Interceptors between the uploading one and the handler. */
  later?: (Type<NestInterceptor> | NestInterceptor)[];
  several?: boolean;
}

/** An app whose `POST /` is a handler behind the interceptor. */
export async function uploadApp(
  configuration: StorageConfiguration,
  interceptor: Type<NestInterceptor>,
  { handle = (upload) => upload, pipes = [], later = [], several = false }: UploadSettings = {},
): Promise<UploadApp> {
  @Controller()
  class UploadController {
    @Post()
    @UseInterceptors(interceptor, ...later)
    add(
      @UploadedFile(...(several ? [] : pipes)) file: unknown,
      @UploadedFiles(...(several ? pipes : [])) files: unknown,
      @Body() body: unknown,
    ): unknown {
      return handle({ file, files, body });
    }
  }
  const started = await startApp({
    imports: [StorageModule.forRoot({ storages: { uploads: configuration } })],
    controllers: [UploadController],
  });
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
): Promise<UploadApp & RecordingDriver> {
  const recorded = await recordingDriver(replace);
  const configuration = { driver: recorded.driver, retry: { maxRetries: 0 } };
  return { ...(await uploadApp(configuration, interceptor, settings)), ...recorded };
}
