import assert from 'node:assert/strict';
import type { Capabilities, UploadConstraint } from '../../core/capabilities.js';
import type { ChecksumAlgorithm } from '../../core/checksum.js';
import type { Behaviour } from './behaviour.js';

const FLAGS = [
  'createOnly',
  'compareAndSet',
  'conditionalDelete',
  'createOnlyCopy',
  'conditionalGet',
  'ranges',
  'metadata',
  'headers',
  'atomicMove',
  'multipart',
  'multipartListing',
  'signedUrls',
  'signedCacheControl',
  'retries',
] as const satisfies readonly (keyof Capabilities)[];
const CHECKSUMS: readonly ChecksumAlgorithm[] = ['crc32', 'crc32c', 'md5', 'sha1', 'sha256'];
const CONSTRAINTS: readonly UploadConstraint[] = [
  'contentType',
  'size',
  'maxSize',
  'checksum',
  'createOnly',
];

/** What the driver says of itself: everything else here goes by it. */
export const declaredCapabilities: readonly Behaviour[] = [
  {
    name: 'tells by flags and lists what it can do',
    async run({ capabilities }) {
      for (const flag of FLAGS) assert.equal(typeof capabilities[flag], 'boolean', flag);
      assert.ok(['any', 'slash', 'none'].includes(capabilities.delimiters));
      for (const algorithm of capabilities.checksums) assert.ok(CHECKSUMS.includes(algorithm));
      for (const constraints of Object.values(capabilities.signedUploads)) {
        for (const constraint of constraints || []) assert.ok(CONSTRAINTS.includes(constraint));
      }
      for (const constraint of capabilities.signedParts || []) {
        assert.ok(['size', 'checksum'].includes(constraint));
      }
      assert.ok(capabilities.multipart || capabilities.signedParts === false);
      assert.deepEqual(Object.keys(capabilities.signedUploads).toSorted(), ['POST', 'PUT']);
    },
  },
  {
    name: 'tells limits in whole numbers that agree with each other',
    async run({ capabilities: { limits } }) {
      for (const [name, limit] of Object.entries(limits)) {
        assert.ok(Number.isSafeInteger(limit) && limit >= 0, `${name} is ${limit}`);
      }
      const { minPartSize, maxPartSize, maxParts, deleteBatch, maxExpiresIn } = limits;
      assert.ok(minPartSize <= maxPartSize);
      for (const most of [limits.maxObjectSize, maxPartSize, maxParts, deleteBatch, maxExpiresIn]) {
        assert.ok(most >= 1);
      }
    },
  },
  {
    name: 'tells the same of its views',
    async run(storage, { folder }) {
      assert.deepEqual(storage.scope(folder).capabilities, storage.capabilities);
      assert.deepEqual(storage.readonly().capabilities, storage.capabilities);
    },
  },
];
