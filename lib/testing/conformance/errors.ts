import assert from 'node:assert/strict';
import type { Capabilities } from '../../core/capabilities.js';
import {
  StorageError,
  type StorageErrorCode,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
  StorageUnsupportedError,
} from '../../core/errors.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour } from './behaviour.js';
import { listKeys, putAll, rejection } from './expectations.js';

interface Failure {
  readonly operation: string;
  readonly code: StorageErrorCode;
  readonly key?: string;
  readonly needs?: (capabilities: Capabilities) => boolean;
  readonly call: (storage: Storage) => Promise<unknown>;
}

const FAILURES: readonly Failure[] = [
  {
    operation: 'get',
    code: 'FILE_NOT_FOUND',
    key: 'missing',
    call: (storage) => storage.get('missing'),
  },
  {
    operation: 'info',
    code: 'FILE_NOT_FOUND',
    key: 'missing',
    call: (storage) => storage.info('missing'),
  },
  {
    operation: 'copy',
    code: 'FILE_NOT_FOUND',
    key: 'missing',
    call: (storage) => storage.copy('missing', 'to'),
  },
  {
    operation: 'move',
    code: 'FILE_NOT_FOUND',
    key: 'missing',
    call: (storage) => storage.move('missing', 'to'),
  },
  {
    operation: 'put',
    code: 'INVALID_KEY',
    key: 'a//b',
    call: (storage) => storage.put('a//b', 'hello'),
  },
  {
    operation: 'put',
    code: 'INVALID_ARGUMENT',
    key: 'a',
    call: (storage) => storage.put('a', 5 as unknown as string),
  },
  {
    operation: 'put',
    code: 'INTEGRITY',
    key: 'a',
    call: (storage) => storage.put('a', 'hello', { size: 4 }),
  },
  {
    operation: 'put',
    code: 'FILE_EXISTS',
    key: 'there',
    needs: ({ createOnly }) => createOnly,
    call: (storage) => storage.put('there', 'hello', { ifNoneMatch: '*' }),
  },
  {
    operation: 'put',
    code: 'PRECONDITION_FAILED',
    key: 'there',
    needs: ({ compareAndSet }) => compareAndSet,
    call: (storage) => storage.put('there', 'hello', { ifMatch: '"another-version"' }),
  },
  {
    operation: 'get',
    code: 'PRECONDITION_FAILED',
    key: 'there',
    needs: ({ conditionalGet }) => conditionalGet,
    call: (storage) => storage.get('there', { ifMatch: '"another-version"' }),
  },
  {
    operation: 'get',
    code: 'NOT_MODIFIED',
    key: 'there',
    needs: ({ conditionalGet }) => conditionalGet,
    call: async (storage) =>
      storage.get('there', { ifNoneMatch: (await storage.info('there')).etag! }),
  },
  {
    operation: 'get',
    code: 'RANGE_NOT_SATISFIABLE',
    key: 'there',
    needs: ({ ranges }) => ranges,
    call: (storage) => storage.get('there', { range: { start: 5000 } }),
  },
  {
    operation: 'copy',
    code: 'FILE_EXISTS',
    key: 'other',
    needs: ({ createOnlyCopy }) => createOnlyCopy,
    call: (storage) => storage.copy('other', 'there', { ifNoneMatch: '*' }),
  },
  {
    operation: 'uploadPart',
    code: 'FILE_NOT_FOUND',
    key: 'there',
    needs: ({ multipart }) => multipart,
    call: async (storage) => {
      const upload = await storage.startMultipartUpload('there');
      await storage.abortMultipartUpload(upload);
      return storage.uploadPart(upload, 1, 'hello');
    },
  },
  {
    operation: 'get',
    code: 'ABORTED',
    key: 'there',
    call: (storage) => storage.get('there', { signal: AbortSignal.abort() }),
  },
  {
    operation: 'uploadUrl',
    code: 'UNSUPPORTED',
    key: 'there',
    call: (storage) => storage.uploadUrl('there', { method: 'DELETE' as 'PUT' }),
  },
  {
    operation: 'exists',
    code: 'INVALID_KEY',
    key: '../a',
    call: (storage) => storage.exists('../a'),
  },
  {
    operation: 'delete',
    code: 'INVALID_KEY',
    key: '../a',
    call: (storage) => storage.delete('../a'),
  },
  {
    operation: 'deleteMany',
    code: 'INVALID_KEY',
    key: '../a',
    call: (storage) => storage.deleteMany(['../a']),
  },
  {
    operation: 'deletePrefix',
    code: 'INVALID_ARGUMENT',
    call: (storage) => storage.deletePrefix(''),
  },
  {
    operation: 'list',
    code: 'INVALID_ARGUMENT',
    call: (storage) => listKeys(storage, '', { limit: -1 }),
  },
  {
    operation: 'list',
    code: 'INVALID_KEY',
    call: (storage) => listKeys(storage, '/'),
  },
  {
    operation: 'listPage',
    code: 'INVALID_ARGUMENT',
    call: (storage) => storage.listPage({ limit: 0 }),
  },
];

