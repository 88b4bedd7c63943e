import assert from 'node:assert/strict';
import type { Capabilities, PartConstraint } from '../../core/capabilities.js';
import {
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StorageUnsupportedError,
} from '../../core/errors.js';
import type { MultipartUpload } from '../../core/multipart.js';
import type { UploadUrl } from '../../core/storage-driver.js';
import type { PartUrlOptions } from '../../core/storage-methods.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour } from './behaviour.js';
import { someBytes } from './bodies.js';
import { ALGORITHMS, checksumOf } from './checksums.js';
import { altered, assertHolds, assertMissing, isRefused, rejection } from './expectations.js';
import { wholePart } from './multipart.js';
import { send } from './signed-uploads.js';

const BYTES = someBytes(1000);

/** Ways to ask for each constraint, of which a backend may know only some; all of them allow `BYTES`. */
const CONSTRAINTS: Readonly<Record<PartConstraint, readonly PartUrlOptions[]>> = {
  size: [{ size: BYTES.byteLength }],
  checksum: ALGORITHMS.map((algorithm) => ({ checksum: checksumOf(algorithm, BYTES) })),
};

/** What is sent against each constraint. */
const OFFENCES: Readonly<Record<PartConstraint, readonly Uint8Array<ArrayBuffer>[]>> = {
  size: [someBytes(1001), someBytes(999)],
  checksum: [someBytes(1000, 2)],
};

export const PART_CONSTRAINTS = Object.keys(CONSTRAINTS) as readonly PartConstraint[];

const signs = ({ signedParts }: Capabilities): boolean => signedParts !== false;

function bindsTo(constraint: PartConstraint) {
  return ({ signedParts }: Capabilities): boolean => (signedParts || []).includes(constraint);
}

/** What can be told of the URL of a part without sending one. */
export const partUrls: readonly Behaviour[] = [
  {
    name: 'makes a URL for a part that says how it is sent and until when, and no part',
    needs: signs,
    async run(storage, { folder }) {
      await withUpload(storage, `${folder}a`, async (upload) => {
        const signed = await storage.uploadPartUrl(upload, 1, { expiresIn: 600 });
        assert.equal(signed.method, 'PUT');
        assert.ok(URL.canParse(signed.url));
        assert.equal(typeof signed.headers, 'object');
        assert.equal(signed.fields, undefined);
        const left = signed.expiresAt.getTime() - Date.now();
        assert.ok(left > 500_000 && left <= 601_000, `${left} ms left`);
        assert.deepEqual(await storage.listParts(upload), []);
        await assertMissing(storage, `${folder}a`);
      });
    },
  },
  ...PART_CONSTRAINTS.map((constraint): Behaviour => ({
    name: `binds the URL of a part to ${constraint}, or refuses to`,
    needs: bindsTo(constraint),
    async run(storage, { folder }) {
      await withUpload(storage, `${folder}a`, async (upload) => {
        for (const options of await knownWays(storage, upload, constraint)) {
          assert.equal((await storage.uploadPartUrl(upload, 1, options)).method, 'PUT');
        }
      });
    },
  })),
  {
    name: 'refuses to make a URL for what is no part, no size, no checksum or no time',
    needs: signs,
    async run(storage, { folder }) {
      await withUpload(storage, `${folder}a`, async (upload) => {
        assert.ok(await storage.uploadPartUrl(upload, 1));
        const { maxParts, maxExpiresIn } = storage.capabilities.limits;
        const refused: readonly Parameters<Storage['uploadPartUrl']>[] = [
          [upload, 0],
          [upload, 1.5],
          [upload, maxParts + 1],
          [upload, 1, { size: -1 }],
          [upload, 1, { checksum: { algorithm: 'md5', value: 'short' } }],
          [upload, 1, { expiresIn: 0 }],
          [upload, 1, { expiresIn: maxExpiresIn + 1 }],
          [{ ...upload, uploadId: '' }, 1],
        ];
        for (const call of refused) {
          await rejection(storage.uploadPartUrl(...call), StorageInvalidArgumentError);
        }
      });
    },
  },
];

