import {
  StorageConnectionError,
  StorageFileExistsError,
  StorageFileNotFoundError,
} from '../../core/errors.js';
import { inParallel } from '../../core/in-parallel.js';
import type { DriverCopyOptions } from '../../core/storage-driver.js';
import { pickAttributes, type StoredFile } from '../../core/stored-file.js';
import { toNumber, toText } from '../remote/answer-fields.js';
import { mayHaveHappened } from '../remote/uncertain-failures.js';
import type { GcsBucket } from './gcs.client.js';
import {
  ABSENT,
  findWritten,
  newWriteToken,
  ownObject,
  unknownOutcome,
  wasThereBefore,
} from './gcs.commits.js';
import { MAX_WRITE_ROUNDS, pauseAfter } from './gcs.contention.js';
import {
  assertMetadata,
  fileOf,
  type GcsObject,
  OBJECT_FIELDS,
  parseObject,
  toResource,
} from './gcs.metadata.js';
import { findObject } from './gcs.objects.js';
import { expectOk, jsonBody, jsonOf, objectPath, send, type SentAnswer } from './gcs.requests.js';

const MAX_IDLE_CALLS = 10;
/** Bytes that one call copies where it has to move them: to another class or place. Constant within a copy. */
const BYTES_PER_CALL = 1024 ** 3;

/**
 * Copies one version of the source over one version of the destination, or over nothing: both are preconditions, so that
 * calls can be repeated. When one of the two has changed meanwhile, both are read again.
 */
export async function copy(
  bucket: GcsBucket,
  from: string,
  to: string,
  options: DriverCopyOptions,
): Promise<StoredFile> {
  assertMetadata(options.metadata);
  const { signal } = options;
  const token = newWriteToken();
  for (let round = 1; ; round++) {
    const [source, replaced] = await inParallel([from, to], 2, signal, (key, stopped) =>
      key === to && options.ifNoneMatch !== undefined
        ? Promise.resolve(undefined)
        : findObject(bucket, key, stopped),
    );
    if (!source) throw new StorageFileNotFoundError();
    const written = await rewrite(bucket, { source, to, replaced, token }, options);
    const current = written ?? (await findObject(bucket, to, signal));
    if (written || current?.writeToken === token) {
      options.onSource?.(fileOf(source));
      return fileOf(current!);
    }
    if (current && options.ifNoneMatch !== undefined) throw new StorageFileExistsError();
    if (round === MAX_WRITE_ROUNDS) {
      throw new StorageConnectionError(
        'The files were replaced again and again while they were copied',
      );
    }
    await pauseAfter(round, signal);
  }
}

interface Rewrite {
  readonly source: GcsObject;
  readonly to: string;
  readonly replaced: GcsObject | undefined;
  readonly token: string;
}

/** @returns the copy, or nothing when source or destination has changed */
async function rewrite(
  bucket: GcsBucket,
  { source, to, replaced, token }: Rewrite,
  options: DriverCopyOptions,
): Promise<GcsObject | undefined> {
  const { signal } = options;
  // Given at all, the attributes take the place of all that the source has.
  const resource = {
    ...toResource({ ...source.attributes, ...pickAttributes(options) }, token),
    ...(source.customTime !== undefined && { customTime: source.customTime }),
  };
  const call = (rewriteToken: string | undefined): Promise<SentAnswer> =>
    send(bucket, {
      method: 'POST',
      path: `${objectPath(bucket, source.name)}/rewriteTo${objectPath(bucket, to).slice('/storage/v1'.length)}`,
      query: {
        ifSourceGenerationMatch: source.generation,
        ifGenerationMatch: replaced?.generation ?? ABSENT,
        maxBytesRewrittenPerCall: String(BYTES_PER_CALL),
        rewriteToken,
        fields: `done,rewriteToken,totalBytesRewritten,resource(${OBJECT_FIELDS})`,
      },
      ...jsonBody(resource),
      signal,
    });
  const start = performance.now();
  let rewriteToken: string | undefined;
  let rewritten = 0;
  for (let idle = 0; idle <= MAX_IDLE_CALLS;) {
    let answer: SentAnswer;
    try {
      answer = await call(rewriteToken);
    } catch (error) {
      const stored = mayHaveHappened(error) ? await findWritten(bucket, to, token) : undefined;
      if (stored) return stored;
      throw error;
    }
    if (answer.status === 412 || isStale(answer, rewriteToken)) {
      if (!answer.uncertain) return undefined;
      const stored = await findWritten(bucket, to, token);
      if (stored || options.ifNoneMatch === undefined) return stored;
      const current = await findObject(bucket, to, signal).catch(() => {
        throw unknownOutcome();
      });
      if (!current) return undefined;
      throw wasThereBefore(current, start, answer)
        ? new StorageFileExistsError()
        : unknownOutcome();
    }
    const progress = jsonOf(await expectOk(bucket, answer, signal));
    if (progress['done'] === true) {
      return ownObject(bucket, to, token, parseObject(progress['resource']));
    }
    rewriteToken = toText(progress['rewriteToken']);
    const total = toNumber(progress['totalBytesRewritten']) ?? 0;
    idle = total > rewritten ? 0 : idle + 1;
    rewritten = total;
  }
  throw new StorageConnectionError('The service does not go on with the copy');
}

/** A token is used up by the call whose answer was lost: the copy starts anew. */
function isStale({ status }: SentAnswer, rewriteToken: string | undefined): boolean {
  return status === 400 && rewriteToken !== undefined;
}
