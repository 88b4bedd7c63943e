import { jest } from '@jest/globals';
import { type HttpException, Logger } from '@nestjs/common';
import { setImmediate } from 'node:timers/promises';
import { UploadTransaction } from '../../lib/uploads/upload-transaction.js';
import type { UploadedFileInfo, WrittenUpload } from '../../lib/uploads/written-upload.js';

let logged: unknown[][];
beforeEach(() => {
  logged = [];
  jest.spyOn(Logger.prototype, 'error').mockImplementation((...given) => void logged.push(given));
});
afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

test('answers wait for a removal that hangs once, however many of them there are', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  const transaction = new UploadTransaction();
  transaction.write(() => new Promise(() => {})).catch(() => {});
  const first = transaction.rollbackSoon();
  await jest.advanceTimersByTimeAsync(1000);
  await first;
  const second = transaction.rollbackSoon().then(() => 'at once');
  expect(await Promise.race([second, setImmediate('later')])).toBe('at once');
});

/** A transaction of one file that is to be published, and the signal that its publication gets. */
async function staged(publish: () => Promise<void> = async () => {}) {
  const transaction = new UploadTransaction();
  const signals: AbortSignal[] = [];
  await transaction.write(async () => ({
    info: { key: 'a.txt', storage: 'uploads' } as UploadedFileInfo,
    publication: 'replacing',
    publish(options) {
      signals.push(options!.signal!);
      return publish();
    },
    async remove() {},
  }));
  transaction.received();
  return { transaction, signals };
}

test('a publication in time is over: neither its timeout nor a shutdown ends it afterwards', async () => {
  jest.useFakeTimers();
  const { transaction, signals } = await staged();
  await transaction.commitWithin(1000);
  expect(jest.getTimerCount()).toBe(0);
  transaction.interrupt();
  expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
});

test('a publication that is awaited is ended by its timeout, and by a shutdown with a reason of its own', async () => {
  jest.useFakeTimers();
  for (const [code, end] of [
    ['UPLOAD_TIMEOUT', async () => {}],
    ['CLOSED', async (transaction: UploadTransaction) => transaction.interrupt()],
  ] as const) {
    const { transaction, signals } = await staged(() => new Promise(() => {}));
    const answer = transaction.commitWithin(1000).catch((error: unknown) => error);
    await end(transaction);
    await jest.advanceTimersByTimeAsync(2000);
    expect(((await answer) as HttpException).getResponse()).toMatchObject({ code });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  }
});

test('one file that is staged among others is enough to be published before the answer', async () => {
  const { transaction } = await staged();
  await transaction.write(async () => ({
    info: { key: 'b.txt', storage: 'uploads' } as UploadedFileInfo,
    publication: 'done',
    async publish() {},
    async remove() {},
  }));
  expect(transaction.isStaged).toBe(true);
});

/** A file that notes what becomes of it. */
function fileOf(
  key: string,
  events: string[],
  more: Partial<WrittenUpload> = {},
): () => Promise<WrittenUpload> {
  return async () => ({
    info: { key, storage: 'uploads' } as UploadedFileInfo,
    publication: 'adding',
    publish: async () => void events.push(`publish ${key}`),
    remove: async () => void events.push(`remove ${key}`),
    ...more,
  });
}

