import { compareKeys } from '../servers/listing.js';
import type { StoredBody } from '../servers/stored-body.js';
import type { ObjectAttributes } from './attributes.js';
import { checkConditions, type Conditions } from './conditions.js';
import { noSuchBucket, noSuchObject } from './errors.js';
import type { ResumableSession } from './resumable-sessions.js';
import type { RewriteProgress } from './rewrite-operations.js';

/** What is new with each upload, copy or composition. */
export interface ObjectContent {
  readonly body: StoredBody;
  /** Base64, big-endian. */
  readonly crc32c: string;
  /** Base64; `undefined` for composed objects. */
  readonly md5: string | undefined;
  readonly componentCount: number | undefined;
}

export interface StoredObject extends ObjectContent {
  readonly bucket: string;
  readonly name: string;
  readonly attributes: ObjectAttributes;
  /** Microseconds since the epoch, rising with every object stored. */
  readonly generation: bigint;
  readonly metageneration: bigint;
  /** Milliseconds since the epoch. */
  readonly timeCreated: number;
  readonly updated: number;
}

export class Bucket {
  readonly sessions = new Map<string, ResumableSession>();
  readonly #objects = new Map<string, StoredObject>();
  #sorted: readonly string[] | undefined;

  constructor(
    readonly name: string,
    readonly timeCreated: number,
    private readonly nextGeneration: (now: number) => bigint,
  ) {}

  get objects(): ReadonlyMap<string, StoredObject> {
    return this.#objects;
  }

  /** Every name in the order of its UTF-8 bytes. */
  get sortedNames(): readonly string[] {
    this.#sorted ??= [...this.#objects.keys()].toSorted(compareKeys);
    return this.#sorted;
  }

  /** @throws GcsError notFound, also when another generation is asked for: the bucket is not versioned */
  existing(name: string, generation?: bigint): StoredObject {
    const object = this.#objects.get(name);
    if (!object || (generation !== undefined && object.generation !== generation)) {
      throw noSuchObject(this.name, name);
    }
    return object;
  }

  /**
   * Puts content in place under a new generation if the conditions hold, in one step: of any number of racing
   * conditional writers exactly one wins. Takes the body over only when it succeeds.
   *
   * @throws GcsError conditionNotMet
   */
  commit(
    name: string,
    content: ObjectContent,
    attributes: ObjectAttributes,
    conditions: Conditions,
    now: number,
  ): StoredObject {
    const current = this.#objects.get(name);
    checkConditions(current, conditions);
    const object: StoredObject = {
      ...content,
      bucket: this.name,
      name,
      attributes,
      generation: this.nextGeneration(now),
      metageneration: 1n,
      timeCreated: now,
      updated: now,
    };
    this.#objects.set(name, object);
    if (current) current.body.release();
    else this.#sorted = undefined;
    return object;
  }

  /** Changes what is said about an object that the caller has just looked up. */
  describe(object: StoredObject, attributes: ObjectAttributes, now: number): StoredObject {
    const described: StoredObject = {
      ...object,
      attributes,
      metageneration: object.metageneration + 1n,
      updated: now,
    };
    this.#objects.set(object.name, described);
    return described;
  }

  /** @throws GcsError notFound, conditionNotMet */
  delete(name: string, conditions: Conditions = {}, generation?: bigint): void {
    const current = this.existing(name, generation);
    checkConditions(current, conditions);
    this.#objects.delete(name);
    this.#sorted = undefined;
    current.body.release();
  }
}

export class ObjectStore {
  readonly buckets = new Map<string, Bucket>();
  /** Rewrites that need another call, by token. */
  readonly rewrites = new Map<string, RewriteProgress>();
  #lastGeneration = 0n;

  /** @throws GcsError notFound */
  bucket(name: string): Bucket {
    const bucket = this.buckets.get(name);
    if (!bucket) throw noSuchBucket();
    return bucket;
  }

  create(name: string, now: number): Bucket {
    const bucket = new Bucket(name, now, (at) => this.#nextGeneration(at));
    this.buckets.set(name, bucket);
    return bucket;
  }

  #nextGeneration(now: number): bigint {
    const clock = BigInt(Math.floor(now)) * 1000n;
    this.#lastGeneration = clock > this.#lastGeneration ? clock : this.#lastGeneration + 1n;
    return this.#lastGeneration;
  }
}

/** Opaque to clients, and different whenever the bytes or what is said about them are. */
export function etagOf({ generation, metageneration }: StoredObject): string {
  // Google's are a protocol buffer of both numbers.
  return Buffer.from([0x08, ...varint(generation), 0x10, ...varint(metageneration)]).toString(
    'base64',
  );
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  for (; value > 0x7fn; value >>= 7n) bytes.push(Number((value & 0x7fn) | 0x80n));
  return [...bytes, Number(value)];
}
