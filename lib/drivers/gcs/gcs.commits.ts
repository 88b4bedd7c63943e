import { randomBytes } from 'node:crypto';
import type { WriteConditions } from '../../core/conditions.js';
import {
  StorageConnectionError,
  StorageIntegrityError,
  StorageRateLimitedError,
} from '../../core/errors.js';
import { mayHaveHappened } from '../remote/uncertain-failures.js';
import type { GcsBucket } from './gcs.client.js';
import { MAX_WRITE_ROUNDS, pauseAfter } from './gcs.contention.js';
import { conditionError, headerOf } from './gcs.errors.js';
import { generationOf, type GcsObject, parseObject } from './gcs.metadata.js';
import { deleteObject, findObject } from './gcs.objects.js';
import { expectOk, jsonOf, type SentAnswer } from './gcs.requests.js';

/** The generation of what is not there. */
export const ABSENT = '0';

const CHECK_TIMEOUT = 5000;
/** By which clocks within the service may differ, in milliseconds. */
const CLOCK_TOLERANCE = 2000;

/** A write that is committed by one request, which can be made again. */
export interface Commit extends WriteConditions {
  readonly key: string;
  /** Sent with the metadata: what this very write is recognised by. */
  readonly token: string;
  readonly signal: AbortSignal;
  /**
   * What an unconditional write takes to be stored already, before it has looked: nothing, as with most keys, or
   * `'current'`, to look first, since the request is too large to be made in vain.
   */
  readonly guess: typeof ABSENT | 'current';
  readonly write: (ifGenerationMatch: string) => Promise<SentAnswer>;
}

export function newWriteToken(): string {
  return randomBytes(12).toString('base64url');
}

/**
 * Makes a write that has a generation precondition, always. Only so can its request be repeated after a lost answer: the
 * repetition of one that was done is refused, instead of storing over what others have stored since. Whether the refusal is
 * about one's own write then shows in the token.
 *
 * An unconditional write that is refused names the generation that is there now, and tries again. Each refusal means that
 * another writer got through, so of many one always does; a single one could starve, so it pauses for random times, and gives
 * up after forty rounds.
 *
 * @returns the object as it was stored, also when only the answer was lost
 * @throws StorageFileExistsError, StoragePreconditionFailedError; StorageConnectionError that is not to be retried, when a
 * conditional write may have taken place although something else is there now
 */
export async function commit(bucket: GcsBucket, write: Commit): Promise<GcsObject> {
  const { key, token, signal } = write;
  const fixed = fixedGeneration(write);
  const start = performance.now();
  let expected = fixed ?? (await firstGuess(bucket, write));
  let uncertain = false;
  for (let round = 1; ; round++) {
    let answer: SentAnswer;
    try {
      answer = await write.write(expected);
    } catch (error) {
      const stored = mayHaveHappened(error) ? await findWritten(bucket, key, token) : undefined;
      if (stored) return stored;
      throw error;
    }
    if (answer.status !== 412) {
      const object = parseObject(jsonOf(await expectOk(bucket, answer, signal)));
      return await ownObject(bucket, key, token, object);
    }
    uncertain ||= answer.uncertain;
    if (fixed !== undefined && !uncertain) throw conditionError(write);
    // What has become of one's own write is to be known, abort or not.
    const lookSignal = uncertain ? AbortSignal.timeout(CHECK_TIMEOUT) : signal;
    const looking = findObject(bucket, key, lookSignal);
    const current = await (fixed === undefined ? looking : looking.catch(() => undefined));
    if (current?.writeToken === token) return current;
    if (fixed !== undefined) {
      throw wasThereBefore(current, start, answer) ? conditionError(write) : unknownOutcome();
    }
    if (!current && write.ifMatch !== undefined && uncertain) throw unknownOutcome();
    if (round === MAX_WRITE_ROUNDS) throw tooManyWriters();
    expected = expectedOf(current, write);
    await pauseAfter(round, signal);
  }
}

