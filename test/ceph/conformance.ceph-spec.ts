import assert from 'node:assert/strict';
import { type StorageError, StorageInvalidArgumentError } from '../../lib/core/errors.js';
import type { Storage } from '../../lib/core/storage.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import {
  describeStorageDriver,
  type OpenedStorage,
  type TestRunner,
} from '../../lib/testing/conformance/index.js';
import { textsOf } from './battery/probe.js';
import { RawBucket } from './battery/request.js';
import { describeRadosgw, type Radosgw, startRadosgw } from './radosgw.js';

/** Behaviours that radosgw cannot have, and no driver give it, with the error that says so. */
const OUT_OF_REACH: ReadonlyMap<string, typeof StorageError> = new Map([
  // It answers InvalidPart unless every part that was sent is named.
  ['completes with only the parts that are named', StorageInvalidArgumentError],
  [
    'sends a part of another size again, leaves out those beyond the end, and takes a Blob',
    StorageInvalidArgumentError,
  ],
]);

const runner: TestRunner = {
  describe,
  beforeAll,
  afterAll,
  it(name, run, timeout) {
    const refusal = OUT_OF_REACH.get(name);
    it(name, refusal ? () => expect(run()).rejects.toThrow(refusal) : run, timeout);
  },
};

describeRadosgw('radosgw', () => {
  let radosgw: Radosgw;

  beforeAll(async () => {
    radosgw = await startRadosgw();
  });

  afterAll(() => radosgw?.close());

  async function open(): Promise<OpenedStorage> {
    const bucket = await RawBucket.create(radosgw);
    const reopen = (): Promise<Storage> =>
      openStorage('s3', {
        driver: 's3',
        provider: 'ceph',
        bucket: bucket.name,
        endpoint: `http://127.0.0.1:${radosgw.port}`,
        region: radosgw.region,
        ...radosgw.credentials,
      });
    const storage = await reopen();
    return {
      storage,
      reopen,
      async destroy() {
        await storage.close();
        const left = await bucket.ask('GET', '', { query: { uploads: '' } });
        assert.deepEqual(textsOf(left, 'UploadId'), []);
      },
    };
  }

  describeStorageDriver('s3 as ceph', open, { runner, servesUrls: true });
});
