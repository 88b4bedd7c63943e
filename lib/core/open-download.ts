import { Readable } from 'node:stream';
import { shown } from './arguments.js';
import { checkReadConditions, parseReadConditions } from './conditions.js';
import { StorageConnectionError, StorageInvalidArgumentError } from './errors.js';
import { holdToSize } from './exact-body.js';
import type { Operation } from './operations.js';
import { parallelDownload } from './parallel-download.js';
import { ProgressMeter } from './progress.js';
import { parseRange, resolveRange } from './range.js';
import type { DriverDownload, DriverGetOptions } from './storage-driver.js';
import type { GetOptions } from './storage-methods.js';
import type { StorageView } from './storage-view.js';
import { assertCount, parseByteSize } from './units.js';
import { keptChecksum, verified } from './verified-body.js';

const DEFAULT_PART_SIZE = 8 * 1024 * 1024;

/** Opens a file at the driver, in one request or in several at once, and ties its body to the operation. */
export async function openDownload(
  view: StorageView,
  fullKey: string,
  options: GetOptions,
  operation: Operation,
): Promise<DriverDownload> {
  const conditions = parseReadConditions(options);
  if (Object.keys(conditions).length > 0) view.assertConditionalGet();
  if (options.range !== undefined) view.assertRanges();
  const { verify = false } = options;
  // What is no boolean must not pass for "no".
  if (typeof verify !== 'boolean') {
    throw new StorageInvalidArgumentError(`verify must be true or false, not ${shown(verify)}`);
  }
  if (verify) assertVerifiable(view, options);
  const read: DriverGetOptions = {
    ...conditions,
    ...(options.range !== undefined && { range: parseRange(options.range) }),
    signal: operation.signal,
  };
  const concurrency = assertCount(options.concurrency ?? 1, 'concurrency', 1);
  const partSize = Math.max(1, parseByteSize(options.partSize ?? DEFAULT_PART_SIZE, 'partSize'));
  const readOnce = async (): Promise<DriverDownload> => {
    const download = await view.driver.get(fullKey, read);
    return verify ? verified(download) : download;
  };
  const opened = await operation.repeat(() =>
    concurrency > 1
      ? openInParts(view, fullKey, read, { partSize, concurrency, verify, readOnce })
      : readOnce(),
  );
  const { file, body, range } = opened;
  // A backend that had the answer at once has not seen it.
  if (operation.signal.aborted) {
    if (body instanceof Readable) body.on('error', () => {}).destroy();
    operation.signal.throwIfAborted();
  }
  assertAlive(body);
  const size = range ? range.end - range.start + 1 : file.size;
  const { onProgress } = options;
  const meter =
    onProgress && new ProgressMeter('download', view.ownKey(file.key), size, onProgress);
  holdToSize(body, size, (count) => {
    meter?.add(count);
    operation.countBytes(count);
  });
  if (body instanceof Readable && meter) body.once('end', () => meter.finish());
  else meter?.finish();
  handOver(body, operation);
  return { file, body, ...(range && { range }) };
}

/**
 * @throws StorageInvalidArgumentError for a range: what is kept is the checksum of the whole file
 * @throws StorageUnsupportedError when the backend keeps none of any file
 */
function assertVerifiable(view: StorageView, { range }: GetOptions): void {
  if (range !== undefined) {
    throw new StorageInvalidArgumentError(
      'A range cannot be verified, since the checksum is of the whole file; read the file without range',
    );
  }
  view.assertChecksums();
}

interface PartsOptions {
  readonly partSize: number;
  readonly concurrency: number;
  readonly verify: boolean;
  /** For a file that is but one part. */
  readonly readOnce: () => Promise<DriverDownload>;
}

async function openInParts(
  view: StorageView,
  fullKey: string,
  read: DriverGetOptions,
  { partSize, concurrency, verify, readOnce }: PartsOptions,
): Promise<DriverDownload> {
  view.assertRanges();
  view.assertConditionalGet();
  const file = await view.driver.info(fullKey, { signal: read.signal });
  checkReadConditions(file, read);
  const range = read.range && resolveRange(read.range, file.size);
  const whole = range ?? { start: 0, end: file.size - 1, size: file.size };
  if (whole.end - whole.start < partSize || file.etag === undefined) {
    return readOnce();
  }
  if (verify) keptChecksum(file);
  const { etag } = file;
  const isWholeFile = whole.start === 0 && whole.end === file.size - 1;
  const body = parallelDownload(
    whole,
    partSize,
    concurrency,
    (part, stopped) =>
      view.driver.get(fullKey, {
        range: part,
        ifMatch: etag,
        signal: AbortSignal.any([read.signal, stopped]),
      }),
    isWholeFile ? file.checksum : undefined,
  );
  return { file, body, ...(range && { range }) };
}

/** @throws what the body has failed with already, as a small answer does whose bytes came with its headers */
function assertAlive(body: DriverDownload['body']): void {
  if (!(body instanceof Readable) || !body.destroyed) return;
  // Its own event may be still to come, and nobody will listen.
  body.on('error', () => {});
  throw body.errored ?? new StorageConnectionError('The answer broke off before it was read');
}

/** From here on the body belongs to the caller: it ends the operation, and fails with a StorageError. */
function handOver(body: DriverDownload['body'], operation: Operation): void {
  operation.suspendDeadline();
  if (!(body instanceof Readable)) {
    operation.end();
    return;
  }
  // Every error of a stream passes its _destroy, so no chunk has to be touched to translate it.
  const destroy = body._destroy.bind(body);
  body._destroy = (error, callback) =>
    destroy(error, (after) => {
      const failed = after ?? error;
      // Whoever has read enough is told of no failure, and there is none.
      if (isLeaving(failed)) operation.end();
      const failure = failed ? operation.failure(failed) : null;
      // Not only at 'close': that event does not come when nobody listens to the error.
      operation.end();
      callback(failure);
    });
  const onAbort = (): void => void body.destroy(operation.signal.reason as Error);
  operation.signal.addEventListener('abort', onAbort, { once: true });
  body.once('close', () => {
    operation.signal.removeEventListener('abort', onAbort);
    operation.end();
  });
}

/** As Node ends a stream whose `for await` is left, or whose web stream is cancelled. Calls that are aborted have other reasons. */
function isLeaving(error: Error | null | undefined): boolean {
  return error?.name === 'AbortError' && (error as NodeJS.ErrnoException).code === 'ABORT_ERR';
}
