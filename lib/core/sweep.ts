import { shown } from './arguments.js';
import { deleteBatches, repeatError } from './deletion.js';
import { StorageInvalidArgumentError } from './errors.js';
import { inParallel } from './in-parallel.js';
import { isStillKept } from './kept-names.js';
import type { MultipartUploadInfo } from './multipart.js';
import type { Operation } from './operations.js';
import { listPages } from './repeat-pages.js';
import type {
  DeleteFailure,
  SweepFailure,
  SweepOptions,
  SweepResult,
  SweptFile,
  SweptMultipartUpload,
} from './storage-methods.js';
import type { StorageView } from './storage-view.js';
import type { StoredFile } from './stored-file.js';
import { parseMilliseconds } from './units.js';
import { uploadPages } from './upload-listing.js';

const LIST_PAGE_SIZE = 1000;

/** Removes what was begun through the view before, and never ended. */
export function sweep(view: StorageView, options: SweepOptions): Promise<SweepResult> {
  return view.run('sweep', undefined, options, async (operation) => {
    view.assertWritable();
    const { olderThan = '1d', dryRun = false } = options;
    // Taken for false, the text of an environment variable would delete.
    if (typeof dryRun !== 'boolean') {
      throw new StorageInvalidArgumentError(`dryRun must be true or false, not ${shown(dryRun)}`);
    }
    const { multipart } = view.capabilities;
    if (multipart) view.assertMultipartListing();
    const before = Date.now() - parseMilliseconds(olderThan, 'olderThan', Infinity);
    const run = new Sweep(operation, before, dryRun);
    const staging = view.staging();
    await run.sweepFiles(staging);
    if (multipart) {
      await run.sweepUploads(view, false);
      await run.sweepUploads(staging, true);
    }
    return run.result;
  });
}

/** One sweep, page after page: all that it keeps is what it tells in the end. */
class Sweep {
  readonly result = {
    staged: [] as SweptFile[],
    multipartUploads: [] as SweptMultipartUpload[],
    failed: [] as SweepFailure[],
  };

  constructor(
    private readonly operation: Operation,
    /** Milliseconds since 1970. What was begun later may be alive. */
    private readonly before: number,
    private readonly dryRun: boolean,
  ) {}

  async sweepFiles(staging: StorageView): Promise<void> {
    const { operation, result } = this;
    const asked = staging.listOptions({}, LIST_PAGE_SIZE, operation);
    for await (const page of listPages(staging, asked, operation)) {
      const files = staging
        .visible(page, asked)
        .files.filter(
          ({ key, lastModified }) => this.#isOld(lastModified) && !isStillKept(staging.ownKey(key)),
        );
      const failed = this.dryRun ? [] : await this.#delete(staging, files);
      const left = new Set(failed.map(({ key }) => key));
      for (const { key, size, lastModified } of files) {
        const name = staging.ownKey(key);
        if (!left.has(name)) result.staged.push({ name, size, stagedAt: lastModified! });
      }
      result.failed.push(...failed);
      operation.driverStarts();
    }
  }

  /** @param staged whether the keys are those of the staging area */
  async sweepUploads(view: StorageView, staged: boolean): Promise<void> {
    const { operation, result } = this;
    for await (const page of uploadPages(view, view.prefix, operation)) {
      const uploads = page.filter(
        ({ key, startedAt }) => this.#isOld(startedAt) && !(staged && isStillKept(key)),
      );
      const failures = await inParallel(
        uploads,
        view.concurrency,
        operation.signal,
        async (upload, signal) => (this.dryRun ? undefined : this.#abort(view, upload, signal)),
      );
      for (const [index, failure] of failures.entries()) {
        if (failure) result.failed.push(failure);
        else result.multipartUploads.push({ ...uploads[index]!, staged });
      }
      operation.driverStarts();
    }
  }

  #isOld(date: Date | undefined): boolean {
    return date !== undefined && date.getTime() <= this.before;
  }

  async #delete(staging: StorageView, files: readonly StoredFile[]): Promise<DeleteFailure[]> {
    const { operation } = this;
    const keys = files.map(({ key }) => key);
    try {
      return await deleteBatches(staging, keys, operation);
    } catch (error) {
      if (operation.signal.aborted) throw error;
      const failure = operation.failure(error);
      return keys.map((key) => staging.ownFailure(key, repeatError(failure), operation.name));
    }
  }

  async #abort(
    view: StorageView,
    { key, uploadId }: MultipartUploadInfo,
    signal: AbortSignal,
  ): Promise<SweepFailure | undefined> {
    const { operation } = this;
    const fullKey = view.prefix + key;
    try {
      await operation.repeat(() =>
        view.driver.abortMultipartUpload({ key: fullKey, uploadId }, { signal }),
      );
      return undefined;
    } catch (error) {
      if (operation.signal.aborted) throw error;
      const failure = repeatError(operation.failure(error));
      return { ...view.ownFailure(fullKey, failure, operation.name), uploadId };
    }
  }
}
