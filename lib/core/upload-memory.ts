import { type ByteSize, parseByteSize } from './units.js';

/** Memory that the uploads of several storages take together: give the same one to each, as `uploadMemory`. */
export class UploadMemory {
  /** Bytes. */
  readonly limit: number;

  /**
   * @param limit bytes, or text such as `'1gb'`. Default 256 MiB
   * @throws StorageInvalidArgumentError
   */
  constructor(limit: ByteSize = '256mb') {
    this.limit = parseByteSize(limit, 'uploadMemory');
  }
}
