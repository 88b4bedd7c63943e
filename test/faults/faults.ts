import type { StorageErrorCode } from '../../lib/core/errors.js';
import {
  errorAnswer,
  type ProxyFaultEffect,
  type ServiceDialect,
} from '../../lib/testing/fault-proxy/index.js';

export interface TriedFault {
  readonly name: string;
  readonly effect: (dialect: ServiceDialect) => ProxyFaultEffect;
  /** What a call may end with that does not succeed. */
  readonly codes: readonly StorageErrorCode[];
  /** What `retryable` says then. */
  readonly retryable: boolean;
  /** What is so stays so: it is not tried to strike one request and no other. */
  readonly isFinal?: true;
  /** Of other words than the service's, some are taken for a wrong address, which no other attempt will set right. */
  readonly isStrange?: true;
  /** Nothing is said any more, and nothing ends: what only a timeout tells of. */
  readonly isSilent?: true;
  /** Strikes the body of an answer. */
  readonly breaksBodies?: true;
  /** The service does what was asked, so that a second attempt finds it done. */
  readonly isDone?: true;
  /** Somebody else makes the second attempt, of which the client knows nothing. */
  readonly isRepeated?: true;
}

const BROKEN = { codes: ['CONNECTION_FAILED', 'TIMEOUT'], retryable: true } as const;
const BUSY = { codes: ['CONNECTION_FAILED', 'RATE_LIMITED'], retryable: true } as const;

const BODY = { isDone: true, breaksBodies: true } as const;

export const FAULTS: readonly TriedFault[] = [
  { name: 'refuse', effect: () => 'refuse', ...BROKEN, isFinal: true },
  { name: 'reset', effect: () => 'reset', ...BROKEN },
  { name: 'reset in request', effect: () => ({ resetRequestAt: 1000 }), ...BROKEN },
  { name: 'reset in answer', effect: () => ({ resetAnswerAt: 10 }), ...BROKEN, ...BODY },
  { name: 'truncate', effect: () => ({ truncateAnswerAt: 10 }), ...BROKEN, ...BODY },
  { name: 'stall', effect: () => 'stall', ...BROKEN, isSilent: true },
  {
    name: 'stall in answer',
    effect: () => ({ stallAnswerAt: 10 }),
    ...BROKEN,
    ...BODY,
    isSilent: true,
  },
  { name: 'slow', effect: () => ({ bytesPerSecond: 20 * 1024 ** 2 }), ...BROKEN, isDone: true },
  { name: 'lose answer', effect: () => 'lose-answer', ...BROKEN, isDone: true },
  {
    name: 'keep answer',
    effect: () => 'keep-answer',
    ...BROKEN,
    isDone: true,
    isSilent: true,
  },
  {
    name: 'forward twice',
    effect: () => 'forward-twice',
    ...BROKEN,
    isDone: true,
    isRepeated: true,
  },
  { name: 'answer twice', effect: () => 'answer-twice', ...BROKEN, isDone: true },
  { name: '500', effect: (dialect) => errorAnswer(dialect, 'internal-error'), ...BUSY },
  {
    name: '503, Retry-After',
    effect: (dialect) => errorAnswer(dialect, 'unavailable', { retryAfter: 1 }),
    ...BUSY,
  },
  { name: 'slow down', effect: (dialect) => errorAnswer(dialect, 'slow-down'), ...BUSY },
  {
    name: '200 with error',
    effect: (dialect) => errorAnswer(dialect, 'ok-with-error'),
    codes: ['CONNECTION_FAILED'],
    retryable: true,
    isStrange: true,
  },
  {
    name: 'expired token',
    effect: (dialect) => errorAnswer(dialect, 'expired-token'),
    codes: ['PERMISSION_DENIED'],
    retryable: false,
    isFinal: true,
  },
];
