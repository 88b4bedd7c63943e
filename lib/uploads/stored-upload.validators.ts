import { FileValidator } from '@nestjs/common';
import { type ByteSize, parseByteSize } from '../core/units.js';
import { assertAccept, isAccepted } from './content-type-policy.js';
import type { StoredUpload } from './stored-upload.js';

/** What `ParseFilePipe` hands on: a file, or the files of each field. */
type Uploaded = StoredUpload | Readonly<Record<string, readonly StoredUpload[]>>;

/**
 * For `ParseFilePipe`: the type that the first bytes of a stored upload showed is one of those given, by the rules of the
 * option `accept`. Needs no `buffer`. The interceptor's `accept` refuses a file earlier, before it is stored.
 *
 * @publicApi
 */
export class StoredTypeValidator extends FileValidator<{ accept: readonly string[] }> {
  /** @throws StorageInvalidArgumentError when `accept` is no list of media types */
  constructor(options: { accept: readonly string[] }) {
    super(options);
    assertAccept(options.accept);
  }

  isValid(uploaded?: unknown): boolean {
    return this.#refused(uploaded) === undefined;
  }

  buildErrorMessage(uploaded: unknown): string {
    const { accept } = this.validationOptions;
    return `The file is ${this.#refused(uploaded)?.mimetype}; allowed is ${accept.join(', ')}`;
  }

  #refused(uploaded: unknown): StoredUpload | undefined {
    const { accept } = this.validationOptions;
    return filesOf(uploaded).find(({ mimetype }) => !isAccepted(mimetype, accept));
  }
}

/** For `ParseFilePipe`: a stored upload is of a size within the bounds, each of them included. @publicApi */
export class StoredSizeValidator extends FileValidator<{ minSize?: ByteSize; maxSize?: ByteSize }> {
  readonly #least: number;
  readonly #most: number;

  /** @throws StorageInvalidArgumentError naming the bound that is not well-formed */
  constructor(options: { minSize?: ByteSize; maxSize?: ByteSize }) {
    super(options);
    const { minSize, maxSize } = options;
    this.#least = minSize === undefined ? 0 : parseByteSize(minSize, 'minSize');
    this.#most = maxSize === undefined ? Infinity : parseByteSize(maxSize, 'maxSize');
  }

  isValid(uploaded?: unknown): boolean {
    return this.#refused(uploaded) === undefined;
  }

  buildErrorMessage(uploaded: unknown): string {
    const most = this.#most === Infinity ? 'more' : this.#most;
    return `The file has ${this.#refused(uploaded)?.size} bytes; allowed are ${this.#least} to ${most}`;
  }

  #refused(uploaded: unknown): StoredUpload | undefined {
    return filesOf(uploaded).find(({ size }) => size < this.#least || size > this.#most);
  }
}

function filesOf(uploaded: unknown): readonly StoredUpload[] {
  const given = uploaded as Uploaded;
  return 'mimetype' in given ? [given as StoredUpload] : Object.values(given).flat();
}
