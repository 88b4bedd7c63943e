import { jest } from '@jest/globals';
import { HttpException } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { UploadProgress, type UploadStatus } from '../../lib/uploads/upload-progress.js';

const MINUTE = 60_000;
const idOf = (number: number): string => `upload-${String(number).padStart(20, '0')}`;
const requestOf = (id: string): IncomingMessage =>
  ({ headers: { 'x-upload-id': id } }) as unknown as IncomingMessage;

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

/** What a watcher was told, and whether it was told that there is no more. */
function watch(uploads: UploadProgress, id: string): { statuses: UploadStatus[]; isOver: boolean } {
  const seen = { statuses: [] as UploadStatus[], isOver: false };
  uploads.progressOf(id).subscribe({
    next: (status) => seen.statuses.push(status),
    complete: () => (seen.isOver = true),
  });
  return seen;
}

test('an upload that does not begin is waited for one minute', () => {
  const uploads = new UploadProgress();
  const seen = watch(uploads, idOf(1));
  jest.advanceTimersByTime(MINUTE - 1);
  expect(seen.isOver).toBe(false);
  jest.advanceTimersByTime(1);
  expect(seen).toEqual({ statuses: [], isOver: true });
  expect(jest.getTimerCount()).toBe(0);
});

test('an upload under way is not forgotten, however long it takes, and remembered for a minute', () => {
  const uploads = new UploadProgress();
  const tracking = uploads.track(requestOf(idOf(1)))!;
  jest.advanceTimersByTime(100 * MINUTE);
  tracking.received(10);
  tracking.stored();
  jest.advanceTimersByTime(MINUTE - 1);
  expect(watch(uploads, idOf(1)).statuses).toEqual([{ state: 'stored', bytesReceived: 10 }]);
  jest.advanceTimersByTime(1);
  expect(watch(uploads, idOf(1)).statuses).toEqual([]);
});

test('it is reported ten times a second at most', () => {
  const uploads = new UploadProgress();
  const seen = watch(uploads, idOf(1));
  const tracking = uploads.track(requestOf(idOf(1)))!;
  for (let index = 0; index < 1000; index++) {
    tracking.received(1);
    jest.advanceTimersByTime(1);
  }
  tracking.stored();
  expect(seen.statuses.length).toBeGreaterThanOrEqual(10);
  expect(seen.statuses.length).toBeLessThanOrEqual(12);
  expect(seen.statuses.at(-1)).toEqual({ state: 'stored', bytesReceived: 1000 });
});

test('what came first is the end', () => {
  const uploads = new UploadProgress();
  const seen = watch(uploads, idOf(1));
  const tracking = uploads.track(requestOf(idOf(1)))!;
  tracking.failed(new Error('internal'));
  tracking.stored();
  tracking.received(10);
  expect(seen.statuses.at(-1)).toEqual({ state: 'failed', bytesReceived: 0 });
  expect(seen.isOver).toBe(true);
});

test('ten thousand uploads are remembered at most; the oldest that is not under way makes room', () => {
  const uploads = new UploadProgress();
  const underWay = uploads.track(requestOf(idOf(0)))!;
  const oldest = watch(uploads, idOf(1));
  for (let index = 2; index < 10_000; index++) watch(uploads, idOf(index));
  expect(oldest.isOver).toBe(false);
  watch(uploads, idOf(10_000));
  expect(oldest.isOver).toBe(true);
  underWay.stored();
  expect(watch(uploads, idOf(0)).statuses).toEqual([{ state: 'stored', bytesReceived: 0 }]);
});

test('when all are under way, another one is not followed', () => {
  const uploads = new UploadProgress();
  for (let index = 0; index < 10_000; index++) uploads.track(requestOf(idOf(index)));
  expect(uploads.track(requestOf(idOf(10_000)))).toBeUndefined();
  expect(watch(uploads, idOf(10_001))).toEqual({ statuses: [], isOver: true });
});

test('the whole size is told where it was announced', () => {
  const uploads = new UploadProgress();
  const seen = watch(uploads, idOf(1));
  const { headers } = requestOf(idOf(1));
  uploads.track({ headers: { ...headers, 'content-length': '500' } } as IncomingMessage)!.stored();
  expect(seen.statuses).toEqual([
    { state: 'receiving', bytesReceived: 0, totalBytes: 500 },
    { state: 'stored', bytesReceived: 0, totalBytes: 500 },
  ]);
});

test.each([
  [new HttpException({ code: 'FILE_REJECTED' }, 422), 'FILE_REJECTED'],
  [new HttpException({ code: 5 }, 422), undefined],
  [new HttpException('words', 422), undefined],
  [new HttpException(null as never, 422), undefined],
  [Object.assign(new Error('internal'), { code: 'ECONNRESET' }), undefined],
  [undefined, undefined],
])('it fails with %s, which has the code %s', (error, code) => {
  const uploads = new UploadProgress();
  const seen = watch(uploads, idOf(1));
  uploads.track(requestOf(idOf(1)))!.failed(error);
  expect(seen.statuses.at(-1)).toStrictEqual({
    state: 'failed',
    bytesReceived: 0,
    ...(code !== undefined && { code }),
  });
});

test('its events are named by its state', () => {
  const uploads = new UploadProgress();
  const events: unknown[] = [];
  uploads.events(idOf(1)).subscribe((event) => events.push(event));
  uploads.track(requestOf(idOf(1)))!.stored();
  expect(events).toEqual([
    { type: 'receiving', data: { state: 'receiving', bytesReceived: 0 } },
    { type: 'stored', data: { state: 'stored', bytesReceived: 0 } },
  ]);
});

test('it is reported again when a tenth of a second has passed, and not before', () => {
  const uploads = new UploadProgress();
  const seen = watch(uploads, idOf(1));
  const tracking = uploads.track(requestOf(idOf(1)))!;
  jest.advanceTimersByTime(99);
  tracking.received(1);
  expect(seen.statuses.at(-1)!.bytesReceived).toBe(0);
  jest.advanceTimersByTime(1);
  tracking.received(1);
  expect(seen.statuses.at(-1)).toEqual({ state: 'receiving', bytesReceived: 2 });
  expect(seen.statuses).toHaveLength(2);
});

test('only the first upload of a name is followed, and none without a name', () => {
  const uploads = new UploadProgress();
  uploads.track(requestOf(idOf(1)))!.stored();
  expect(uploads.track(requestOf(idOf(1)))).toBeUndefined();
  for (const id of [undefined, 'short', [idOf(2)]]) {
    expect(uploads.track(requestOf(id as string))).toBeUndefined();
  }
  for (const id of ['short', 'x'.repeat(21), 'x'.repeat(65), `${'x'.repeat(30)}!`]) {
    expect(() => uploads.progressOf(id)).toThrow('An upload id has 22 to 64 characters');
  }
  for (const id of ['x'.repeat(22), '-'.repeat(64)]) expect(uploads.progressOf(id)).toBeDefined();
});

test('watchers are told that there is no more when the app ends', () => {
  const uploads = new UploadProgress();
  const [awaited, underWay] = [watch(uploads, idOf(1)), watch(uploads, idOf(2))];
  uploads.track(requestOf(idOf(2)));
  uploads.beforeApplicationShutdown();
  expect([awaited.isOver, underWay.isOver]).toEqual([true, true]);
  expect(jest.getTimerCount()).toBe(0);
});
