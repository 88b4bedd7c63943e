import { jest } from '@jest/globals';
import { BadRequestException, type HttpException, Logger } from '@nestjs/common';
import { getEventListeners } from 'node:events';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { ScanInspection, type UploadScan } from '../../lib/uploads/upload-scan.js';

const file = { fieldname: 'photo', originalname: 'a.png' } as never;

test('a scanner that was waited for many times leaves nothing on its stream, nor on the signal', async () => {
  const { signal } = new AbortController();
  let given!: Readable;
  const inspection = new ScanInspection(
    async (stream) => {
      given = stream;
      for await (const _ of stream);
    },
    file,
    { request: {}, timeout: 60_000, signal },
  );
  await inspection.see(Buffer.alloc(100_000));
  const listeners = (): number[] => ['drain', 'close'].map((name) => given.listenerCount(name));
  const once = listeners();
  for (let chunk = 0; chunk < 20; chunk++) await inspection.see(Buffer.alloc(100_000));
  expect(listeners()).toEqual(once);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  await inspection.decide();
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

describe('what a scanner says', () => {
  let logged: unknown[][];
  beforeEach(() => {
    logged = [];
    jest.spyOn(Logger.prototype, 'error').mockImplementation((...given) => void logged.push(given));
  });
  afterEach(() => jest.restoreAllMocks());

  const { signal } = new AbortController();
  const inspect = (scan: UploadScan, more: object = {}) =>
    new ScanInspection(scan, file, { request: {}, timeout: 60_000, signal, ...more });

  async function outcomeOf(inspection: ScanInspection): Promise<unknown> {
    try {
      await inspection.decide();
      return undefined;
    } catch (error) {
      return error;
    }
  }

  test.each([undefined, null])('is nothing against the file: %s', async (verdict) => {
    expect(await outcomeOf(inspect(() => verdict as undefined))).toBeUndefined();
    expect(logged).toEqual([]);
  });

  test('is a verdict', async () => {
    const error = await outcomeOf(inspect(() => ({ rejected: 'EICAR' })));
    expect((error as HttpException).getResponse()).toMatchObject({
      code: 'FILE_REJECTED',
      reason: 'EICAR',
      field: 'photo',
    });
  });

  test.each([true, {}, { rejected: 5 }])('is no verdict: %j', async (verdict) => {
    const error = await outcomeOf(inspect(() => verdict as never));
    expect(error).toMatchObject({
      response: { code: 'SCAN_FAILED', field: 'photo' },
      cause: new TypeError('A scanner resolves with nothing, or with { rejected: "…" }'),
    });
    expect(logged).toEqual([['A file could not be examined', (error as Error).cause]]);
  });

  test('is an answer of its own, which is not logged', async () => {
    const answer = new BadRequestException('mine');
    const fails = (): never => {
      throw answer;
    };
    expect(await outcomeOf(inspect(fails))).toBe(answer);
    expect(logged).toEqual([]);
  });

  test('is known before the end of the file', async () => {
    const inspection = inspect(() => ({ rejected: 'EICAR' }));
    await setImmediate();
    await expect(inspection.see(Buffer.from('a'))).rejects.toMatchObject({
      response: { code: 'FILE_REJECTED' },
    });
  });

  test('is told as soon as it is known, unless the upload has ended', async () => {
    const told: unknown[] = [];
    const onRefusal = (refusal: Error): void => void told.push(refusal);
    const refuses = (): { rejected: string } => ({ rejected: 'EICAR' });
    inspect(refuses, { onRefusal });
    await setImmediate();
    expect(told).toMatchObject([{ response: { code: 'FILE_REJECTED' } }]);
    inspect(() => {}, { onRefusal });
    inspect(() => new Promise(() => {}), { onRefusal }).abandon();
    await setImmediate();
    expect(told).toHaveLength(1);
  });

  test('comes too late', async () => {
    const inspection = inspect(() => new Promise(() => {}), { timeout: 5 });
    expect(await outcomeOf(inspection)).toMatchObject({
      response: { code: 'SCAN_FAILED' },
      cause: new Error('The scanner held the upload up for more than 5 ms'),
    });
  });

  test('does not matter any more when the upload has ended', async () => {
    let reason: unknown;
    const inspection = inspect(
      (_stream, _file, context) =>
        new Promise((_resolve, reject) =>
          context.signal.addEventListener('abort', () => {
            ({ reason } = context.signal);
            reject(new Error('given up'));
          }),
        ),
    );
    inspection.abandon();
    await outcomeOf(inspection);
    expect(reason).toEqual(new Error('The upload has ended'));
    expect(logged).toEqual([]);
  });

  test.each(['before', 'while'])(
    'gives way to the end of the upload %s it begins',
    async (when) => {
      const abort = new AbortController();
      const reason = new Error('enough');
      if (when === 'before') abort.abort(reason);
      const inspection = inspect(() => new Promise(() => {}), { signal: abort.signal });
      abort.abort(reason);
      expect(await outcomeOf(inspection)).toBe(reason);
      expect(logged).toEqual([]);
    },
  );

  test('may be that it leaves the stream, which holds nothing up', async () => {
    const inspection = inspect(async (stream) => {
      stream.destroy(new Error('seen enough'));
      await setImmediate();
    });
    for (let chunk = 0; chunk < 5; chunk++) await inspection.see(Buffer.alloc(100_000));
    expect(await outcomeOf(inspection)).toBeUndefined();
  });
});
