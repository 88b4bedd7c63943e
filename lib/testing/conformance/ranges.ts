import assert from 'node:assert/strict';
import {
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StoragePreconditionFailedError,
  StorageRangeNotSatisfiableError,
} from '../../core/errors.js';
import type { RangeOption } from '../../core/range.js';
import type { Behaviour } from './behaviour.js';
import { someBytes } from './bodies.js';
import { assertBytes, rejection } from './expectations.js';

const BYTES = someBytes(100);
const SATISFIABLE: readonly {
  name: string;
  range: RangeOption;
  start: number;
  end: number;
}[] = [
  { name: 'a part in the middle', range: { start: 10, end: 19 }, start: 10, end: 19 },
  { name: 'the first byte', range: { start: 0, end: 0 }, start: 0, end: 0 },
  { name: 'the last byte', range: { start: 99, end: 99 }, start: 99, end: 99 },
  { name: 'everything from a byte on', range: { start: 90 }, start: 90, end: 99 },
  { name: 'everything from the first byte on', range: { start: 0 }, start: 0, end: 99 },
  { name: 'a part whose end is clamped', range: { start: 95, end: 1000 }, start: 95, end: 99 },
  { name: 'the last bytes', range: { suffix: 7 }, start: 93, end: 99 },
  { name: 'as many last bytes as there are', range: { suffix: 100 }, start: 0, end: 99 },
  { name: 'more last bytes than there are', range: { suffix: 1000 }, start: 0, end: 99 },
];
const UNSATISFIABLE: Readonly<Record<string, RangeOption>> = {
  'a range that starts at the end': { start: 100 },
  'a range beyond the end': { start: 200, end: 300 },
  'no last bytes at all': { suffix: 0 },
};
const EMPTY_FILE: readonly RangeOption[] = [
  { start: 0 },
  { start: 0, end: 0 },
  { start: 5 },
  { suffix: 0 },
  { suffix: 5 },
];
const INVALID: readonly unknown[] = [
  { start: -1 },
  { start: 5, end: 4 },
  { start: 0.5 },
  { start: 0, end: Number.NaN },
  { suffix: -1 },
  { suffix: '5' },
  {},
  'bytes=0-5',
  null,
];

export const ranges: readonly Behaviour[] = [
  ...SATISFIABLE.map(({ name, range, start, end }): Behaviour => ({
    name: `gives ${name}: ${JSON.stringify(range)}`,
    needs: (capabilities) => capabilities.ranges,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES);
      const download = await storage.get(`${folder}a`, { range });
      assert.deepEqual(download.range, { start, end, size: 100 });
      assert.equal(download.file.size, 100);
      assert.equal(download.size, end - start + 1);
      assertBytes(await download.bytes(), BYTES.subarray(start, end + 1));
    },
  })),
  ...Object.entries(UNSATISFIABLE).map(([name, range]): Behaviour => ({
    name: `refuses ${name}: ${JSON.stringify(range)}`,
    needs: (capabilities) => capabilities.ranges,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES);
      const error = await rejection(
        storage.get(`${folder}a`, { range }),
        StorageRangeNotSatisfiableError,
      );
      if (error.size !== undefined) assert.equal(error.size, 100);
      await rejection(
        storage.get(`${folder}a`, { range, concurrency: 2, partSize: 10 }),
        StorageRangeNotSatisfiableError,
      );
    },
  })),
  {
    name: 'refuses every range of an empty file',
    needs: (capabilities) => capabilities.ranges,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, '');
      for (const range of EMPTY_FILE) {
        await rejection(storage.get(`${folder}a`, { range }), StorageRangeNotSatisfiableError);
      }
    },
  },
  {
    name: 'refuses what is no range',
    needs: (capabilities) => capabilities.ranges,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES);
      for (const range of INVALID) {
        await rejection(
          storage.get(`${folder}a`, { range: range as RangeOption }),
          StorageInvalidArgumentError,
        );
      }
    },
  },
  {
    name: 'says of a range in a missing file that the file is not there',
    needs: (capabilities) => capabilities.ranges,
    async run(storage, { folder }) {
      await rejection(
        storage.get(`${folder}missing`, { range: { start: 0 } }),
        StorageFileNotFoundError,
      );
    },
  },
  {
    name: 'gives a range only of the version that is asked for',
    needs: (capabilities) => capabilities.ranges && capabilities.conditionalGet,
    async run(storage, { folder }) {
      const { etag } = await storage.put(`${folder}a`, BYTES);
      const range = { start: 10, end: 19 };
      const download = await storage.get(`${folder}a`, { range, ifMatch: etag! });
      assertBytes(await download.bytes(), BYTES.subarray(10, 20));
      await storage.put(`${folder}a`, someBytes(100, 2));
      await rejection(
        storage.get(`${folder}a`, { range, ifMatch: etag! }),
        StoragePreconditionFailedError,
      );
    },
  },
  {
    name: 'judges conditions before the range',
    needs: (capabilities) => capabilities.ranges && capabilities.conditionalGet,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES);
      await rejection(
        storage.get(`${folder}a`, { range: { start: 500 }, ifMatch: '"other"' }),
        StoragePreconditionFailedError,
      );
    },
  },
];
