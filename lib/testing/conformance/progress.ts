import assert from 'node:assert/strict';
import { StorageFileExistsError } from '../../core/errors.js';
import type { ProgressInfo } from '../../core/progress.js';
import type { StoredFile } from '../../core/stored-file.js';
import type { Behaviour } from './behaviour.js';
import { breakingStream, chunked, partSizeOf, someBytes } from './bodies.js';
import { assertBytes, assertHolds, rejection } from './expectations.js';

const SIZE = 500_000;
const BYTES = someBytes(SIZE);

export const progress: readonly Behaviour[] = [
  {
    name: 'reports an upload of known length up to 100 %',
    async run(storage, { folder }) {
      const reports: ProgressInfo[] = [];
      await storage.put(`${folder}a`, chunked(BYTES), {
        size: SIZE,
        onProgress: (report) => void reports.push(report),
      });
      assertReports(reports, 'upload', `${folder}a`);
      for (const { totalBytes } of reports) assert.equal(totalBytes, SIZE);
    },
  },
  {
    name: 'reports an upload of unknown length, and all of it at the end',
    async run(storage, { folder }) {
      const reports: ProgressInfo[] = [];
      await storage.put(`${folder}a`, chunked(BYTES), {
        onProgress: (report) => void reports.push(report),
      });
      assertReports(reports, 'upload', `${folder}a`);
      for (const report of reports.slice(0, -1)) {
        assert.equal(report.totalBytes, undefined);
        assert.equal(report.percentage, undefined);
      }
    },
  },
  {
    name: 'reports an upload from memory',
    async run(storage, { folder }) {
      const reports: ProgressInfo[] = [];
      const onProgress = (report: ProgressInfo): void => void reports.push(report);
      await storage.put(`${folder}a`, BYTES, { onProgress });
      assertReports(reports, 'upload', `${folder}a`);
    },
  },
  {
    name: 'reports an upload of nothing as complete',
    async run(storage, { folder }) {
      const reports: ProgressInfo[] = [];
      const onProgress = (report: ProgressInfo): void => void reports.push(report);
      await storage.put(`${folder}a`, '', { onProgress });
      assert.equal(reports.at(-1)!.percentage, 100);
      assert.equal(reports.at(-1)!.bytesTransferred, 0);
    },
  },
  {
    name: 'reports 100 % of an upload only when the file is stored',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'before');
      let stored: Promise<StoredFile> | undefined;
      const onProgress = ({ percentage }: ProgressInfo): void => {
        if (percentage === 100) stored ??= storage.info(`${folder}a`);
      };
      const { etag } = await storage.put(`${folder}a`, chunked(BYTES), { size: SIZE, onProgress });
      assert.equal((await stored)?.etag, etag);
    },
  },
  {
    name: 'reports an upload of several parts',
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const size = partSize + 10;
      const reports: ProgressInfo[] = [];
      const onProgress = (report: ProgressInfo): void => void reports.push(report);
      await storage.put(`${folder}a`, chunked(someBytes(size)), { size, partSize, onProgress });
      assertReports(reports, 'upload', `${folder}a`, size);
    },
  },
  {
    name: 'reports at most ten times a second, and once at the end',
    async run(storage, { folder }) {
      const started = performance.now();
      let reports = 0;
      const onProgress = (): void => void reports++;
      await storage.put(`${folder}a`, chunked(BYTES, 500), { onProgress });
      const most = Math.floor((performance.now() - started) / 100) + 2;
      assert.ok(reports >= 1 && reports <= most, `${reports} reports, at most ${most}`);
    },
  },
  {
    name: 'does not wait for a callback that is asynchronous',
    async run(storage, { folder }) {
      const onProgress = (): Promise<never> => new Promise(() => {});
      await storage.put(`${folder}a`, chunked(BYTES), { onProgress });
      assertBytes(await storage.getBytes(`${folder}a`, { onProgress }), BYTES);
    },
  },
  {
    name: 'never reports an upload that is refused at its end as complete',
    needs: ({ createOnly }) => createOnly,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'before');
      const reports: ProgressInfo[] = [];
      const onProgress = (report: ProgressInfo): void => void reports.push(report);
      await rejection(
        storage.put(`${folder}a`, chunked(BYTES), { size: SIZE, ifNoneMatch: '*', onProgress }),
        StorageFileExistsError,
      );
      for (const { percentage } of reports) assert.ok(percentage! < 100);
    },
  },
  {
    name: 'never reports an upload that fails as complete',
    async run(storage, { folder }) {
      const reports: ProgressInfo[] = [];
      const onProgress = (report: ProgressInfo): void => void reports.push(report);
      const body = breakingStream(BYTES, new Error('broken'));
      await assert.rejects(storage.put(`${folder}a`, body, { size: SIZE, onProgress }));
      for (const { percentage } of reports) assert.ok(percentage! < 100);
    },
  },
  {
    name: 'reports a download up to 100 %',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES);
      const reports: ProgressInfo[] = [];
      const onProgress = (report: ProgressInfo): void => void reports.push(report);
      assertBytes(await storage.getBytes(`${folder}a`, { onProgress }), BYTES);
      assertReports(reports, 'download', `${folder}a`);
    },
  },
  {
    name: 'reports a download of a range by its own length',
    needs: ({ ranges }) => ranges,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES);
      const reports: ProgressInfo[] = [];
      const onProgress = (report: ProgressInfo): void => void reports.push(report);
      await storage.getBytes(`${folder}a`, { range: { start: 0, end: 99 }, onProgress });
      assert.equal(reports.at(-1)!.bytesTransferred, 100);
      assert.equal(reports.at(-1)!.percentage, 100);
    },
  },
  {
    name: 'reports a download of several ranges up to 100 %',
    needs: ({ ranges, conditionalGet }) => ranges && conditionalGet,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES);
      const reports: ProgressInfo[] = [];
      const onProgress = (report: ProgressInfo): void => void reports.push(report);
      const options = { concurrency: 3, partSize: 65_536, onProgress };
      assertBytes(await storage.getBytes(`${folder}a`, options), BYTES);
      assertReports(reports, 'download', `${folder}a`);
    },
  },
  {
    name: 'is not harmed by a callback that throws or rejects',
    async run(storage, { folder }) {
      const callbacks = [
        (): never => {
          throw new Error('a broken progress bar');
        },
        async (): Promise<void> => Promise.reject(new Error('a broken progress bar')),
      ];
      for (const onProgress of callbacks) {
        await storage.put(`${folder}a`, chunked(BYTES), { onProgress });
        await assertHolds(storage, `${folder}a`, BYTES);
        assertBytes(await storage.getBytes(`${folder}a`, { onProgress }), BYTES);
      }
    },
  },
];

function assertReports(
  reports: readonly ProgressInfo[],
  operation: ProgressInfo['operation'],
  key: string,
  size = SIZE,
): void {
  let before = 0;
  for (const report of reports) {
    assert.equal(report.operation, operation);
    assert.equal(report.key, key);
    assert.ok(report.bytesTransferred >= before, 'bytesTransferred never falls');
    assert.ok(Number.isFinite(report.bytesPerSecond) && report.bytesPerSecond >= 0);
    before = report.bytesTransferred;
  }
  const last = reports.at(-1);
  assert.ok(last, 'there is a report');
  assert.equal(last.bytesTransferred, size);
  assert.equal(last.totalBytes, size);
  assert.equal(last.percentage, 100);
  assert.equal(reports.filter(({ percentage }) => percentage === 100).length, 1);
}
