import assert from 'node:assert/strict';
import type { Capabilities } from '../../core/capabilities.js';
import type { ReadConditions, WriteConditions } from '../../core/conditions.js';
import {
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StorageNotModifiedError,
  StoragePreconditionFailedError,
} from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { chunked, partSizeOf, someBytes } from './bodies.js';
import { assertHolds, assertMissing, rejection } from './expectations.js';

type Verdict = 'given' | 'not modified' | 'precondition failed';

interface ReadCase {
  readonly name: string;
  readonly conditions: (etag: string, lastModified: Date) => ReadConditions;
  readonly verdict: Verdict;
}

const HOUR = 3_600_000;
const OTHER = '"another-version"';
const later = (time: Date, by: number): Date => new Date(time.getTime() + by);

const READ_CASES: readonly ReadCase[] = [
  { name: 'ifMatch of the file', conditions: (ifMatch) => ({ ifMatch }), verdict: 'given' },
  {
    name: 'ifMatch of another version',
    conditions: () => ({ ifMatch: OTHER }),
    verdict: 'precondition failed',
  },
  { name: "ifMatch '*'", conditions: () => ({ ifMatch: '*' }), verdict: 'given' },
  {
    name: 'ifNoneMatch of the file',
    conditions: (ifNoneMatch) => ({ ifNoneMatch }),
    verdict: 'not modified',
  },
  {
    name: 'ifNoneMatch of another version',
    conditions: () => ({ ifNoneMatch: OTHER }),
    verdict: 'given',
  },
  { name: "ifNoneMatch '*'", conditions: () => ({ ifNoneMatch: '*' }), verdict: 'not modified' },
  {
    name: 'ifModifiedSince its own time',
    conditions: (_, ifModifiedSince) => ({ ifModifiedSince }),
    verdict: 'not modified',
  },
  {
    name: 'ifModifiedSince an earlier time',
    conditions: (_, time) => ({ ifModifiedSince: later(time, -HOUR) }),
    verdict: 'given',
  },
  {
    name: 'ifUnmodifiedSince its own time',
    conditions: (_, ifUnmodifiedSince) => ({ ifUnmodifiedSince }),
    verdict: 'given',
  },
  {
    name: 'ifUnmodifiedSince a later time',
    conditions: (_, time) => ({ ifUnmodifiedSince: later(time, HOUR) }),
    verdict: 'given',
  },
  {
    name: 'ifUnmodifiedSince an earlier time',
    conditions: (_, time) => ({ ifUnmodifiedSince: later(time, -HOUR) }),
    verdict: 'precondition failed',
  },
  {
    name: 'ifMatch that holds beside ifUnmodifiedSince that does not',
    conditions: (ifMatch, time) => ({ ifMatch, ifUnmodifiedSince: later(time, -HOUR) }),
    verdict: 'given',
  },
  {
    name: 'ifNoneMatch of another version beside ifModifiedSince its own time',
    conditions: (_, ifModifiedSince) => ({ ifNoneMatch: OTHER, ifModifiedSince }),
    verdict: 'given',
  },
  {
    name: 'ifNoneMatch of the file beside ifModifiedSince an earlier time',
    conditions: (ifNoneMatch, time) => ({ ifNoneMatch, ifModifiedSince: later(time, -HOUR) }),
    verdict: 'not modified',
  },
  {
    name: 'ifMatch of another version beside ifNoneMatch of the file',
    conditions: (ifNoneMatch) => ({ ifMatch: OTHER, ifNoneMatch }),
    verdict: 'precondition failed',
  },
];

const conditional = (capabilities: Capabilities): boolean => capabilities.conditionalGet;
const createOnly = (capabilities: Capabilities): boolean => capabilities.createOnly;
const compareAndSet = (capabilities: Capabilities): boolean => capabilities.compareAndSet;

export const readConditions: readonly Behaviour[] = [
  ...READ_CASES.map(({ name, conditions, verdict }): Behaviour => ({
    name: `answers a read with ${name}: ${verdict}`,
    needs: conditional,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      const { etag, lastModified } = await storage.info(`${folder}a`);
      const read = storage.get(`${folder}a`, conditions(etag!, lastModified!));
      if (verdict === 'given') assert.equal(await (await read).text(), 'hello');
      else if (verdict === 'not modified') await rejection(read, StorageNotModifiedError);
      else await rejection(read, StoragePreconditionFailedError);
    },
  })),
  {
    name: 'judges the conditions of a read in several ranges alike',
    needs: (capabilities) => capabilities.ranges && capabilities.conditionalGet,
    async run(storage, { folder }) {
      const { etag } = await storage.put(`${folder}a`, 'hello');
      const parallel = { concurrency: 2, partSize: 1 };
      await rejection(
        storage.get(`${folder}a`, { ...parallel, ifMatch: OTHER }),
        StoragePreconditionFailedError,
      );
      await rejection(
        storage.get(`${folder}a`, { ...parallel, ifNoneMatch: etag! }),
        StorageNotModifiedError,
      );
    },
  },
  {
    name: 'says of a missing file that it is not there, whatever the conditions',
    needs: conditional,
    async run(storage, { folder }) {
      for (const conditions of [{ ifMatch: OTHER }, { ifNoneMatch: OTHER }, { ifNoneMatch: '*' }]) {
        await rejection(storage.get(`${folder}missing`, conditions), StorageFileNotFoundError);
      }
    },
  },
  {
    name: 'refuses conditions of a read that are not well-formed',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      const invalid = new Date(Number.NaN);
      for (const conditions of [
        { ifMatch: 'no-quotes' },
        { ifMatch: 'W/"weak"' },
        { ifNoneMatch: '' },
        { ifModifiedSince: invalid },
        { ifUnmodifiedSince: invalid },
      ]) {
        await rejection(storage.get(`${folder}a`, conditions), StorageInvalidArgumentError);
      }
    },
  },
];

