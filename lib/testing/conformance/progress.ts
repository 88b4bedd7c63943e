import assert from 'node:assert/strict';
import type { ProgressInfo } from '../../core/progress.js';
import type { Behaviour } from './behaviour.js';
import { breakingStream, chunked, someBytes } from './bodies.js';
import { assertBytes, assertHolds } from './expectations.js';

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
): void {
  let before = 0;
  for (const report of reports) {
    assert.equal(report.operation, operation);
    assert.equal(report.key, key);
    assert.ok(report.bytesTransferred >= before, 'bytesTransferred never falls');
    assert.ok(report.bytesPerSecond >= 0);
    before = report.bytesTransferred;
  }
  const last = reports.at(-1);
  assert.ok(last, 'there is a report');
  assert.equal(last.bytesTransferred, SIZE);
  assert.equal(last.totalBytes, SIZE);
  assert.equal(last.percentage, 100);
  assert.equal(reports.filter(({ percentage }) => percentage === 100).length, 1);
}
