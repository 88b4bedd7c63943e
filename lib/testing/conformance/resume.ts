import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import type { Capabilities } from '../../core/capabilities.js';
import {
  StorageAbortedError,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageIntegrityError,
  StorageInvalidArgumentError,
} from '../../core/errors.js';
import type { MultipartUpload } from '../../core/multipart.js';
import type { ProgressInfo } from '../../core/progress.js';
import type { SeekableSource } from '../../core/seekable-body.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour } from './behaviour.js';
import { chunked, someBytes } from './bodies.js';
import { assertHolds, assertMissing, rejection } from './expectations.js';
import { uploadsUnderWay } from './upload-listing.js';

const needs = ({ multipart }: Capabilities): boolean => multipart;

/** Two parts and a bit, in the smallest parts that the backend takes. */
interface Begun {
  readonly upload: MultipartUpload;
  readonly bytes: Buffer<ArrayBuffer>;
  readonly part: (partNumber: number) => Buffer;
}

async function begin(storage: Storage, key: string): Promise<Begun> {
  const partSize = Math.max(storage.capabilities.limits.minPartSize, 1000);
  const upload = await storage.startMultipartUpload(key, { partSize });
  const bytes = someBytes(2 * partSize + 10);
  const part = (number: number): Buffer =>
    bytes.subarray((number - 1) * partSize).subarray(0, partSize);
  return { upload, bytes, part };
}

/** Tells which parts were read. */
class RecordedSource implements SeekableSource {
  readonly read = ({ start, end }: { start: number; end: number }): Readable => {
    this.starts.push(start);
    return Readable.from(chunked(this.bytes.subarray(start, end + 1)), { objectMode: false });
  };
  readonly starts: number[] = [];

  constructor(
    private readonly bytes: Uint8Array,
    readonly size = bytes.byteLength,
  ) {}
}