export const errors: readonly Behaviour[] = [
  ...FAILURES.map(({ operation, code, key, needs, call }): Behaviour => ({
    name: `tells of ${code} in ${operation}: code, storage, driver, operation and key`,
    ...(needs && { needs }),
    async run(storage, { folder }) {
      await putAll(storage, [`${folder}there`, `${folder}other`]);
      const error = await rejection(call(storage.scope(folder)), StorageError);
      if (error instanceof StorageUnsupportedError && code !== 'UNSUPPORTED') throw error;
      assert.equal(error.code, code);
      assert.equal(error.name, error.constructor.name);
      assert.equal(error.storage, storage.name);
      assert.equal(error.driver, storage.driver);
      assert.equal(error.operation, operation);
      assert.equal(error.retryable, false);
      if (key !== undefined) {
        assert.equal(error.key, key);
        assert.ok(error.message.includes(JSON.stringify(key)), error.message);
      }
      assert.ok(!error.message.includes(folder), 'the message tells no prefix');
      const json = JSON.parse(JSON.stringify(error)) as Record<string, unknown>;
      assert.equal(json['code'], code);
      assert.equal(json['message'], error.message);
      assert.ok(!JSON.stringify(json).includes(folder), 'the JSON tells no prefix');
    },
  })),
  {
    name: 'names the destination when it is the destination that is refused',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      for (const call of [
        storage.copy(`${folder}a`, 'not//a/key'),
        storage.move(`${folder}a`, 'not//a/key'),
      ]) {
        const error = await rejection(call, StorageInvalidKeyError);
        assert.ok(error.message.includes('"not//a/key"'), error.message);
      }
    },
  },
  {
    name: 'gives each failure an error of its own',
    async run(storage, { folder }) {
      const one = await rejection(storage.get(`${folder}one`), StorageFileNotFoundError);
      const two = await rejection(storage.get(`${folder}two`), StorageFileNotFoundError);
      assert.notEqual(one, two);
      assert.equal(one.key, `${folder}one`);
      assert.equal(two.key, `${folder}two`);
    },
  },
  {
    name: 'rejects, and never throws at once',
    async run(storage) {
      for (const call of [
        () => storage.put('', ''),
        () => storage.put('a', undefined as unknown as string),
        () => storage.get(''),
        () => storage.info(''),
        () => storage.deleteMany(5 as unknown as string[]),
        () => storage.copy('', ''),
        () => storage.url(''),
        () => storage.uploadUrl(''),
        () => storage.uploadPart(undefined as never, 0, ''),
        () => storage.uploadPartUrl(undefined as never, 0),
      ]) {
        let rejected: Promise<unknown> | undefined;
        assert.doesNotThrow(() => (rejected = call()));
        await rejection(rejected!, StorageError);
      }
    },
  },
  {
    name: 'refuses many keys that are none',
    async run(storage) {
      for (const keys of [undefined, null, 5, {}]) {
        await rejection(
          storage.deleteMany(keys as unknown as string[]),
          StorageInvalidArgumentError,
        );
      }
    },
  },
];
