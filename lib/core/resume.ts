import { createHash } from 'node:crypto';
import { shown } from './arguments.js';
import { inParallel } from './in-parallel.js';
import { type MultipartPart, type MultipartUpload } from './multipart.js';
import { StorageInvalidArgumentError } from './errors.js';
import { ProgressMeter } from './progress.js';
import { parseSeekableBody, readSeekable, type SeekableBody } from './seekable-body.js';
import type { StorageLimits } from './capabilities.js';
import type { ResumeMultipartOptions } from './storage-methods.js';
import type { StorageView } from './storage-view.js';
import type { StoredFile } from './stored-file.js';
import { assertCount } from './units.js';

/** Sends what the backend does not have yet of the body, and completes the upload. */
export function resumeMultipartUpload(
  view: StorageView,
  upload: MultipartUpload,
  body: SeekableBody,
  options: ResumeMultipartOptions,
): Promise<StoredFile> {
  const name = 'resumeMultipartUpload';
  return view.runUpload(name, upload, options, async (operation, ours) => {
    const source = parseSeekableBody(body);
    const { verify = false } = options;
    if (typeof verify !== 'boolean') {
      throw new StorageInvalidArgumentError(`verify must be true or false, not ${shown(verify)}`);
    }
    const { size } = source;
    view.assertObjectSize(size);
    const conditions = view.writeConditions(options);
    const concurrency = assertCount(options.concurrency ?? view.concurrency, 'concurrency', 1);
    const given = view.partSize(upload.partSize, undefined);
    const stored = await operation.repeat(() =>
      view.driver.listParts(ours, { signal: operation.signal }),
    );
    const plan = planOf(size, given, stored, view.capabilities.limits);
    const there = new Map(
      stored.filter((part) => plan.has(part)).map((part) => [part.partNumber, part]),
    );
    const kept = verify ? [] : [...there.values()];
    const missing = plan.partNumbers.filter((partNumber) => verify || !there.has(partNumber));

    const before = kept.reduce((sum, part) => sum + part.size, 0);
    const { onProgress } = options;
    const meter = onProgress && new ProgressMeter('upload', upload.key, size, onProgress, before);
    meter?.add(0);
    let waiting = 0;
    const onWait = (waits: boolean): void => {
      waiting += waits ? 1 : -1;
      // One source that goes on must not hide that another does not.
      operation.sourceWaits(waiting > 0);
    };
    const sent = await inParallel(
      missing,
      concurrency,
      operation.signal,
      async (partNumber, signal) => {
        const bytes = await readSeekable(source, plan.start(partNumber), plan.size(partNumber), {
          signal,
          onWait,
          onBytes: (count) => {
            meter?.add(count);
            operation.countBytes(count);
          },
        });
        const same = there.get(partNumber);
        if (same && isMd5Of(same.etag, bytes)) return same;
        return operation.repeat(() => view.driver.uploadPart(ours, partNumber, bytes, { signal }));
      },
    );
    operation.driverStarts();
    const parts = [...kept, ...sent].sort((left, right) => left.partNumber - right.partNumber);
    const { signal } = operation;
    const file = await view.driver.completeMultipartUpload(ours, parts, { ...conditions, signal });
    meter?.finish();
    return view.own(file);
  });
}

/** Whether the etag tells that a part has these bytes. Of many backends, it is the MD5; of no backend, that of other bytes. */
function isMd5Of(etag: string, bytes: Uint8Array): boolean {
  return etag === `"${createHash('md5').update(bytes).digest('hex')}"`;
}

/** Into which parts a body is cut. */
class PartPlan {
  readonly partNumbers: readonly number[];

  constructor(
    private readonly bodySize: number,
    private readonly partSize: number,
  ) {
    // An empty file has one part, of nothing.
    const count = Math.max(1, Math.ceil(bodySize / partSize));
    this.partNumbers = Array.from({ length: count }, (_, index) => index + 1);
  }

  start(partNumber: number): number {
    return (partNumber - 1) * this.partSize;
  }

  size(partNumber: number): number {
    return Math.min(this.partSize, this.bodySize - this.start(partNumber));
  }

  has({ partNumber, size }: MultipartPart): boolean {
    return partNumber <= this.partNumbers.length && this.size(partNumber) === size;
  }
}

/**
 * Parts of the size that the upload names; or, when those that are there are of another one throughout, of that: a listing cannot
 * tell with which size the upload was started.
 *
 * @throws StorageInvalidArgumentError when the body has more parts than an upload can have
 */
function planOf(
  size: number,
  given: number,
  stored: readonly MultipartPart[],
  { minPartSize, maxPartSize, maxParts }: StorageLimits,
): PartPlan {
  const first = stored.find(({ partNumber }) => partNumber === 1)?.size ?? given;
  const isPartSize = first >= minPartSize && first <= maxPartSize;
  for (const partSize of isPartSize ? [given, first] : [given]) {
    if (Math.ceil(size / partSize) > maxParts) continue;
    const plan = new PartPlan(size, partSize);
    if (stored.every((part) => plan.has(part))) return plan;
  }
  if (Math.ceil(size / given) <= maxParts) return new PartPlan(size, given);
  throw new StorageInvalidArgumentError(
    `${size} bytes are more than ${maxParts} parts of ${given} bytes; start an upload with { size: ${size} }, whose parts are larger`,
  );
}
