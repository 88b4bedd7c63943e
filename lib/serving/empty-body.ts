import { StreamableFile } from '@nestjs/common';

/**
 * No body, and nothing said about one: the adapters of Nest would give a value that is missing a length of their own,
 * which for HEAD and 304 is wrong, or compare the etag again by rules of their own.
 */
export class EmptyBody extends StreamableFile {
  constructor() {
    super(new Uint8Array());
  }

  override getHeaders(): ReturnType<StreamableFile['getHeaders']> {
    return {} as ReturnType<StreamableFile['getHeaders']>;
  }
}