/** What shows only when somebody sends parts by their URLs: for backends that take them themselves. */
export const signedParts: readonly Behaviour[] = [
  {
    name: 'completes with parts that were sent by their URLs, in any order and again',
    needs: signs,
    async run(storage, { folder }) {
      // In a scope, whose prefix the URLs have and the upload has not.
      const scoped = storage.scope(folder);
      const key = `100% #?&='"ä😀.txt`;
      await withUpload(scoped, key, async (upload) => {
        const one = wholePart(storage, 1);
        const etags = new Map<number, string>();
        for (const [partNumber, bytes] of [
          [2, someBytes(10)],
          [1, one],
          [2, BYTES],
        ] as const) {
          const response = await send(await scoped.uploadPartUrl(upload, partNumber), bytes);
          assert.ok(response.ok, `part ${partNumber}: ${response.status}`);
          etags.set(partNumber, response.headers.get('etag')!);
        }
        const parts = [1, 2].map((partNumber) => ({
          partNumber,
          etag: etags.get(partNumber)!,
          size: partNumber === 1 ? one.byteLength : BYTES.byteLength,
        }));
        assert.deepEqual(await scoped.listParts(upload), parts);
        await scoped.completeMultipartUpload(upload, parts);
        await assertHolds(scoped, key, Buffer.concat([one, BYTES]));
      });
    },
  },
  ...PART_CONSTRAINTS.map((constraint): Behaviour => ({
    name: `stores by the URL of a part nothing but the ${constraint} that was signed`,
    needs: bindsTo(constraint),
    async run(storage, { folder }) {
      await withUpload(storage, `${folder}a`, async (upload) => {
        for (const options of await knownWays(storage, upload, constraint)) {
          const before = await storage.listParts(upload);
          const signed = await storage.uploadPartUrl(upload, before.length + 1, options);
          for (const bytes of OFFENCES[constraint]) assert.ok(await isRefused(send(signed, bytes)));
          assert.deepEqual(await storage.listParts(upload), before);
          assert.ok((await send(signed, BYTES)).ok);
          assert.equal((await storage.listParts(upload)).at(-1)?.size, BYTES.byteLength);
        }
      });
    },
  })),
  {
    name: 'stores nothing by the URL of a part for another one, another upload, the file or another method',
    needs: signs,
    async run(storage, { folder }) {
      await withUpload(storage, `${folder}a`, async (upload) => {
        await withUpload(storage, `${folder}a`, async (another) => {
          const signed = await storage.uploadPartUrl(upload, 1);
          const others = [
            await storage.uploadPartUrl(upload, 2),
            await storage.uploadPartUrl(another, 1),
          ];
          if (storage.capabilities.signedUploads.PUT) {
            others.push(await storage.uploadUrl(`${folder}a`));
          }
          for (const other of others) {
            assert.ok(await isRefused(send(withSignatureOf(signed, other), BYTES)));
          }
          assert.ok(await isRefused(fetch(signed.url)));
          assert.ok(await isRefused(fetch(signed.url, { method: 'DELETE' })));
          assert.deepEqual(await storage.listParts(upload), []);
          assert.deepEqual(await storage.listParts(another), []);
          await assertMissing(storage, `${folder}a`);
        });
      });
    },
  },
  {
    name: 'stores nothing by the URL of a part of which anything was changed',
    needs: signs,
    async run(storage, { folder }) {
      await withUpload(storage, `${folder}a`, async (upload) => {
        const signed = await storage.uploadPartUrl(upload, 1, { expiresIn: 60 });
        for (const [name, value] of new URL(signed.url).searchParams) {
          const url = new URL(signed.url);
          url.searchParams.set(name, altered(value));
          const changed = { ...signed, url: url.href };
          assert.ok(await isRefused(send(changed, BYTES)), `${name} was changed`);
        }
        assert.deepEqual(await storage.listParts(upload), []);
        assert.ok((await send(signed, BYTES)).ok);
      });
    },
  },
  {
    name: 'makes no file of a part that is sent by its URL when the upload is over',
    needs: signs,
    async run(storage, { folder }) {
      await withUpload(storage, `${folder}a`, async (upload) => {
        const signed = await storage.uploadPartUrl(upload, 1);
        await storage.abortMultipartUpload(upload);
        // Refused, or stored where it belongs to nothing.
        await (await send(signed, BYTES)).body?.cancel();
        await rejection(storage.listParts(upload), StorageFileNotFoundError);
        await rejection(storage.completeMultipartUpload(upload), StorageFileNotFoundError);
        await assertMissing(storage, `${folder}a`);
      });
    },
  },
];

/** Starts an upload, and aborts what is left of it. */
async function withUpload(
  storage: Storage,
  key: string,
  run: (upload: MultipartUpload) => Promise<void>,
): Promise<void> {
  const upload = await storage.startMultipartUpload(key);
  try {
    await run(upload);
  } finally {
    await storage.abortMultipartUpload(upload);
  }
}

/** The ways to ask for a constraint that the storage does not refuse. @throws StorageUnsupportedError when there is none */
async function knownWays(
  storage: Storage,
  upload: MultipartUpload,
  constraint: PartConstraint,
): Promise<PartUrlOptions[]> {
  const known: PartUrlOptions[] = [];
  let refusal: unknown;
  for (const options of CONSTRAINTS[constraint]) {
    try {
      await storage.uploadPartUrl(upload, 1, options);
      known.push(options);
    } catch (error) {
      if (!(error instanceof StorageUnsupportedError)) throw error;
      refusal = error;
    }
  }
  if (known.length === 0) throw refusal;
  return known;
}

/** The second request, as whoever has only the first would forge it. */
function withSignatureOf(signed: UploadUrl, other: UploadUrl): UploadUrl {
  const forged = new URL(other.url);
  for (const [name, value] of new URL(signed.url).searchParams) {
    if (/sig/i.test(name)) forged.searchParams.set(name, value);
  }
  assert.notEqual(forged.href, other.url);
  return { ...other, url: forged.href };
}
