import { jest } from '@jest/globals';
import type { HttpException } from '@nestjs/common';
import { setImmediate } from 'node:timers/promises';
import { UploadTransaction } from '../../lib/uploads/upload-transaction.js';
import type { UploadedFileInfo } from '../../lib/uploads/written-upload.js';

afterEach(() => jest.useRealTimers());

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
