import { jest } from '@jest/globals';
import {
  StorageAbortedError,
  StorageConnectionError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StorageRateLimitedError,
} from '../../lib/core/errors.js';
import { parseRetryOptions, retryDelay, withRetry } from '../../lib/core/retry.js';

const AT_ONCE = { baseDelay: 0 };

/** A call that fails so often, and then succeeds. */
function failing(times: number, error: () => Error = () => new StorageConnectionError()) {
  const attempts: number[] = [];
  return {
    attempts,
    call: async (attempt: number): Promise<string> => {
      attempts.push(attempt);
      if (attempts.length <= times) throw error();
      return 'done';
    },
  };
}

describe('withRetry', () => {
  it('calls once what succeeds', async () => {
    const { call, attempts } = failing(0);
    await expect(withRetry(call)).resolves.toBe('done');
    expect(attempts).toEqual([1]);
  });

  it('waits as long as the caller’s own function says that an error asks for', async () => {
    const delays: number[] = [];
    const { call } = failing(1, () => Object.assign(new Error('busy'), { seconds: 0.003 }));
    await withRetry(call, {
      ...AT_ONCE,
      shouldRetry: () => true,
      retryAfter: (error) => (error as { seconds: number }).seconds * 1000,
      onRetry: (_error, _attempt, delay) => delays.push(delay),
    });
    expect(delays).toEqual([3]);
  });

  it('repeats what may pass, three times by default', async () => {
    const { call, attempts } = failing(3);
    await expect(withRetry(call, AT_ONCE)).resolves.toBe('done');
    expect(attempts).toEqual([1, 2, 3, 4]);
    const worse = failing(4);
    await expect(withRetry(worse.call, AT_ONCE)).rejects.toThrow(StorageConnectionError);
    expect(worse.attempts).toHaveLength(4);
  });

  it('rejects with the last error, unchanged', async () => {
    const errors = [new StorageConnectionError('one'), new StorageConnectionError('two')];
    let attempt = 0;
    const call = async (): Promise<never> => {
      throw errors[attempt++]!;
    };
    await expect(withRetry(call, { ...AT_ONCE, maxRetries: 1 })).rejects.toBe(errors[1]);
  });

  it('does not repeat what cannot pass', async () => {
    const { call, attempts } = failing(1, () => new StorageFileNotFoundError());
    await expect(withRetry(call, AT_ONCE)).rejects.toThrow(StorageFileNotFoundError);
    expect(attempts).toHaveLength(1);
    const foreign = failing(1, () => new TypeError('a bug'));
    await expect(withRetry(foreign.call, AT_ONCE)).rejects.toThrow(TypeError);
    expect(foreign.attempts).toHaveLength(1);
  });

  it('repeats nothing with maxRetries 0', async () => {
    const { call, attempts } = failing(1);
    await expect(withRetry(call, { maxRetries: 0 })).rejects.toThrow(StorageConnectionError);
    expect(attempts).toHaveLength(1);
  });

  it('asks the caller what is worth another try', async () => {
    const { call, attempts } = failing(2, () => new TypeError('flaky'));
    const options = { ...AT_ONCE, shouldRetry: (error: unknown) => error instanceof TypeError };
    await expect(withRetry(call, options)).resolves.toBe('done');
    expect(attempts).toHaveLength(3);
  });

  it('tells of each wait: the error, the attempt that failed and the delay', async () => {
    const { call } = failing(2);
    const onRetry = jest.fn();
    await withRetry(call, { ...AT_ONCE, onRetry });
    expect(onRetry.mock.calls).toEqual([
      [expect.any(StorageConnectionError), 1, 0],
      [expect.any(StorageConnectionError), 2, 0],
    ]);
  });

  it('does not wait beyond totalTimeout', async () => {
    const { call, attempts } = failing(1);
    const options = { baseDelay: 5000, jitter: false, totalTimeout: 4999 };
    await expect(withRetry(call, options)).rejects.toThrow(StorageConnectionError);
    expect(attempts).toHaveLength(1);
  });

  it('ends with StorageAbortedError when it is aborted while it waits', async () => {
    const { call, attempts } = failing(9);
    const controller = new AbortController();
    const reason = new Error('enough');
    const promise = withRetry(call, {
      baseDelay: 60_000,
      jitter: false,
      signal: controller.signal,
      onRetry: () => controller.abort(reason),
    });
    await expect(promise).rejects.toThrow(StorageAbortedError);
    await expect(promise).rejects.toMatchObject({ cause: reason });
    expect(attempts).toHaveLength(1);
  });

  it('does not repeat what failed because it was aborted', async () => {
    const controller = new AbortController();
    const error = new StorageConnectionError();
    const call = async (): Promise<never> => {
      controller.abort();
      throw error;
    };
    await expect(withRetry(call, { signal: controller.signal })).rejects.toBe(error);
  });
});

