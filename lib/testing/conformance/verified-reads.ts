import { buffer } from 'node:stream/consumers';
import { StorageInvalidArgumentError, StorageUnsupportedError } from '../../core/errors.js';
import type { GetOptions } from '../../core/storage-methods.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour } from './behaviour.js';
import { chunked, partSizeOf, someBytes } from './bodies.js';
import { checksumOf } from './checksums.js';
import { assertBytes, rejection } from './expectations.js';

const BYTES = someBytes(100_000);

/** That a damaged byte is found is for the driver's own tests, which can get at the bytes. */
export const verifiedReads: readonly Behaviour[] = [
  {
    name: 'verifies a file that was put with a checksum which the backend keeps',
    needs: ({ checksums }) => checksums.length > 0,
    async run(storage, { folder }) {
      const { checksums } = storage.capabilities;
      for (const algorithm of checksums.length > 0 ? checksums : (['md5'] as const)) {
        const checksum = checksumOf(algorithm, BYTES);
        await storage.put(folder + algorithm, BYTES, { checksum });
        assertBytes(await storage.getBytes(folder + algorithm, { verify: true }), BYTES);
        const { stream } = await storage.get(folder + algorithm, { verify: true });
        assertBytes(await buffer(stream), BYTES);
      }
    },
  },
  {
    name: 'verifies whatever it tells a checksum of, and refuses the rest rather than pretend',
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const large = someBytes(2 * partSize + 10);
      await storage.put(`${folder}empty`, '');
      await storage.put(`${folder}small`, BYTES);
      await storage.put(`${folder}large`, chunked(large), { partSize });
      await storage.copy(`${folder}small`, `${folder}copy`);
      await assertVerifies(storage, `${folder}empty`, new Uint8Array());
      await assertVerifies(storage, `${folder}small`, BYTES);
      await assertVerifies(storage, `${folder}copy`, BYTES);
      await assertVerifies(storage, `${folder}large`, large);
      const { ranges, conditionalGet } = storage.capabilities;
      if (!ranges || !conditionalGet) return;
      await assertVerifies(storage, `${folder}large`, large, { concurrency: 2, partSize });
    },
  },
  {
    name: 'verifies a file that was joined from parts, or refuses to',
    needs: ({ multipart }) => multipart,
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const bytes = someBytes(partSize + 10);
      const upload = await storage.startMultipartUpload(`${folder}a`, { partSize });
      const parts = [bytes.subarray(0, partSize), bytes.subarray(partSize)];
      for (const [index, part] of parts.entries()) {
        await storage.uploadPart(upload, index + 1, part);
      }
      await storage.completeMultipartUpload(upload);
      await assertVerifies(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'refuses a range that is to be verified',
    needs: ({ ranges }) => ranges,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      for (const range of [{ start: 0 }, { suffix: 2 }]) {
        await rejection(
          storage.get(`${folder}a`, { range, verify: true }),
          StorageInvalidArgumentError,
        );
      }
    },
  },
  {
    name: 'refuses a verify that is neither true nor false',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      const verify = 'yes' as unknown as boolean;
      await rejection(storage.get(`${folder}a`, { verify }), StorageInvalidArgumentError);
    },
  },
];

/** Without a checksum in `info` it may be verified all the same: some services tell one only with the bytes. */
async function assertVerifies(
  storage: Storage,
  key: string,
  bytes: Uint8Array,
  options: GetOptions = {},
): Promise<void> {
  const { checksum } = await storage.info(key);
  const isKept = checksum !== undefined && storage.capabilities.checksums.length > 0;
  let read: Uint8Array;
  try {
    read = await storage.getBytes(key, { ...options, verify: true });
  } catch (error) {
    if (!isKept && error instanceof StorageUnsupportedError) return;
    throw error;
  }
  assertBytes(read, bytes);
}
