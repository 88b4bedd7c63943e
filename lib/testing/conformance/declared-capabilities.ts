import assert from 'node:assert/strict';
import type { Capabilities } from '../../core/capabilities.js';
import type { Behaviour } from './behaviour.js';
import { ALGORITHMS } from './checksums.js';
import { PART_CONSTRAINTS } from './signed-parts.js';
import { UPLOAD_CONSTRAINTS } from './signed-uploads.js';

type Flag = {
  [Name in keyof Capabilities]: Capabilities[Name] extends boolean ? Name : never;
}[keyof Capabilities];

// A record, so that none is left out.
const FLAGS: Readonly<Record<Flag, true>> = {
  createOnly: true,
  compareAndSet: true,
  conditionalDelete: true,
  createOnlyCopy: true,
  conditionalGet: true,
  ranges: true,
  metadata: true,
  headers: true,
  atomicMove: true,
  multipart: true,
  multipartListing: true,
  signedUrls: true,
  signedCacheControl: true,
  retries: true,
};

/** What the driver says of itself: everything else here goes by it. */
export const declaredCapabilities: readonly Behaviour[] = [
  {
    name: 'tells by flags and lists what it can do',
    async run({ capabilities }) {
      for (const flag of Object.keys(FLAGS) as Flag[]) {
        assert.equal(typeof capabilities[flag], 'boolean', flag);
      }
      assert.ok(['any', 'slash', 'none'].includes(capabilities.delimiters));
      for (const algorithm of capabilities.checksums) assert.ok(ALGORITHMS.includes(algorithm));
      for (const constraints of Object.values(capabilities.signedUploads)) {
        for (const constraint of constraints || []) {
          assert.ok(UPLOAD_CONSTRAINTS.includes(constraint));
        }
      }
      for (const constraint of capabilities.signedParts || []) {
        assert.ok(PART_CONSTRAINTS.includes(constraint));
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
