import { getEventListeners } from 'node:events';
import { jest } from '@jest/globals';
import {
  StorageAbortedError,
  StorageClosedError,
  StorageConnectionError,
  StorageError,
  StorageFileNotFoundError,
  StorageTimeoutError,
} from '../../lib/core/errors.js';
import { Operations } from '../../lib/core/operations.js';
import { parseRetryOptions } from '../../lib/core/retry.js';

function operations(
  settings: { timeout?: number; totalTimeout?: number; retries?: boolean } = {},
): Operations {
  const retry = parseRetryOptions({ baseDelay: 0, maxRetries: 1 });
  return new Operations({
    storage: 'uploads',
    driver: 'fake',
    timeout: settings.timeout,
    totalTimeout: settings.totalTimeout,
    retry: () => (settings.retries ? undefined : retry),
  });
}

/** Whether a promise is settled when everything that is due has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.finally(() => (settled = true)).catch(() => {});
  await jest.advanceTimersByTimeAsync(0);
  return settled;
}

describe('Operations', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    const left = jest.getTimerCount();
    jest.useRealTimers();
    if (left > 0) throw new Error(`${left} timers were left behind`);
  });

  it('starts no call with a signal that is aborted', () => {
    const reason = new Error('no');
    expect(() => operations().begin('get', 'a', AbortSignal.abort(reason))).toThrow(
      expect.objectContaining({ code: 'ABORTED', cause: reason, operation: 'get', key: 'a' }),
    );
  });

  it('warns of no leak when many calls share one signal', () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const { signal } = new AbortController();
    const all = operations();
    const calls = Array.from({ length: 20 }, () => all.begin('get', 'a', signal));
    for (const call of calls) call.end();
    expect(warned).not.toHaveBeenCalled();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    warned.mockRestore();
  });

  it('starts no call after close()', async () => {
    const all = operations();
    await all.close(1000);
    expect(() => all.begin('get', 'a', undefined)).toThrow(StorageClosedError);
  });

  it('waits at close() for the calls under way', async () => {
    const all = operations();
    const one = all.begin('get', 'a', undefined);
    const two = all.begin('put', 'b', undefined);
    const closed = all.close(1000);
    one.end();
    expect(await isSettled(closed)).toBe(false);
    two.end();
    await closed;
    expect(one.signal.aborted).toBe(false);
  });

  it('aborts at close() what takes longer, and waits for its end', async () => {
    const all = operations();
    const operation = all.begin('get', 'a', undefined);
    const closed = all.close(1000);
    await jest.advanceTimersByTimeAsync(999);
    expect(operation.signal.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    expect(operation.signal.reason).toBeInstanceOf(StorageAbortedError);
    expect(await isSettled(closed)).toBe(false);
    operation.end();
    await closed;
  });

  it('aborts the reads and writes of bodies, and leaves the other calls to their end', () => {
    const all = operations();
    const names = ['get', 'put', 'stage', 'info', 'delete', 'uploadPart'];
    const calls = names.map((name) => [name, all.begin(name, 'a', undefined)] as const);
    all.abortTransfers();
    const aborted = calls.filter(([, call]) => call.signal.aborted).map(([name]) => name);
    expect(aborted).toEqual(['get', 'put', 'stage']);
    const later = all.begin('put', 'b', undefined);
    expect(later.signal.aborted).toBe(false);
    later.end();
    for (const [, call] of calls) call.end();
  });

  it('does not wait at close() for a caller that has the turn', async () => {
    const all = operations();
    const operation = all.begin('list', undefined, undefined);
    operation.pause();
    const closed = all.close(1000);
    await jest.advanceTimersByTimeAsync(1000);
    await closed;
    expect(() => operation.resume()).toThrow(StorageAbortedError);
  });

  it('waits at the end as long as a timer can, for whatever is longer', async () => {
    for (const timeout of [Infinity, 2 ** 31]) {
      const all = operations();
      const operation = all.begin('put', 'a', undefined);
      const closed = all.close(timeout);
      await jest.advanceTimersByTimeAsync(1000);
      expect(operation.signal.aborted).toBe(false);
      operation.end();
      await closed;
    }
  });

  it('listens to the signal of the caller until it ends', () => {
    const controller = new AbortController();
    const operation = operations().begin('get', 'a', controller.signal);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    operation.end();
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    expect(operation.signal.aborted).toBe(false);
  });

  it('gives the reason of the caller as the cause', () => {
    const controller = new AbortController();
    const operation = operations().begin('get', 'a', controller.signal);
    const reason = new Error('enough');
    controller.abort(reason);
    const failure = operation.failure(new Error('whatever came of it'));
    expect(failure).toBeInstanceOf(StorageAbortedError);
    expect(failure).toMatchObject({ cause: reason, storage: 'uploads', key: 'a' });
    operation.end();
  });

  it('gives up when nothing moves for as long as the timeout', () => {
    const operation = operations({ timeout: 1000 }).begin('put', 'a', undefined);
    jest.advanceTimersByTime(999);
    expect(operation.signal.aborted).toBe(false);
    jest.advanceTimersByTime(1);
    expect(operation.signal.reason).toBeInstanceOf(StorageTimeoutError);
    expect(operation.failure(new Error('a'))).toMatchObject({ code: 'TIMEOUT', retryable: true });
    operation.end();
  });

  it('gives a call that moves all the time it needs', () => {
    const operation = operations({ timeout: 1000 }).begin('put', 'a', undefined);
    for (let step = 0; step < 20; step++) {
      jest.advanceTimersByTime(900);
      operation.sourceWaits(true);
    }
    expect(operation.signal.aborted).toBe(false);
    operation.end();
  });

  it('has no deadline while the caller has the turn, and one again after that', () => {
    const operation = operations({ timeout: 1000 }).begin('list', undefined, undefined);
    operation.pause();
    jest.advanceTimersByTime(100_000);
    expect(operation.signal.aborted).toBe(false);
    operation.resume();
    jest.advanceTimersByTime(1000);
    expect(operation.signal.aborted).toBe(true);
    operation.end();
  });

  it('takes no longer than the total timeout, whoever has the turn', () => {
    const operation = operations({ totalTimeout: 5000, retries: true }).begin(
      'list',
      'a',
      undefined,
    );
    operation.driverStarts();
    jest.advanceTimersByTime(3000);
    operation.pause();
    jest.advanceTimersByTime(1999);
    expect(operation.signal.aborted).toBe(false);
    jest.advanceTimersByTime(1);
    expect(operation.signal.reason).toBeInstanceOf(StorageTimeoutError);
  });

  it('leaves the deadline to a driver that has its own', () => {
    const operation = operations({ timeout: 1000, retries: true }).begin('get', 'a', undefined);
    operation.driverStarts();
    jest.advanceTimersByTime(100_000);
    expect(operation.signal.aborted).toBe(false);
    operation.end();
  });

  it('starts no deadline again when it has ended', () => {
    const operation = operations({ timeout: 1000 }).begin('get', 'a', undefined);
    operation.suspendDeadline();
    operation.end();
    operation.sourceWaits(true);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('repeats a call, unless the driver does that', async () => {
    jest.useRealTimers();
    for (const [retries, calls] of [
      [false, 2],
      [true, 1],
    ] as const) {
      const operation = operations({ retries }).begin('get', 'a', undefined);
      const call = jest.fn(async () => Promise.reject(new StorageConnectionError()));
      await expect(operation.repeat(call)).rejects.toThrow(StorageConnectionError);
      expect(call).toHaveBeenCalledTimes(calls);
      operation.end();
    }
    jest.useFakeTimers();
  });

  it('makes a StorageError of whatever is thrown', () => {
    const operation = operations().begin('get', 'a', undefined);
    const thrown = new TypeError('a bug');
    const failure = operation.failure(thrown);
    expect(failure).toBeInstanceOf(StorageError);
    expect(failure).toMatchObject({ code: 'UNKNOWN', cause: thrown, operation: 'get' });
    expect(failure.message).toBe('a bug (get "a", storage "uploads")');
    expect(operation.failure('text').message).toContain('text');
    const own = new StorageFileNotFoundError();
    expect(operation.failure(own)).toBe(own);
    operation.end();
  });
});
