import assert from 'node:assert/strict';
import type { Capabilities } from '../../core/capabilities.js';
import {
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageIntegrityError,
  StorageInvalidArgumentError,
  StoragePreconditionFailedError,
} from '../../core/errors.js';
import type { MultipartUpload } from '../../core/multipart.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour } from './behaviour.js';
import { chunked, someBytes } from './bodies.js';
import { assertHolds, assertMissing, rejection } from './expectations.js';

const needs = (capabilities: Capabilities): boolean => capabilities.multipart;

/** A part that may be followed by others. */
export function wholePart(storage: Storage, seed: number): Buffer<ArrayBuffer> {
  return someBytes(Math.max(storage.capabilities.limits.minPartSize, 1000), seed);
}

export const multipart: readonly Behaviour[] = [
  {
    name: 'joins parts by their numbers, whatever order they came in',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a.txt`);
      const [one, two] = [wholePart(storage, 1), Buffer.from('the last part')];
      const second = await storage.uploadPart(upload, 2, two);
      const first = await storage.uploadPart(upload, 1, one);
      assert.deepEqual([first.partNumber, first.size], [1, one.byteLength]);
      assert.deepEqual([second.partNumber, second.size], [2, two.byteLength]);
      const file = await storage.completeMultipartUpload(upload, [second, first]);
      assert.equal(file.key, `${folder}a.txt`);
      assert.equal(file.size, one.byteLength + two.byteLength);
      assert.equal(file.etag, (await storage.info(`${folder}a.txt`)).etag);
      await assertHolds(storage, `${folder}a.txt`, Buffer.concat([one, two]));
    },
  },
  {
    name: 'completes with the parts that the backend has when none are named',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      const one = wholePart(storage, 1);
      await Promise.all([storage.uploadPart(upload, 1, one), storage.uploadPart(upload, 7, 'end')]);
      await storage.completeMultipartUpload(upload);
      await assertHolds(storage, `${folder}a`, Buffer.concat([one, Buffer.from('end')]));
    },
  },
  {
    name: 'takes parts all at once, the last of them first',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      const bodies = [wholePart(storage, 1), wholePart(storage, 2), Buffer.from('end')];
      const parts = await Promise.all(
        [3, 1, 2].map((number) => storage.uploadPart(upload, number, bodies[number - 1]!)),
      );
      await storage.completeMultipartUpload(upload, parts);
      await assertHolds(storage, `${folder}a`, Buffer.concat(bodies));
    },
  },
  {
    name: 'completes with only the parts that are named',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      const one = await storage.uploadPart(upload, 1, 'one');
      await storage.uploadPart(upload, 2, 'two');
      try {
        await storage.completeMultipartUpload(upload, [one]);
      } finally {
        await storage.abortMultipartUpload(upload);
      }
      await assertHolds(storage, `${folder}a`, 'one');
    },
  },
  {
    name: 'replaces a part that is sent again',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      await storage.uploadPart(upload, 1, 'first try');
      const again = await storage.uploadPart(upload, 1, 'again');
      assert.deepEqual(await storage.listParts(upload), [again]);
      await storage.completeMultipartUpload(upload);
      await assertHolds(storage, `${folder}a`, 'again');
    },
  },
  {
    name: 'lists the parts by number, with size and etag',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      assert.deepEqual(await storage.listParts(upload), []);
      const three = await storage.uploadPart(upload, 3, 'three');
      const one = await storage.uploadPart(upload, 1, 'one');
      assert.deepEqual(await storage.listParts(upload), [one, three]);
      await storage.abortMultipartUpload(upload);
    },
  },
  {
    name: 'shows nothing before it is completed, and keeps the old file until then',
    needs,
    async run(storage, { folder }) {
      await storage.put(`${folder}old`, 'before');
      for (const name of ['old', 'new']) {
        const upload = await storage.startMultipartUpload(folder + name);
        await storage.uploadPart(upload, 1, 'after');
        if (name === 'old') await assertHolds(storage, `${folder}old`, 'before');
        else await assertMissing(storage, `${folder}new`);
        await storage.completeMultipartUpload(upload);
        await assertHolds(storage, folder + name, 'after');
      }
    },
  },
  {
    name: 'can be resumed from its JSON',
    needs,
    async run(storage, { folder }) {
      const saved = JSON.stringify(await storage.startMultipartUpload(`${folder}a`));
      const upload = JSON.parse(saved) as MultipartUpload;
      assert.equal(upload.key, `${folder}a`);
      const parts = JSON.stringify([await storage.uploadPart(upload, 1, 'hello')]);
      await storage.completeMultipartUpload(
        JSON.parse(saved) as MultipartUpload,
        JSON.parse(parts) as { partNumber: number; etag: string }[],
      );
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'advises a part size that the backend takes, and in which the file fits',
    needs,
    async run(storage, { folder }) {
      const { minPartSize, maxPartSize, maxParts, maxObjectSize } = storage.capabilities.limits;
      const size = Math.min(200 * 1024 ** 3, maxObjectSize, maxPartSize * maxParts);
      const upload = await storage.startMultipartUpload(`${folder}a`, { size });
      assert.ok(upload.partSize >= minPartSize && upload.partSize <= maxPartSize);
      assert.ok(upload.partSize * maxParts >= size);
      await storage.abortMultipartUpload(upload);
    },
  },
  {
    name: 'takes parts from streams, and empty ones',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      const part = await storage.uploadPart(upload, 1, chunked(someBytes(5000), 7));
      assert.equal(part.size, 5000);
      await storage.completeMultipartUpload(upload);
      await assertHolds(storage, `${folder}a`, someBytes(5000));
      const empty = await storage.startMultipartUpload(`${folder}b`);
      await storage.uploadPart(empty, 1, '');
      await storage.completeMultipartUpload(empty);
      await assertHolds(storage, `${folder}b`, '');
    },
  },
  {
    name: 'keeps the attributes that it was started with',
    needs: (capabilities) =>
      capabilities.multipart && capabilities.metadata && capabilities.headers,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a.html`, {
        metadata: { title: 'Grüße  🌍' },
        cacheControl: 'no-store',
      });
      await storage.uploadPart(upload, 1, 'hello');
      await storage.completeMultipartUpload(upload);
      const file = await storage.info(`${folder}a.html`);
      assert.equal(file.contentType, 'text/html');
      assert.equal(file.cacheControl, 'no-store');
      assert.deepEqual({ ...file.metadata }, { title: 'Grüße  🌍' });
    },
  },
  {
    name: 'needs at least one part',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      await rejection(storage.completeMultipartUpload(upload), StorageInvalidArgumentError);
      await rejection(storage.completeMultipartUpload(upload, []), StorageInvalidArgumentError);
      await assertMissing(storage, `${folder}a`);
      await storage.abortMultipartUpload(upload);
    },
  },
  {
    name: 'refuses parts that were not sent, and can be completed all the same',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      const part = await storage.uploadPart(upload, 1, 'hello');
      for (const parts of [
        [{ ...part, etag: '"d41d8cd98f00b204e9800998ecf8427e"' }],
        [{ ...part, partNumber: 2 }],
        [part, part],
        [{ ...part, etag: '' }],
      ]) {
        await rejection(
          storage.completeMultipartUpload(upload, parts),
          StorageInvalidArgumentError,
        );
        await assertMissing(storage, `${folder}a`);
      }
      await storage.completeMultipartUpload(upload, [part]);
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'refuses a part that is not as long as announced, or has another checksum, and stores nothing',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      const checksum = { algorithm: 'md5', value: 'XUFAKrxLKna5cZ2REBfFkg==' } as const;
      for (const body of ['hello!', chunked(Buffer.from('hello!'))]) {
        await rejection(storage.uploadPart(upload, 1, body, { size: 5 }), StorageIntegrityError);
      }
      await rejection(storage.uploadPart(upload, 1, 'HELLO', { checksum }), StorageIntegrityError);
      assert.deepEqual(await storage.listParts(upload), []);
      const part = await storage.uploadPart(upload, 1, 'hello', { size: 5, checksum });
      assert.deepEqual(await storage.listParts(upload), [part]);
      await storage.abortMultipartUpload(upload);
    },
  },
  {
    name: 'refuses part numbers that are none',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      const { maxParts } = storage.capabilities.limits;
      for (const partNumber of [0, -1, 1.5, Number.NaN, maxParts + 1]) {
        await rejection(
          storage.uploadPart(upload, partNumber, 'hello'),
          StorageInvalidArgumentError,
        );
      }
      await storage.abortMultipartUpload(upload);
    },
  },
  {
    name: 'leaves nothing when it is aborted, and keeps the old file',
    needs,
    async run(storage, { folder }) {
      await storage.put(`${folder}old`, 'before');
      for (const name of ['old', 'new']) {
        const upload = await storage.startMultipartUpload(folder + name);
        await storage.uploadPart(upload, 1, 'after');
        await storage.abortMultipartUpload(upload);
        await storage.abortMultipartUpload(upload);
        await rejection(storage.uploadPart(upload, 2, 'late'), StorageFileNotFoundError);
        await rejection(storage.listParts(upload), StorageFileNotFoundError);
        await rejection(storage.completeMultipartUpload(upload), StorageFileNotFoundError);
      }
      await assertHolds(storage, `${folder}old`, 'before');
      await assertMissing(storage, `${folder}new`);
    },
  },
  {
    name: 'can be aborted before the first part',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      await storage.abortMultipartUpload(upload);
      await rejection(storage.listParts(upload), StorageFileNotFoundError);
    },
  },
  {
    name: 'is over when it is completed',
    needs,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      const part = await storage.uploadPart(upload, 1, 'hello');
      await storage.completeMultipartUpload(upload, [part]);
      await storage.put(`${folder}a`, 'later');
      await rejection(storage.completeMultipartUpload(upload, [part]), StorageFileNotFoundError);
      await rejection(storage.uploadPart(upload, 2, 'late'), StorageFileNotFoundError);
      await rejection(storage.listParts(upload), StorageFileNotFoundError);
      await storage.abortMultipartUpload(upload);
      await assertHolds(storage, `${folder}a`, 'later');
    },
  },
  {
    name: 'does not know an upload that was never started',
    needs,
    async run(storage, { folder }) {
      const real = await storage.startMultipartUpload(`${folder}a`);
      const part = await storage.uploadPart(real, 1, 'hello');
      const turned = real.uploadId.split('').reverse().join('');
      const unknown = [
        { ...real, uploadId: turned === real.uploadId ? 'unknown' : turned },
        { ...real, key: `${folder}b` },
      ];
      for (const upload of unknown) {
        await rejection(storage.uploadPart(upload, 1, 'hello'), StorageFileNotFoundError);
        await rejection(storage.listParts(upload), StorageFileNotFoundError);
        await rejection(storage.completeMultipartUpload(upload, [part]), StorageFileNotFoundError);
        await storage.abortMultipartUpload(upload);
      }
      assert.deepEqual(await storage.listParts(real), [part]);
      await storage.abortMultipartUpload(real);
    },
  },
  {
    name: 'refuses what is no upload',
    needs,
    async run(storage, { folder }) {
      for (const uploadId of ['', undefined, 5]) {
        const upload = { key: `${folder}a`, uploadId, partSize: 1 } as MultipartUpload;
        await rejection(storage.uploadPart(upload, 1, 'a'), StorageInvalidArgumentError);
        await rejection(storage.listParts(upload), StorageInvalidArgumentError);
        await rejection(storage.abortMultipartUpload(upload), StorageInvalidArgumentError);
      }
    },
  },
  {
    name: 'holds the whole of the upload that was completed last when there are two to one key',
    needs,
    async run(storage, { folder }) {
      const first = await storage.startMultipartUpload(`${folder}a`);
      const second = await storage.startMultipartUpload(`${folder}a`);
      assert.notEqual(first.uploadId, second.uploadId);
      await storage.uploadPart(second, 1, 'second');
      await storage.uploadPart(first, 1, 'first');
      await storage.completeMultipartUpload(second);
      await assertHolds(storage, `${folder}a`, 'second');
      await storage.completeMultipartUpload(first);
      await assertHolds(storage, `${folder}a`, 'first');
    },
  },
  {
    name: 'does not create what exists when it is completed with ifNoneMatch',
    needs: (capabilities) => capabilities.multipart && capabilities.createOnly,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      await storage.uploadPart(upload, 1, 'upload');
      await storage.put(`${folder}a`, 'put');
      try {
        await rejection(
          storage.completeMultipartUpload(upload, undefined, { ifNoneMatch: '*' }),
          StorageFileExistsError,
        );
      } finally {
        await storage.abortMultipartUpload(upload);
      }
      await assertHolds(storage, `${folder}a`, 'put');
    },
  },
  {
    name: 'does not replace another version when it is completed with ifMatch',
    needs: (capabilities) => capabilities.multipart && capabilities.compareAndSet,
    async run(storage, { folder }) {
      const first = await storage.put(`${folder}a`, 'first');
      const stale = await storage.startMultipartUpload(`${folder}a`);
      await storage.uploadPart(stale, 1, 'stale');
      const second = await storage.put(`${folder}a`, 'second');
      try {
        await rejection(
          storage.completeMultipartUpload(stale, undefined, { ifMatch: first.etag! }),
          StoragePreconditionFailedError,
        );
      } finally {
        await storage.abortMultipartUpload(stale);
      }
      await assertHolds(storage, `${folder}a`, 'second');
      const fresh = await storage.startMultipartUpload(`${folder}a`);
      await storage.uploadPart(fresh, 1, 'third');
      await storage.completeMultipartUpload(fresh, undefined, { ifMatch: second.etag! });
      await assertHolds(storage, `${folder}a`, 'third');
    },
  },
];