/**
 * Whether the object was stored before the write began, so that the write cannot have taken place. Both times are the
 * service's own, so it does not matter whose clock is wrong.
 *
 * @param start of the write, by `performance.now()`
 */
export function wasThereBefore(
  current: GcsObject | undefined,
  start: number,
  answer: SentAnswer,
): boolean {
  const now = Date.parse(headerOf(answer.headers, 'date') ?? '');
  const age = now - (current?.updated?.getTime() ?? Number.NaN);
  return age > performance.now() - start + CLOCK_TOLERANCE;
}

/** Not that its condition did not hold: whoever is told so takes it for certain that nothing was written. */
export function unknownOutcome(): StorageConnectionError {
  return new StorageConnectionError(
    'An answer was lost, and what is stored now is not the file that was sent: that may have been stored before, and replaced ' +
      'since. Read the file to decide whether to write again',
    { retryable: false },
  );
}

/**
 * The generation that the conditions name, if they name one.
 *
 * @throws StoragePreconditionFailedError for an etag that no file here can have
 */
export function fixedGeneration(conditions: WriteConditions): string | undefined {
  const { ifNoneMatch, ifMatch } = conditions;
  if (ifNoneMatch !== undefined) return ABSENT;
  if (ifMatch === undefined || ifMatch === '*') return undefined;
  const generation = generationOf(ifMatch);
  if (generation === undefined || generation === ABSENT) throw conditionError(conditions);
  return generation;
}

async function firstGuess(bucket: GcsBucket, write: Commit): Promise<string> {
  if (write.guess === ABSENT && write.ifMatch === undefined) return ABSENT;
  return expectedOf(await findObject(bucket, write.key, write.signal), write);
}

/** @throws StoragePreconditionFailedError when something must be there and is not */
function expectedOf(current: GcsObject | undefined, conditions: WriteConditions): string {
  if (!current && conditions.ifMatch !== undefined) throw conditionError(conditions, true);
  return current?.generation ?? ABSENT;
}

/**
 * What was written, which is not what the answer is about when that comes late, on a connection that is used again.
 *
 * @throws StorageConnectionError that is not to be retried
 */
export async function ownObject(
  bucket: GcsBucket,
  key: string,
  token: string,
  answered: GcsObject,
): Promise<GcsObject> {
  const own = answered.writeToken === token ? answered : await findWritten(bucket, key, token);
  if (!own) throw unknownOutcome();
  return own;
}

/** The object under the key, if it is the one that was written. It never fails: not to know is not to have it. */
export async function findWritten(
  bucket: GcsBucket,
  key: string,
  token: string,
): Promise<GcsObject | undefined> {
  const looking = findObject(bucket, key, AbortSignal.timeout(CHECK_TIMEOUT));
  const current = await looking.catch(() => undefined);
  return current?.writeToken === token ? current : undefined;
}

/**
 * Takes an object away again whose bytes are not those that were sent, as long as it is still that one.
 *
 * @param stored by this very write
 * @param crc32c of the bytes; none where not all of them were sent
 * @throws StorageIntegrityError
 */
export async function assertStored(
  bucket: GcsBucket,
  stored: GcsObject,
  crc32c: string | undefined,
): Promise<void> {
  if (crc32c !== undefined && (stored.crc32c ?? crc32c) === crc32c) return;
  const signal = AbortSignal.timeout(CHECK_TIMEOUT);
  const removed = await deleteObject(bucket, stored.name, signal, stored.generation).catch(
    () => false,
  );
  throw new StorageIntegrityError(
    `The service stored other bytes than were sent${removed ? ', which were removed again' : ''}`,
  );
}

function tooManyWriters(): StorageRateLimitedError {
  return new StorageRateLimitedError(
    'Other writers kept replacing the file; write to it less often, or from one place',
  );
}