describe('retryDelay', () => {
  const plain = parseRetryOptions({ baseDelay: 100, maxDelay: 1000, jitter: false });
  const jittered = parseRetryOptions({ baseDelay: 100, maxDelay: 1000 });

  it('grows exponentially up to its bound', () => {
    expect([1, 2, 3, 4, 5, 100].map((attempt) => retryDelay(attempt, plain))).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ]);
  });

  it('takes the factor that is given', () => {
    const steady = { ...plain, exponentialBase: 1 };
    expect([1, 5].map((attempt) => retryDelay(attempt, steady))).toEqual([100, 100]);
  });

  it('is drawn between 0 and that with jitter', () => {
    const random = jest.spyOn(Math, 'random');
    try {
      for (const drawn of [0, 0.5, 0.999]) {
        random.mockReturnValue(drawn);
        expect(retryDelay(3, jittered)).toBeCloseTo(400 * drawn);
        expect(retryDelay(50, jittered)).toBeCloseTo(1000 * drawn);
      }
    } finally {
      random.mockRestore();
    }
  });

  it('is never shorter than the backend asked for', () => {
    expect(retryDelay(1, plain, 3000)).toBe(3000);
    expect(retryDelay(4, plain, 3)).toBe(800);
  });

  it('is no longer than a timer can run', () => {
    const endless = parseRetryOptions({ maxDelay: Infinity, jitter: false });
    expect(retryDelay(100, endless)).toBe(2 ** 31 - 1);
  });

  it('is longer than anybody waits where the backend asks for more than a minute and maxDelay', () => {
    const patient = { ...plain, maxDelay: 300_000 };
    expect([60_000, 60_001].map((asked) => retryDelay(1, plain, asked))).toEqual([
      60_000,
      Infinity,
    ]);
    expect(retryDelay(1, patient, 300_000)).toBe(300_000);
    expect(retryDelay(1, patient, Infinity)).toBe(Infinity);
  });

  it('ends the call at once then, with the error that says how long', async () => {
    const error = new StorageRateLimitedError('slow', { retryAfter: 365 * 24 * 60 * 60_000 });
    const { call, attempts } = failing(1, () => error);
    await expect(withRetry(call)).rejects.toBe(error);
    expect(attempts).toEqual([1]);
  });

  it('takes what the backend asked for from the error', async () => {
    const { call } = failing(1, () => new StorageRateLimitedError('slow', { retryAfter: 7 }));
    const onRetry = jest.fn();
    await withRetry(call, { ...AT_ONCE, onRetry });
    expect(onRetry).toHaveBeenCalledWith(expect.anything(), 1, 7);
  });
});

describe('parseRetryOptions', () => {
  it('has the defaults of the documentation', () => {
    expect(parseRetryOptions()).toEqual({
      maxRetries: 3,
      baseDelay: 1000,
      maxDelay: 60_000,
      exponentialBase: 2,
      jitter: true,
      totalTimeout: Infinity,
    });
  });

  it.each([
    { maxRetries: -1 },
    { baseDelay: Number.NaN },
    { maxDelay: '5s' },
    { exponentialBase: 0.5 },
    { totalTimeout: -1 },
  ])('refuses %j by its name', (options) => {
    const parse = (): unknown => parseRetryOptions(options as { maxRetries: number });
    expect(parse).toThrow(StorageInvalidArgumentError);
    expect(parse).toThrow(`retry.${Object.keys(options)[0]}`);
  });
});
