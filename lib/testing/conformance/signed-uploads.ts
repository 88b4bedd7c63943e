import assert from 'node:assert/strict';
import type { Capabilities, UploadConstraint } from '../../core/capabilities.js';
import { StorageUnsupportedError } from '../../core/errors.js';
import type { UploadUrl } from '../../core/storage-driver.js';
import type { UploadUrlOptions } from '../../core/storage-methods.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour } from './behaviour.js';
import { someBytes } from './bodies.js';
import { ALGORITHMS, checksumOf } from './checksums.js';
import { altered, assertHolds, assertMissing, isRefused, listKeys } from './expectations.js';

type Method = UploadUrl['method'];

const BYTES = someBytes(1000);

/** Ways to ask for each constraint, of which a backend may know only some; all of them allow `BYTES`. */
const CONSTRAINTS: Readonly<Record<UploadConstraint, readonly UploadUrlOptions[]>> = {
  contentType: [{ contentType: 'image/png' }],
  size: [{ size: BYTES.byteLength }],
  maxSize: [{ maxSize: BYTES.byteLength }],
  checksum: ALGORITHMS.map((algorithm) => ({ checksum: checksumOf(algorithm, BYTES) })),
  createOnly: [{ ifNoneMatch: '*' }],
};

export const UPLOAD_CONSTRAINTS = Object.keys(CONSTRAINTS) as readonly UploadConstraint[];

/** What is sent against each constraint. */
const OFFENCES: Readonly<
  Record<
    Exclude<UploadConstraint, 'createOnly'>,
    readonly ((upload: UploadUrl) => Promise<Response>)[]
  >
> = {
  contentType: [(upload) => send(withType(upload, 'text/html'), BYTES)],
  size: [(upload) => send(upload, someBytes(1001)), (upload) => send(upload, someBytes(999))],
  maxSize: [(upload) => send(upload, someBytes(1001))],
  checksum: [(upload) => send(upload, someBytes(1000, 2))],
};

export function bindsTo(method: Method, constraint: UploadConstraint) {
  return ({ signedUploads }: Capabilities): boolean =>
    (signedUploads[method] || []).includes(constraint);
}

/** The ways to ask for a constraint that the storage does not refuse. @throws StorageUnsupportedError when there is none */
export async function knownWays(
  storage: Storage,
  method: Method,
  constraint: UploadConstraint,
): Promise<UploadUrlOptions[]> {
  const known: UploadUrlOptions[] = [];
  let refusal: unknown;
  for (const options of CONSTRAINTS[constraint]) {
    try {
      await storage.uploadUrl('a', { method, ...options });
      known.push(options);
    } catch (error) {
      if (!(error instanceof StorageUnsupportedError)) throw error;
      refusal = error;
    }
  }
  if (known.length === 0) throw refusal;
  return known;
}

