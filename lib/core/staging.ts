import { randomBytes } from 'node:crypto';
import { contentTypeOf, parseGivenAttributes } from './attributes.js';
import type { StorageBody } from './body.js';
import { copy } from './copy.js';
import { deleteListed, deleteOne } from './deletion.js';
import { StorageInvalidArgumentError } from './errors.js';
import { isStillKept } from './kept-names.js';
import { put } from './put.js';
import type {
  CommitOptions,
  DeletePrefixResult,
  SignalOption,
  StageOptions,
  SweepStagedOptions,
} from './storage-methods.js';
import type { StorageView } from './storage-view.js';
import type { StoredFile } from './stored-file.js';
import { parseMilliseconds } from './units.js';

/** Stores the body in the staging area of the storage that the view is of. */
export async function stage(
  view: StorageView,
  body: StorageBody,
  options: StageOptions,
): Promise<StagedFile> {
  const staging = view.staging();
  const name = randomBytes(16).toString('hex');
  const file = await put(staging, 'stage', name, body, options);
  return new StagedFile(file, view, staging, options.contentType === undefined);
}

/** The file in the staging area of the storage that the view is of. */
export async function findStaged(
  view: StorageView,
  name: string,
  options: SignalOption,
): Promise<StagedFile> {
  const staging = view.staging();
  return staging.runKey('staged', name, options, (operation, fullKey) =>
    operation.repeat(async () => {
      const file = staging.own(await staging.driver.info(fullKey, { signal: operation.signal }));
      return new StagedFile(file, view, staging, false);
    }),
  );
}

/** Removes what lies in the staging area since before. */
export async function sweepStaged(
  view: StorageView,
  options: SweepStagedOptions,
): Promise<DeletePrefixResult> {
  const staging = view.staging();
  return staging.run('sweepStaged', undefined, options, async (operation) => {
    staging.assertWritable();
    const age = parseMilliseconds(options.olderThan ?? '1d', 'olderThan', Infinity);
    const before = Date.now() - age;
    return deleteListed(staging, '', operation, ({ key, lastModified }) => {
      const isOld = lastModified !== undefined && lastModified.getTime() <= before;
      return isOld && !isStillKept(staging.ownKey(key));
    });
  });
}

/**
 * A file that is stored, but not published: no listing shows it, and no key reads it, until it is committed. With
 * `await using`, it is discarded where the block ends, unless it was committed, or found through a read-only view.
 */
export class StagedFile implements AsyncDisposable {
  #state: 'staged' | 'being committed' | 'committed' | 'being discarded' | 'discarded' = 'staged';

  /** @internal */
  constructor(
    private readonly staged: StoredFile,
    private readonly view: StorageView,
    private readonly staging: StorageView,
    private readonly isUntyped: boolean,
  ) {}

  /** Its key in `storage.staging()`, by which `storage.staged()` finds it. */
  get name(): string {
    return this.staged.key;
  }

  /** Bytes. */
  get size(): number {
    return this.staged.size;
  }

  /** Of the bytes, where the backend keeps one. */
  get checksum(): StoredFile['checksum'] {
    return this.staged.checksum;
  }

  /**
   * Publishes the file under the key, in one step where the backend moves files in one, else by a copy on the server.
   * When it rejects, the key holds what it held before, and the file is still staged.
   *
   * @throws StorageFileExistsError with `ifNoneMatch: '*'`, when something is stored under the key
   * @throws StorageInvalidArgumentError when it was committed or discarded already
   */
  async commit(key: string, options: CommitOptions = {}): Promise<StoredFile> {
    const { view, staging } = this;
    return view.runKey('commit', key, options, async (operation, fullKey) => {
      view.assertWritable();
      view.assertAttributes(options);
      const { atomicMove } = view.capabilities;
      const from = staging.fullKey(this.staged.key);
      const copied = await this.#once('being committed', 'committed', () =>
        copy(
          view,
          from,
          fullKey,
          {
            // The staging name tells no type, but the key may.
            ...(this.isUntyped && { contentType: contentTypeOf(key) }),
            ...parseGivenAttributes(options),
            ...view.copyCondition(options.ifNoneMatch),
            ...(atomicMove && { move: true }),
          },
          operation,
        ),
      );
      // The file is published, whatever becomes of this: the next sweep finds what stays.
      if (!atomicMove) await deleteOne(staging, from, operation).catch(() => {});
      return view.own(copied);
    });
  }

  /**
   * Removes the file. Does nothing when it was committed or discarded already.
   *
   * @throws StorageInvalidArgumentError while it is being committed
   */
  async discard(options: SignalOption = {}): Promise<void> {
    const { staging, staged } = this;
    if (this.#state === 'committed' || this.#state === 'discarded') return;
    await this.#once('being discarded', 'discarded', () =>
      staging.runKey('discard', staged.key, options, (operation, fullKey) => {
        staging.assertWritable();
        return deleteOne(staging, fullKey, operation);
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.staging.isReadonly) await this.discard();
  }

  /** What becomes of the file is decided once; when that fails, it can be decided anew. */
  async #once<Result>(
    meanwhile: 'being committed' | 'being discarded',
    then: 'committed' | 'discarded',
    act: () => Promise<Result>,
  ): Promise<Result> {
    if (this.#state !== 'staged') {
      throw new StorageInvalidArgumentError(`The staged file is ${this.#state} already`);
    }
    this.#state = meanwhile;
    try {
      const result = await act();
      this.#state = then;
      return result;
    } catch (error) {
      this.#state = 'staged';
      throw error;
    }
  }
}
