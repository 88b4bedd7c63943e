import { StreamableFile } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { StorageConfigurationError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import { answerUnsent } from './failed-body.js';
import { assertServingOptions, type ServedFileOptions } from './serving-options.js';

/**
 * A file of a storage as a handler's return value. Sent with ranges, conditions, ETag and safe headers (RFC 9110);
 * a file that is not there, and a key that could never be one, are a 404.
 */
export class ServedFile extends StreamableFile {
  /** @throws StorageConfigurationError naming an option that is not well-formed */
  constructor(
    readonly storage: Storage,
    readonly key: string,
    readonly serving: ServedFileOptions = {},
  ) {
    assertServingOptions(serving);
    super(new Readable({ read: refuse }));
    this.setErrorHandler((error, response) => {
      answerUnsent(error, response as unknown as ServerResponse);
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