/** What shows only when somebody sends the uploads: for backends that take them themselves. */
export const signedUploads: readonly Behaviour[] = [
  ...(['PUT', 'POST'] as const).flatMap((method): Behaviour[] => [
    {
      name: `stores by a signed ${method} what is sent with nothing but what it says`,
      needs: (capabilities) => capabilities.signedUploads[method] !== false,
      async run(storage, { folder }) {
        for (const name of ['a b.txt', `100% #?&='"ä😀.txt`]) {
          const upload = await storage.uploadUrl(folder + name, { method });
          assert.ok((await send(upload, BYTES)).ok, name);
          await assertHolds(storage, folder + name, BYTES);
        }
      },
    },
    {
      name: `stores by a signed ${method} an empty file`,
      needs: (capabilities) => capabilities.signedUploads[method] !== false,
      async run(storage, { folder }) {
        const upload = await storage.uploadUrl(`${folder}a`, { method });
        assert.ok((await send(upload, new Uint8Array())).ok);
        await assertHolds(storage, `${folder}a`, '');
      },
    },
    {
      name: `stores by a signed ${method} what is only staged, of a scope, too`,
      needs: (capabilities) => capabilities.signedUploads[method] !== false,
      async run(storage, { folder }) {
        const scoped = storage.scope(folder);
        const upload = await scoped.staging().uploadUrl('a b.txt', { method });
        assert.ok((await send(upload, BYTES)).ok);
        assert.deepEqual(await listKeys(storage, folder), []);
        await (await scoped.staged('a b.txt')).commit('a');
        await assertHolds(storage, `${folder}a`, BYTES);
      },
    },
    {
      name: `stores by a signed ${method} only under the key that was signed`,
      needs: (capabilities) => capabilities.signedUploads[method] !== false,
      async run(storage, { folder }) {
        await storage.put(`${folder}b`, 'before');
        const upload = await storage.uploadUrl(`${folder}a`, { method });
        assert.ok(await isRefused(send(forOtherKey(upload), BYTES)));
        assert.ok((await send(upload, BYTES)).ok);
        await assertHolds(storage, `${folder}b`, 'before');
        await assertHolds(storage, `${folder}a`, BYTES);
      },
    },
    ...Object.entries(OFFENCES).map(([constraint, offences]): Behaviour => ({
      name: `stores by a signed ${method} nothing but the ${constraint} that was signed`,
      needs: bindsTo(method, constraint as UploadConstraint),
      async run(storage, { folder }) {
        const known = await knownWays(storage, method, constraint as UploadConstraint);
        for (const [index, options] of known.entries()) {
          const key = `${folder}${index}`;
          const upload = await storage.uploadUrl(key, { method, ...options });
          for (const offend of offences) assert.ok(await isRefused(offend(upload)));
          await assertMissing(storage, key);
          assert.ok((await send(upload, BYTES)).ok);
          await assertHolds(storage, key, BYTES);
          const { contentType } = await storage.info(key);
          if (options.contentType) assert.equal(contentType, options.contentType);
        }
      },
    })),
    {
      name: `stores by a signed ${method} only where nothing is, when that was signed`,
      needs: bindsTo(method, 'createOnly'),
      async run(storage, { folder }) {
        const upload = await storage.uploadUrl(`${folder}a`, { method, ifNoneMatch: '*' });
        assert.ok((await send(upload, BYTES)).ok);
        assert.ok(await isRefused(send(upload, someBytes(10))));
        await assertHolds(storage, `${folder}a`, BYTES);
      },
    },
    {
      name: `stores by a signed ${method} that is bound to all that the backend enforces`,
      needs: ({ signedUploads }) => signedUploads[method] !== false,
      async run(storage, { folder }) {
        const constraints = storage.capabilities.signedUploads[method] || [];
        const options: UploadUrlOptions = { method };
        for (const constraint of constraints) {
          const [first] = await knownWays(storage, method, constraint);
          Object.assign(options, first);
        }
        const upload = await storage.uploadUrl(`${folder}a`, options);
        for (const constraint of constraints) {
          if (constraint === 'createOnly') continue;
          for (const offend of OFFENCES[constraint]) assert.ok(await isRefused(offend(upload)));
        }
        await assertMissing(storage, `${folder}a`);
        assert.ok((await send(upload, BYTES)).ok);
        await assertHolds(storage, `${folder}a`, BYTES);
      },
    },
  ]),
  {
    name: 'neither reads nor deletes by the URL of a signed PUT',
    needs: ({ signedUploads: { PUT } }) => PUT !== false,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      const { url } = await storage.uploadUrl(`${folder}a`);
      assert.ok(await isRefused(fetch(url)));
      assert.ok(await isRefused(fetch(url, { method: 'DELETE' })));
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'stores nothing by a signed POST of which any field was changed',
    needs: ({ signedUploads: { POST } }) => POST !== false,
    async run(storage, { folder }) {
      const upload = await storage.uploadUrl(`${folder}a`, { method: 'POST' });
      for (const [name, value] of Object.entries(upload.fields!)) {
        const fields = { ...upload.fields, [name]: altered(value) };
        assert.ok(await isRefused(send({ ...upload, fields }, BYTES)), `${name} was changed`);
      }
      await assertMissing(storage, `${folder}a`);
      assert.deepEqual(await listKeys(storage, folder), []);
    },
  },
];

/** Sends the bytes as the upload says: its headers, its fields in their order, the file last. */
export function send(
  { method, url, headers, fields }: UploadUrl,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Response> {
  let body: Blob | FormData = new Blob([bytes]);
  if (fields) {
    body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    body.append('file', new Blob([bytes]), 'file');
  }
  return fetch(url, { method, body, headers });
}

function withType(upload: UploadUrl, contentType: string): UploadUrl {
  if (!upload.fields) {
    return { ...upload, headers: { ...upload.headers, 'content-type': contentType } };
  }
  const fields = Object.entries(upload.fields).map(([name, value]) => [
    name,
    name.toLowerCase() === 'content-type' ? contentType : value,
  ]);
  return { ...upload, fields: Object.fromEntries(fields) as Record<string, string> };
}

/** The same upload for a key that ends with `b` instead of `a`: in the field of a form, or in the URL. */
function forOtherKey(upload: UploadUrl): UploadUrl {
  const key = upload.fields?.['key'];
  if (key !== undefined) {
    return { ...upload, fields: { ...upload.fields, key: key.replace(/a$/, 'b') } };
  }
  const url = new URL(upload.url);
  url.pathname = url.pathname.replace(/a$/, 'b');
  return { ...upload, url: url.href };
}
