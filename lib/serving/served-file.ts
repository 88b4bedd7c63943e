import { StreamableFile } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { StorageConfigurationError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import { answerFailedBody } from './failed-body.js';

export interface ServedFileOptions {
  /**
   * `'attachment'` makes the browser save the file. Default: `'inline'` for types that are safe to show (raster images,
   * audio, video, plain text), `'attachment'` for everything else. Types that run script are never inline.
   */
  disposition?: 'inline' | 'attachment';
  /** Name to save the file under. Default: the name it was uploaded with, else the end of its key. */
  filename?: string;
  /** Default: what `@Header()` says, else what is stored with the file, else `private, no-cache`. */
  cacheControl?: string;
  /** `Cross-Origin-Resource-Policy`. Default `'same-origin'`. */
  crossOrigin?: 'same-origin' | 'same-site' | 'cross-origin';
}

/**
 * A file of a storage as a handler's return value. Sent with ranges, conditions, ETag and safe headers (RFC 9110);
 * a file that is not there, and a key that could never be one, are a 404.
 *
 * @publicApi
 */
export class ServedFile extends StreamableFile {
  constructor(
    readonly storage: Storage,
    readonly key: string,
    readonly serving: ServedFileOptions = {},
  ) {
    super(new Readable({ read: refuse }));
    this.setErrorHandler((error, response) => {
      answerFailedBody(error, response as unknown as ServerResponse);
    });
  }
}

/** Only reached when nobody turned the value into a response. */
function refuse(this: Readable): void {
  this.destroy(
    new StorageConfigurationError(
      'A ServedFile is sent by StorageModule: import StorageModule.forRoot() into the app, and return the ServedFile from the handler',
    ),
  );
}
