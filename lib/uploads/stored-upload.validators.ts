import { FileValidator } from '@nestjs/common';
import { type ByteSize, parseByteSize } from '../core/units.js';
import { assertAccept, isAccepted } from './content-type-policy.js';
import type { StoredUpload } from './stored-upload.js';

const NOT_STORED = 'What was given is no file that an upload interceptor has stored';

/**
 * For `ParseFilePipe`: the type that the first bytes of a stored upload showed is one of those given, by the rules of the
 * option `accept`. Needs no `buffer`. The interceptor's `accept` refuses a file earlier, before it is stored.
 */
export class StoredTypeValidator extends FileValidator<{ accept: readonly string[] }> {
  /** @throws StorageInvalidArgumentError when `accept` is no list of media types */
  constructor(options: { accept: readonly string[] }) {
    super(options);
    assertAccept(options.accept);
  }

  isValid(uploaded?: unknown): boolean {
    return filesOf(uploaded).every((file) => this.#allows(file));
  }

  buildErrorMessage(uploaded: unknown): string {
    const refused = filesOf(uploaded).find((file) => !this.#allows(file));
    if (!refused) return NOT_STORED;
    return `The file is ${refused.mimetype}; allowed is ${this.validationOptions.accept.join(', ')}`;
  }

  #allows(file: StoredUpload | undefined): boolean {
    return file !== undefined && isAccepted(file.mimetype, this.validationOptions.accept);
  }
}

/** For `ParseFilePipe`: a stored upload is of a size within the bounds, each of them included. */
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
    return filesOf(uploaded).every((file) => this.#allows(file));
  }

  buildErrorMessage(uploaded: unknown): string {
    const refused = filesOf(uploaded).find((file) => !this.#allows(file));
    if (!refused) return NOT_STORED;
    const most = this.#most === Infinity ? 'more' : this.#most;
    return `The file has ${refused.size} bytes; allowed are ${this.#least} to ${most}`;
  }

  #allows(file: StoredUpload | undefined): boolean {
    return file !== undefined && file.size >= this.#least && file.size <= this.#most;
  }
}

/** A file, or those of each field, as `ParseFilePipe` hands them on; `undefined` for anything else. */
function filesOf(uploaded: unknown): readonly (StoredUpload | undefined)[] {
  const isOfFields = typeof uploaded === 'object' && uploaded !== null && !isStored(uploaded);
  const files: unknown[] = isOfFields ? Object.values(uploaded).flat() : [uploaded];
  // What has nothing to look at is none that was stored, either.
  return files.length === 0
    ? [undefined]
    : files.map((file) => (isStored(file) ? file : undefined));
}

/** Where the fields are told one by one, each has a list, whatever it is called. */
function isStored(given: unknown): given is StoredUpload {
  if (typeof given !== 'object' || given === null) return false;
  const { mimetype, size, stored } = given as Partial<Record<keyof StoredUpload, unknown>>;
  return typeof mimetype === 'string' && typeof size === 'number' && typeof stored === 'object';
}
