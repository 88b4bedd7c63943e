import { strict as assert } from 'node:assert';
import { Readable } from 'node:stream';
import type { MultipartPart, MultipartUpload } from '../../lib/core/multipart.js';
import type { Storage } from '../../lib/core/storage.js';
import { StorageError } from '../../lib/core/errors.js';

/** Bytes by what they are called in the table below. */
export interface Contents {
  readonly old: Buffer;
  readonly small: Buffer;
  /** A part and a bit. */
  readonly large: Buffer;
  readonly partSize: number;
}

export type ContentName = 'old' | 'small' | 'large';

/** Files by key; those that are not there are `undefined`. */
export type Files = Readonly<Record<string, ContentName | undefined>>;

/** An upload as it was prepared. */
export interface Upload {
  readonly upload: MultipartUpload;
  readonly parts: readonly MultipartPart[];
}

/** One method of a storage, or some that belong together, and what it changes. */
export interface FaultedOperation {
  readonly name: string;
  /** What is stored before. */
  readonly before: Files;
  /** What a success changes. */
  readonly after: Files;
  /** Begins a multipart upload of the large file, with all of its parts but so many. */
  readonly upload?: { readonly missing: number };
  /** Refuses what is there, and so could take its own first attempt for somebody else's. */
  readonly createOnly?: true;
  /** Gives out bytes as they come: where the driver does not go on by itself, nobody can. */
  readonly isStreamed?: true;
  /** @throws AssertionError when what it resolves with is wrong */
  run(call: Call): Promise<unknown>;
}

interface Call {
  readonly storage: Storage;
  readonly contents: Contents;
  readonly upload: Upload | undefined;
  /** Bodies that were opened and have to be closed in the end. */
  readonly sources: Readable[];
  /** Uploads that were begun, for whoever clears up. */
  readonly begun: MultipartUpload[];
}

const READABLE: Files = { key: 'large' };
const THREE: Files = { 'many/a': 'old', 'many/b': 'old', 'many/c': 'old' };
const NONE: Files = { 'many/a': undefined, 'many/b': undefined, 'many/c': undefined };

