import assert from 'node:assert/strict';
import { type ChecksumAlgorithm, startChecksum, type Checksum } from '../../core/checksum.js';
import { StorageIntegrityError, StorageInvalidArgumentError } from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { chunked, someBytes } from './bodies.js';
import { assertHolds, assertMissing, rejection } from './expectations.js';

const ALGORITHMS: readonly ChecksumAlgorithm[] = ['crc32', 'md5', 'sha1', 'sha256'];
const BYTES = someBytes(100_000);

export const integrity: readonly Behaviour[] = [
  {
    name: 'takes a body of the announced size',
    async run(storage, { folder }) {
      await storage.put(`${folder}memory`, BYTES, { size: BYTES.byteLength });
      await storage.put(`${folder}stream`, chunked(BYTES), { size: BYTES.byteLength });
      await assertHolds(storage, `${folder}memory`, BYTES);
      await assertHolds(storage, `${folder}stream`, BYTES);
    },
  },
  {
    name: 'takes an empty stream that is announced as empty',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, chunked(new Uint8Array()), { size: 0 });
      await assertHolds(storage, `${folder}a`, '');
    },
  },
  ...[
    { what: 'longer', size: BYTES.byteLength - 1 },
    { what: 'shorter', size: BYTES.byteLength + 1 },
  ].map(({ what, size }): Behaviour => ({
    name: `refuses a body that is ${what} than announced and keeps the old file`,
    async run(storage, { folder }) {
      await storage.put(`${folder}old`, 'before');
      for (const body of [BYTES, () => chunked(BYTES)]) {
        const put = (key: string): Promise<unknown> =>
          storage.put(key, typeof body === 'function' ? body() : body, { size });
        await rejection(put(`${folder}old`), StorageIntegrityError);
        await rejection(put(`${folder}new`), StorageIntegrityError);
      }
      await assertHolds(storage, `${folder}old`, 'before');
      await assertMissing(storage, `${folder}new`);
    },
  })),
  {
    name: 'refuses a size that is none',
    async run(storage, { folder }) {
      for (const size of [-1, 0.5, Number.NaN]) {
        await rejection(storage.put(`${folder}a`, 'a', { size }), StorageInvalidArgumentError);
      }
      await assertMissing(storage, `${folder}a`);
    },
  },
  ...ALGORITHMS.flatMap((algorithm): Behaviour[] => [
    {
      name: `takes a body with the announced ${algorithm}`,
      async run(storage, { folder }) {
        const checksum = checksumOf(algorithm, BYTES);
        await storage.put(`${folder}memory`, BYTES, { checksum });
        await storage.put(`${folder}stream`, chunked(BYTES), { checksum });
        await assertHolds(storage, `${folder}memory`, BYTES);
        await assertHolds(storage, `${folder}stream`, BYTES);
      },
    },
    {
      name: `refuses a body with any other ${algorithm} and keeps the old file`,
      async run(storage, { folder }) {
        const checksum = checksumOf(algorithm, Buffer.from('something else'));
        await storage.put(`${folder}old`, 'before');
        await rejection(storage.put(`${folder}old`, BYTES, { checksum }), StorageIntegrityError);
        await rejection(
          storage.put(`${folder}old`, chunked(BYTES), { checksum }),
          StorageIntegrityError,
        );
        await rejection(
          storage.put(`${folder}new`, chunked(BYTES), { checksum }),
          StorageIntegrityError,
        );
        await assertHolds(storage, `${folder}old`, 'before');
        await assertMissing(storage, `${folder}new`);
      },
    },
  ]),
  {
    name: 'refuses what is not a checksum',
    async run(storage, { folder }) {
      const { value } = checksumOf('md5', BYTES);
      for (const checksum of [
        { algorithm: 'md4', value },
        { algorithm: 'sha256', value },
        { algorithm: 'md5', value: value.replace(/=/g, '') },
        { algorithm: 'md5', value: '' },
      ]) {
        await rejection(
          storage.put(`${folder}a`, BYTES, { checksum: checksum as Checksum }),
          StorageInvalidArgumentError,
        );
      }
      await assertMissing(storage, `${folder}a`);
    },
  },
  {
    name: 'tells the checksum that it keeps, and no other',
    async run(storage, { folder }) {
      for (const algorithm of ALGORITHMS) {
        const checksum = checksumOf(algorithm, BYTES);
        await storage.put(`${folder}${algorithm}`, BYTES, { checksum });
        const told = (await storage.info(`${folder}${algorithm}`)).checksum;
        if (storage.capabilities.checksums.includes(algorithm)) assert.deepEqual(told, checksum);
        else if (told) assert.deepEqual(told, checksumOf(told.algorithm, BYTES));
      }
    },
  },
];

function checksumOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Checksum {
  const running = startChecksum(algorithm);
  running.update(bytes);
  return running.digest();
}