export const resume: readonly Behaviour[] = [
  {
    name: 'goes on in a second storage, by the JSON, reads what is missing only, and completes',
    needs,
    async run(storage, { folder, reopen }) {
      const second = await reopen();
      const { upload, bytes, part } = await begin(storage, `${folder}a.csv`);
      await storage.uploadPart(upload, 2, part(2));
      const source = new RecordedSource(bytes);
      const again = JSON.parse(JSON.stringify(upload)) as MultipartUpload;
      const file = await second.resumeMultipartUpload(again, source);
      assert.deepEqual([file.key, file.contentType], [`${folder}a.csv`, 'text/csv']);
      assert.deepEqual(
        source.starts.toSorted((left, right) => left - right),
        [0, 2 * upload.partSize],
      );
      await assertHolds(storage, `${folder}a.csv`, bytes);
      await rejection(storage.listParts(upload), StorageFileNotFoundError);
    },
  },
  {
    name: 'sends a part of another size again, leaves out those beyond the end, and takes a Blob',
    needs,
    async run(storage, { folder }) {
      const { upload, bytes, part } = await begin(storage, `${folder}a`);
      await storage.uploadPart(upload, 1, part(1));
      await storage.uploadPart(upload, 3, 'too long for the last part');
      await storage.uploadPart(upload, 4, 'nobody asked for this');
      try {
        await storage.resumeMultipartUpload(upload, new Blob([bytes]), { concurrency: 1 });
      } finally {
        // What could not be completed could be resumed again.
        await storage.abortMultipartUpload(upload);
      }
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'only completes where nothing is missing, and stores an empty file as one',
    needs,
    async run(storage, { folder }) {
      const { upload } = await begin(storage, `${folder}a`);
      await storage.uploadPart(upload, 1, 'hello');
      const source = new RecordedSource(Buffer.from('hello'));
      await storage.resumeMultipartUpload(upload, source);
      assert.deepEqual(source.starts, []);
      await assertHolds(storage, `${folder}a`, 'hello');
      const { upload: empty } = await begin(storage, `${folder}b`);
      await storage.resumeMultipartUpload(empty, new Blob([]));
      await assertHolds(storage, `${folder}b`, '');
    },
  },
  {
    name: 'keeps the parts of an upload from a listing, of whatever size they are throughout',
    needs: ({ multipart, multipartListing }) => multipart && multipartListing,
    async run(storage, { folder }) {
      assert.deepEqual(await uploadsUnderWay(storage, folder), []);
      const { upload, bytes, part } = await begin(storage, `${folder}a`);
      await storage.uploadPart(upload, 1, part(1));
      const [listed] = await uploadsUnderWay(storage, folder);
      const source = new RecordedSource(bytes);
      await storage.resumeMultipartUpload(listed!, source);
      assert.ok(!source.starts.includes(0));
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'leaves an upload that can be resumed when the body fails, is too short, or the call is aborted',
    needs,
    async run(storage, { folder }) {
      const { upload, bytes, part } = await begin(storage, `${folder}a`);
      const kept = await storage.uploadPart(upload, 1, part(1));
      const failing = {
        size: bytes.byteLength,
        read: () => Promise.reject(new Error('the disk is gone')),
      };
      await assert.rejects(storage.resumeMultipartUpload(upload, failing), /the disk is gone/);
      const short = new RecordedSource(bytes.subarray(0, -1), bytes.byteLength);
      await rejection(storage.resumeMultipartUpload(upload, short), StorageIntegrityError);
      const aborting = new AbortController();
      const stalling = {
        size: bytes.byteLength,
        read: () => {
          aborting.abort();
          return new Promise<never>(() => {});
        },
      };
      const { signal } = aborting;
      await rejection(
        storage.resumeMultipartUpload(upload, stalling, { signal }),
        StorageAbortedError,
      );
      await assertMissing(storage, `${folder}a`);
      assert.deepEqual((await storage.listParts(upload))[0], kept);
      await storage.resumeMultipartUpload(upload, new Blob([bytes]));
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'refuses by ifNoneMatch what exists, and can then be resumed without',
    needs: ({ multipart, createOnly }) => multipart && createOnly,
    async run(storage, { folder }) {
      const { upload, bytes } = await begin(storage, `${folder}a`);
      await storage.put(`${folder}a`, 'put');
      const body = new Blob([bytes]);
      try {
        await rejection(
          storage.resumeMultipartUpload(upload, body, { ifNoneMatch: '*' }),
          StorageFileExistsError,
        );
        await assertHolds(storage, `${folder}a`, 'put');
        await storage.resumeMultipartUpload(upload, body);
      } finally {
        await storage.abortMultipartUpload(upload);
      }
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'does not resume what is over, nor from a stream, nor more parts than there can be',
    needs,
    async run(storage, { folder }) {
      const { upload, bytes } = await begin(storage, `${folder}a`);
      const stream = Readable.from(chunked(bytes), { objectMode: false });
      for (const body of [stream, 'text', undefined, { size: -1, read: () => '' }, { size: 1 }]) {
        await rejection(
          storage.resumeMultipartUpload(upload, body as unknown as Blob),
          StorageInvalidArgumentError,
        );
      }
      assert.equal(stream.destroyed, false);
      stream.destroy();
      const { maxParts, maxObjectSize } = storage.capabilities.limits;
      const size = upload.partSize * maxParts + 1;
      if (size <= maxObjectSize) {
        const large = { size, read: () => '' };
        const call = storage.resumeMultipartUpload(upload, large);
        await rejection(call, StorageInvalidArgumentError);
      }
      await storage.abortMultipartUpload(upload);
      await rejection(
        storage.resumeMultipartUpload(upload, new Blob([bytes])),
        StorageFileNotFoundError,
      );
      await assertMissing(storage, `${folder}a`);
    },
  },
  {
    name: 'reports progress from what was there on, up to 100 %',
    needs,
    async run(storage, { folder }) {
      const { upload, bytes, part } = await begin(storage, `${folder}a`);
      await storage.uploadPart(upload, 1, part(1));
      const reports: ProgressInfo[] = [];
      await storage.resumeMultipartUpload(upload, new Blob([bytes]), {
        onProgress: (report) => void reports.push(report),
      });
      assert.equal(reports[0]!.bytesTransferred, upload.partSize);
      for (const { key, operation, totalBytes } of reports) {
        assert.deepEqual([key, operation, totalBytes], [`${folder}a`, 'upload', bytes.byteLength]);
      }
      assert.equal(reports.at(-1)!.percentage, 100);
    },
  },
];
