import { matchesEtag, wholeSecond } from '../servers/conditional-reads.js';
import { compareKeys } from '../servers/listing.js';
import type { StoredBody } from '../servers/stored-body.js';
import type { Checksum } from './checksums.js';
import { s3Error, type S3ErrorCode } from './errors.js';
import type { MultipartUpload } from './multipart-uploads.js';

/** What a client says about an object, beside its bytes. */
export interface ObjectAttributes {
  /** Header names in lower case, such as `content-type`. */
  readonly system: ReadonlyMap<string, string>;
  /** User metadata, names in lower case without `x-amz-meta-`. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly storageClass: string;
}

export interface StoredObject extends ObjectAttributes {
  readonly key: string;
  readonly body: StoredBody;
  /** Without quotes. */
  readonly etag: string;
  /** Milliseconds since the epoch, on a whole second. */
  readonly lastModified: number;
  readonly checksum: Checksum | undefined;
}

/** What must hold at the instant of a write. */
export interface WriteCondition {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  /** What an If-None-Match is answered when it does not hold. Default PreconditionFailed. */
  readonly taken?: S3ErrorCode;
  /** What an If-Match is answered where there is no object. Default NoSuchKey. */
  readonly absent?: S3ErrorCode;
}

export class Bucket {
  readonly uploads = new Map<string, MultipartUpload>();
  readonly #objects = new Map<string, StoredObject>();
  #sorted: readonly string[] | undefined;

  constructor(
    readonly name: string,
    readonly createdAt: number,
  ) {}

  get objects(): ReadonlyMap<string, StoredObject> {
    return this.#objects;
  }

  /** Every key in the order of its UTF-8 bytes. */
  get sortedKeys(): readonly string[] {
    this.#sorted ??= [...this.#objects.keys()].toSorted(compareKeys);
    return this.#sorted;
  }

  /** @throws S3Error NoSuchKey */
  existing(key: string): StoredObject {
    const object = this.#objects.get(key);
    if (!object) throw noSuchKey(key);
    return object;
  }

  /**
   * Puts the object in place if the condition holds, in one step: of any
   * number of racing conditional writers exactly one wins.
   *
   * @throws S3Error PreconditionFailed, NoSuchKey
   */
  commit(object: StoredObject, condition: WriteCondition = {}): void {
    const current = this.#objects.get(object.key);
    checkWriteCondition(current, object.key, condition);
    this.#objects.set(object.key, object);
    if (current) current.body.release();
    else this.#sorted = undefined;
  }

  /** Removes the object if there is one and the condition holds. */
  delete(key: string, condition: WriteCondition = {}): void {
    const current = this.#objects.get(key);
    checkWriteCondition(current, key, condition);
    if (!current) return;
    this.#objects.delete(key);
    this.#sorted = undefined;
    current.body.release();
  }
}

export class ObjectStore {
  readonly buckets = new Map<string, Bucket>();

  /** @throws S3Error NoSuchBucket */
  bucket(name: string): Bucket {
    const bucket = this.buckets.get(name);
    if (!bucket) {
      throw s3Error('NoSuchBucket', 'The specified bucket does not exist', {
        details: { BucketName: name },
      });
    }
    return bucket;
  }

  create(name: string, now: number): void {
    this.buckets.set(name, new Bucket(name, wholeSecond(now)));
  }
}

function checkWriteCondition(
  current: StoredObject | undefined,
  key: string,
  { ifMatch, ifNoneMatch, taken, absent }: WriteCondition,
): void {
  if (ifNoneMatch !== undefined && current) {
    throw preconditionFailed('If-None-Match', taken);
  }
  if (ifMatch !== undefined) {
    if (!current) {
      throw absent === 'PreconditionFailed' ? preconditionFailed('If-Match') : noSuchKey(key);
    }
    if (!matchesEtag(ifMatch, current.etag)) throw preconditionFailed('If-Match');
  }
}

export function preconditionFailed(
  condition: string,
  code: S3ErrorCode = 'PreconditionFailed',
): Error {
  return s3Error(code, 'At least one of the pre-conditions you specified did not hold', {
    details: { Condition: condition },
  });
}

function noSuchKey(key: string): Error {
  return s3Error('NoSuchKey', 'The specified key does not exist.', {
    details: { Key: key },
  });
}