describe('the files of a transaction', () => {
  test('are told in the order in which they came, whichever was written first', async () => {
    const transaction = new UploadTransaction();
    let write: (written: WrittenUpload) => void = () => {};
    const slow = new Promise<WrittenUpload>((resolve) => (write = resolve));
    const first = transaction.write(() => slow);
    await transaction.write(fileOf('b', []));
    expect(transaction.uploads.map(({ key }) => key)).toEqual(['b']);
    write(await fileOf('a', [])());
    await first;
    expect(transaction.uploads.map(({ key }) => key)).toEqual(['a', 'b']);
  });

  test('are waited for, and none of them after a rollback', async () => {
    const transaction = new UploadTransaction();
    await transaction.written();
    transaction.write(() => new Promise(() => {})).catch(() => {});
    const written = transaction.written().catch((error: unknown) => error);
    const reason = new Error('enough');
    void transaction.rollback(reason);
    expect(await written).toBe(reason);
  });

  test('are published once, those that take nothing away first', async () => {
    const events: string[] = [];
    const transaction = new UploadTransaction();
    await transaction.write(fileOf('a', events, { publication: 'replacing' }));
    await transaction.write(fileOf('b', events, { publication: 'done' }));
    await transaction.write(fileOf('c', events));
    await Promise.all([transaction.commit(), transaction.commit()]);
    expect(events).toEqual(['publish c', 'publish a']);
  });

  test('that nothing has to be done for are not staged', async () => {
    const transaction = new UploadTransaction();
    expect(transaction.isStaged).toBe(false);
    await transaction.write(fileOf('a', [], { publication: 'done' }));
    expect(transaction.isStaged).toBe(false);
  });

  test('are removed once, and none of them is published afterwards', async () => {
    const events: string[] = [];
    const transaction = new UploadTransaction();
    await transaction.write(fileOf('a', events));
    await Promise.all([transaction.rollback(), transaction.rollback()]);
    await transaction.commit();
    await transaction.settled;
    expect(events).toEqual(['remove a']);
    expect(transaction.signal.reason).toMatchObject({
      code: 'ABORTED',
      message: 'The request failed',
    });
  });

  test('that are written after a rollback are removed at once', async () => {
    const events: string[] = [];
    const transaction = new UploadTransaction();
    const reason = new Error('enough');
    void transaction.rollback(reason);
    await expect(transaction.write(fileOf('a', events))).rejects.toBe(reason);
    expect(events).toEqual(['remove a']);
    expect(transaction.uploads).toEqual([]);
  });

  test('are told of in the log when they cannot be removed, or not be kept', async () => {
    const failure = new Error('down');
    const fails = (): Promise<void> => Promise.reject(failure);
    const transaction = new UploadTransaction();
    await transaction.write(fileOf('a "b"', [], { remove: fails }));
    await transaction.write(fileOf('kept', [], { publish: fails }));
    transaction.uploads[1]!.keep();
    expect(transaction.hasLost).toBe(false);
    await transaction.rollback();
    expect(transaction.hasLost).toBe(true);
    expect(logged).toEqual([
      [
        'An upload that was to be removed is still in the storage "uploads", under "a \\"b\\""',
        failure,
      ],
      [
        'An upload that was to be kept is not in the storage "uploads", under "kept"; its bytes are staged until sweepStaged() removes them',
        failure,
      ],
    ]);
  });
});

describe('what is kept in any case', () => {
  test.each([
    ['all', (transaction: UploadTransaction) => transaction.keepAll(), true, ['a', 'b']],
    [
      'each',
      ({ uploads }: UploadTransaction) => uploads.forEach((upload) => upload.keep()),
      true,
      ['a', 'b'],
    ],
    ['one', ({ uploads }: UploadTransaction) => uploads[1]!.keep(), false, ['b']],
    ['none', () => {}, false, []],
  ])('is %s of the files', async (_, keep, isEverything, kept) => {
    const events: string[] = [];
    const transaction = new UploadTransaction();
    expect(transaction.keepsEverything).toBe(false);
    for (const key of ['a', 'b']) await transaction.write(fileOf(key, events));
    keep(transaction);
    expect(transaction.keepsEverything).toBe(isEverything);
    await transaction.rollback();
    expect(transaction.hasLost).toBe(false);
    const published = events.filter((event) => event.startsWith('publish'));
    expect(published).toEqual(kept.map((key) => `publish ${key}`));
    expect(events).toHaveLength(2);
  });

  test('is nothing that there is not', () => {
    const transaction = new UploadTransaction();
    transaction.keepAll();
    expect(transaction.keepsEverything).toBe(false);
  });

  test('may be asked for twice, and no more when the request has failed', async () => {
    const transaction = new UploadTransaction();
    for (const key of ['a', 'b']) await transaction.write(fileOf(key, []));
    const [kept, late] = transaction.uploads;
    kept!.keep();
    await transaction.rollback();
    expect(() => kept!.keep()).not.toThrow();
    expect(() => late!.keep()).toThrow(
      'The upload cannot be kept: its request has failed already, as when the client has gone, and it was removed',
    );
  });
});