export const OPERATIONS: readonly FaultedOperation[] = [
  {
    name: 'put small',
    before: { key: 'old' },
    after: { key: 'small' },
    run: ({ storage, contents }) => storage.put('key', contents.small),
  },
  {
    name: 'put create-only',
    before: {},
    after: { key: 'small' },
    createOnly: true,
    run: ({ storage, contents }) => storage.put('key', contents.small, { ifNoneMatch: '*' }),
  },
  {
    name: 'put large',
    before: { key: 'old' },
    after: { key: 'large' },
    run: ({ storage, contents: { large, partSize } }) => storage.put('key', large, { partSize }),
  },
  {
    name: 'put stream',
    before: { key: 'old' },
    after: { key: 'large' },
    run: ({ storage, contents: { large, partSize }, sources }) =>
      storage.put('key', opened(large, sources), { partSize }),
  },
  {
    name: 'put small stream',
    before: {},
    after: { key: 'small' },
    run: ({ storage, contents, sources }) => storage.put('key', opened(contents.small, sources)),
  },
  {
    name: 'stage + commit',
    before: { key: 'old' },
    after: { key: 'small' },
    async run({ storage, contents }) {
      const staged = await storage.stage(contents.small);
      try {
        return await staged.commit('key');
      } catch (error) {
        await staged.discard().catch(() => {});
        throw error;
      }
    },
  },
  {
    name: 'get',
    before: READABLE,
    after: {},
    isStreamed: true,
    async run({ storage, contents }) {
      const download = await storage.get('key');
      const chunks: Uint8Array[] = [];
      for await (const chunk of download) chunks.push(chunk);
      assertBytes(Buffer.concat(chunks), contents.large);
    },
  },
  {
    name: 'get a range',
    before: READABLE,
    after: {},
    isStreamed: true,
    async run({ storage, contents }) {
      const download = await storage.get('key', { range: { start: 10, end: 5009 } });
      assertBytes(await download.bytes(), contents.large.subarray(10, 5010));
    },
  },
  {
    name: 'getBytes',
    before: { key: 'small' },
    after: {},
    async run({ storage, contents }) {
      assertBytes(await storage.getBytes('key'), contents.small);
    },
  },
  {
    name: 'info',
    before: { key: 'small' },
    after: {},
    async run({ storage, contents }) {
      assert.equal((await storage.info('key')).size, contents.small.byteLength);
    },
  },
  {
    name: 'exists',
    before: { key: 'small' },
    after: {},
    async run({ storage }) {
      assert.equal(await storage.exists('key'), true);
    },
  },
  {
    name: 'exists not',
    before: {},
    after: {},
    async run({ storage }) {
      assert.equal(await storage.exists('nothing'), false);
    },
  },
  {
    name: 'list',
    before: THREE,
    after: {},
    async run({ storage }) {
      const keys: string[] = [];
      for await (const { key } of storage.list('many/')) keys.push(key);
      assert.deepEqual(keys, Object.keys(THREE));
    },
  },
  {
    name: 'delete',
    before: { key: 'old' },
    after: { key: undefined },
    run: ({ storage }) => storage.delete('key'),
  },
  {
    name: 'deleteMany',
    before: THREE,
    after: NONE,
    run: async ({ storage }) => wholly(await storage.deleteMany(Object.keys(THREE))),
  },
  {
    name: 'deletePrefix',
    before: THREE,
    after: NONE,
    run: async ({ storage }) => wholly(await storage.deletePrefix('many/')),
  },
  {
    name: 'copy',
    before: { from: 'small', key: 'old' },
    after: { key: 'small' },
    run: ({ storage }) => storage.copy('from', 'key'),
  },
  {
    name: 'move',
    before: { from: 'small', key: 'old' },
    after: { from: undefined, key: 'small' },
    run: ({ storage }) => storage.move('from', 'key'),
  },
  {
    name: 'startMultipart',
    before: { key: 'old' },
    after: {},
    async run({ storage, contents: { large, partSize }, begun }) {
      const size = large.byteLength;
      begun.push(await storage.startMultipartUpload('key', { size, partSize }));
    },
  },
  {
    name: 'uploadPart',
    before: { key: 'old' },
    after: {},
    upload: { missing: 1 },
    run: ({ storage, contents, upload }) =>
      storage.uploadPart(upload!.upload, 2, partOf(contents, 2)),
  },
  {
    name: 'listParts',
    before: { key: 'old' },
    after: {},
    upload: { missing: 0 },
    async run({ storage, upload }) {
      const parts = await storage.listParts(upload!.upload);
      assert.deepEqual(
        parts.map(({ partNumber, size }) => [partNumber, size]),
        upload!.parts.map(({ partNumber, size }) => [partNumber, size]),
      );
    },
  },
  {
    name: 'completeMultipart',
    before: { key: 'old' },
    after: { key: 'large' },
    upload: { missing: 0 },
    run: ({ storage, upload }) =>
      storage.completeMultipartUpload(upload!.upload, [...upload!.parts]),
  },
  {
    name: 'complete create-only',
    before: {},
    after: { key: 'large' },
    upload: { missing: 0 },
    createOnly: true,
    run: ({ storage, upload }) =>
      storage.completeMultipartUpload(upload!.upload, [...upload!.parts], { ifNoneMatch: '*' }),
  },
  {
    name: 'abortMultipart',
    before: { key: 'old' },
    after: {},
    upload: { missing: 1 },
    run: ({ storage, upload }) => storage.abortMultipartUpload(upload!.upload),
  },
];

/** The bytes of a part of the large file. */
export function partOf({ large, partSize }: Contents, partNumber: number): Buffer {
  return large.subarray((partNumber - 1) * partSize, partNumber * partSize);
}

/** In chunks, without saying how many. */
function opened(bytes: Buffer, sources: Readable[]): Readable {
  const chunks = function* (): Generator<Uint8Array> {
    for (let start = 0; start < bytes.byteLength; start += 64 * 1024) {
      yield bytes.subarray(start, start + 64 * 1024);
    }
  };
  const source = Readable.from(chunks());
  sources.push(source);
  return source;
}

function assertBytes(found: Uint8Array, expected: Buffer): void {
  // Compared as a whole: the message would tell megabytes.
  assert.ok(expected.equals(found), `${found.byteLength} bytes that are not those of the file`);
}

/** @throws StorageError the first failure of a batch */
function wholly({ failed }: { failed: readonly { error: StorageError }[] }): void {
  for (const { error } of failed) throw error;
}