export const writeConditions: readonly Behaviour[] = [
  {
    name: 'creates a file that is not there, and refuses the second one',
    needs: createOnly,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'first', { ifNoneMatch: '*' });
      await rejection(
        storage.put(`${folder}a`, 'second', { ifNoneMatch: '*' }),
        StorageFileExistsError,
      );
      await assertHolds(storage, `${folder}a`, 'first');
    },
  },
  {
    name: 'refuses to create what exists from a stream, too, and destroys nothing',
    needs: createOnly,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, chunked(someBytes(1000)), { ifNoneMatch: '*' });
      await rejection(
        storage.put(`${folder}a`, chunked(someBytes(200_000, 2)), { ifNoneMatch: '*' }),
        StorageFileExistsError,
      );
      await assertHolds(storage, `${folder}a`, someBytes(1000));
    },
  },
  {
    name: 'refuses to create what exists from a body of several parts',
    needs: createOnly,
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const bytes = someBytes(partSize + 1);
      await storage.put(`${folder}a`, 'first');
      for (const body of [chunked(bytes), bytes]) {
        await rejection(
          storage.put(`${folder}a`, body, { ifNoneMatch: '*', partSize }),
          StorageFileExistsError,
        );
      }
      await assertHolds(storage, `${folder}a`, 'first');
    },
  },
  {
    name: 'creates a file again that was deleted',
    needs: createOnly,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'first', { ifNoneMatch: '*' });
      await storage.delete(`${folder}a`);
      await storage.put(`${folder}a`, 'second', { ifNoneMatch: '*' });
      await assertHolds(storage, `${folder}a`, 'second');
    },
  },
  {
    name: 'replaces the version that is named, and gives a new one',
    needs: compareAndSet,
    async run(storage, { folder }) {
      const first = await storage.put(`${folder}a`, 'first');
      const second = await storage.put(`${folder}a`, 'second', { ifMatch: first.etag! });
      assert.notEqual(second.etag, first.etag);
      await storage.put(`${folder}a`, chunked(Buffer.from('third')), { ifMatch: second.etag! });
      await assertHolds(storage, `${folder}a`, 'third');
    },
  },
  {
    name: 'replaces the version that is named, and no other, by a body of several parts',
    needs: compareAndSet,
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const bytes = someBytes(partSize + 1);
      const first = await storage.put(`${folder}a`, 'first');
      const second = await storage.put(`${folder}a`, 'second');
      await rejection(
        storage.put(`${folder}a`, chunked(bytes), { ifMatch: first.etag!, partSize }),
        StoragePreconditionFailedError,
      );
      await assertHolds(storage, `${folder}a`, 'second');
      await storage.put(`${folder}a`, chunked(bytes), { ifMatch: second.etag!, partSize });
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'refuses to replace any other version',
    needs: compareAndSet,
    async run(storage, { folder }) {
      const { etag } = await storage.put(`${folder}a`, 'first');
      await storage.put(`${folder}a`, 'second');
      await rejection(
        storage.put(`${folder}a`, 'stale', { ifMatch: etag! }),
        StoragePreconditionFailedError,
      );
      await rejection(
        storage.put(`${folder}a`, chunked(someBytes(200_000)), { ifMatch: etag! }),
        StoragePreconditionFailedError,
      );
      await assertHolds(storage, `${folder}a`, 'second');
    },
  },
  {
    name: 'refuses to replace a version where nothing is stored',
    needs: compareAndSet,
    async run(storage, { folder }) {
      await rejection(
        storage.put(`${folder}a`, 'new', { ifMatch: OTHER }),
        StoragePreconditionFailedError,
      );
      await assertMissing(storage, `${folder}a`);
    },
  },
  {
    name: 'refuses conditions of a write that are not well-formed',
    async run(storage, { folder }) {
      for (const conditions of [
        { ifNoneMatch: '"etag"' },
        { ifMatch: 'no-quotes' },
        { ifMatch: '"a"', ifNoneMatch: '*' },
      ]) {
        await rejection(
          storage.put(`${folder}a`, 'a', conditions as WriteConditions),
          StorageInvalidArgumentError,
        );
      }
      await assertMissing(storage, `${folder}a`);
    },
  },
];
