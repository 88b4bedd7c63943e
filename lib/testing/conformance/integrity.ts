import assert from 'node:assert/strict';
import type { Checksum, ChecksumAlgorithm } from '../../core/checksum.js';
import { StorageIntegrityError, StorageInvalidArgumentError } from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { chunked, partSizeOf, someBytes } from './bodies.js';
import { ALGORITHMS, checksumOf } from './checksums.js';
import { assertHolds, assertMissing, rejection } from './expectations.js';

/** The check values that are published for the nine digits: of the CRC catalogue, and by any `md5sum`. */
const CHECK_BODY = '123456789';
const CHECK_VALUES: Readonly<Record<ChecksumAlgorithm, string>> = {
  crc32: 'cbf43926',
  crc32c: 'e3069283',
  md5: '25f9e794323b453885f5181f1b624d0b',
  sha1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  sha256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
};
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
    name: 'takes the published check value of each algorithm, and no other',
    async run(storage, { folder }) {
      for (const [algorithm, hex] of Object.entries(CHECK_VALUES)) {
        const digest = Buffer.from(hex, 'hex');
        const put = (bytes: Buffer): Promise<unknown> => {
          const checksum = { algorithm, value: bytes.toString('base64') } as Checksum;
          return storage.put(folder + algorithm, CHECK_BODY, { checksum });
        };
        await rejection(put(Buffer.from(digest).reverse()), StorageIntegrityError);
        await put(digest);
        await assertHolds(storage, folder + algorithm, CHECK_BODY);
      }
    },
  },
  {
    name: 'takes or refuses by its checksum a stream of several parts',
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const bytes = someBytes(partSize + 10);
      const checksum = checksumOf('sha256', bytes);
      await storage.put(`${folder}a`, chunked(bytes), { partSize, checksum });
      assert.equal((await storage.info(`${folder}a`)).size, bytes.byteLength);
      bytes[bytes.byteLength - 1]! ^= 1;
      await rejection(
        storage.put(`${folder}b`, chunked(bytes), { partSize, checksum }),
        StorageIntegrityError,
      );
      await assertMissing(storage, `${folder}b`);
    },
  },
  {
    name: 'tells of a copy no checksum but that of its bytes',
    async run(storage, { folder }) {
      for (const algorithm of ALGORITHMS) {
        const checksum = checksumOf(algorithm, BYTES);
        await storage.put(`${folder}from`, BYTES, { checksum });
        await storage.copy(`${folder}from`, `${folder}to`);
        const told = (await storage.info(`${folder}to`)).checksum;
        if (told) assert.deepEqual(told, checksumOf(told.algorithm, BYTES));
      }
    },
  },
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