describe('a rollback while files are published', () => {
  /** Publishes `a` when it is released, and the others after it. */
  async function publishing(publication: WrittenUpload['publication'], last?: Error) {
    const events: string[] = [];
    const transaction = new UploadTransaction();
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await transaction.write(
      fileOf('a', events, {
        publication,
        async publish() {
          await released;
          events.push('publish a');
        },
      }),
    );
    await transaction.write(
      fileOf('b', events, {
        publication,
        ...(last && { publish: () => Promise.reject(last) }),
      }),
    );
    return { transaction, events, release };
  }

  test('stops behind the one that is under way, where nothing was taken away', async () => {
    const { transaction, events, release } = await publishing('adding');
    const commit = transaction.commit();
    const rollback = transaction.rollback();
    release();
    await Promise.all([commit, rollback]);
    expect(events).toEqual(['remove a', 'remove b', 'publish a']);
  });

  test('waits for the rest once a file takes the place of another', async () => {
    const { transaction, events, release } = await publishing('replacing');
    const commit = transaction.commit();
    const rollback = transaction.rollback();
    release();
    await Promise.all([commit, rollback]);
    expect(events).toEqual(['publish a', 'publish b', 'remove a', 'remove b']);
    expect(logged).toEqual([]);
  });

  test('tells of those that have taken a place when the rest fails, but for what was to be kept', async () => {
    for (const isKept of [false, true]) {
      const { transaction, release } = await publishing('replacing', new Error('down'));
      if (isKept) transaction.uploads[0]!.keep();
      const commit = transaction.commit().catch(() => {});
      const rollback = transaction.rollback();
      release();
      await Promise.all([commit, rollback]);
      expect(logged).toEqual(
        isKept
          ? []
          : [
              [
                'An upload of a request that failed has replaced what was in the storage "uploads", under "a", and stays there: another upload of the request could not be published',
              ],
            ],
      );
      logged.length = 0;
    }
  });
});

describe('a publication that is awaited', () => {
  test('fails as it does by itself', async () => {
    const failure = new Error('down');
    const { transaction } = await staged(() => Promise.reject(failure));
    await expect(transaction.commitWithin(1000)).rejects.toBe(failure);
    expect(logged).toEqual([]);
  });

  test('is told of in the log when it takes place after the answer', async () => {
    jest.useFakeTimers();
    let publish = (): void => {};
    const { transaction } = await staged(() => new Promise((resolve) => (publish = resolve)));
    const answer = transaction.commitWithin(1000).catch(({ message }: Error) => message);
    await jest.advanceTimersByTimeAsync(2000);
    expect(await answer).toBe('The upload took longer than 1000 ms');
    publish();
    await jest.advanceTimersByTimeAsync(0);
    expect(logged).toEqual([
      ['Uploads were published after their request had been answered with a failure'],
    ]);
  });

  test('is good when it takes place as it is ended', async () => {
    jest.useFakeTimers();
    let publish = (): void => {};
    const { transaction, signals } = await staged(
      () => new Promise((resolve) => (publish = resolve)),
    );
    const answer = transaction.commitWithin(1000);
    await jest.advanceTimersByTimeAsync(1000);
    expect(signals[0]!.aborted).toBe(true);
    publish();
    await answer;
    expect(logged).toEqual([]);
  });

  test('has a second when the shutdown has come before it', async () => {
    jest.useFakeTimers();
    const { transaction, signals } = await staged(() => new Promise(() => {}));
    transaction.interrupt();
    const answer = transaction.commitWithin(undefined).catch(({ message }: Error) => message);
    await jest.advanceTimersByTimeAsync(999);
    expect(signals[0]!.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    expect(signals[0]!.aborted).toBe(true);
    await jest.advanceTimersByTimeAsync(1000);
    expect(await answer).toBe('The server is shutting down');
  });

  test('has no end without a limit', async () => {
    jest.useFakeTimers();
    const { transaction } = await staged(() => new Promise(() => {}));
    transaction.commitWithin(undefined).catch(() => {});
    expect(jest.getTimerCount()).toBe(0);
  });
});

test('a shutdown ends a form that is received, and nothing that is handled', async () => {
  const receiving = new UploadTransaction();
  receiving.interrupt();
  expect(receiving.signal.reason).toMatchObject({ message: 'The server is shutting down' });
  const { transaction } = await staged();
  transaction.interrupt();
  expect(transaction.signal.aborted).toBe(false);
});

test('what was published stays when nothing more happens', async () => {
  const events: string[] = [];
  const transaction = new UploadTransaction();
  await transaction.write(fileOf('a', events));
  await transaction.commit();
  transaction.settle();
  await transaction.settled;
  expect(events).toEqual(['publish a']);
});
