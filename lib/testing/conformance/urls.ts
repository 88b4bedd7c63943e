import assert from 'node:assert/strict';
import { startChecksum } from '../../core/checksum.js';
import type { Capabilities, UploadConstraint } from '../../core/capabilities.js';
import { StorageInvalidArgumentError, StorageUnsupportedError } from '../../core/errors.js';
import type { UploadUrl } from '../../core/storage-driver.js';
import type { UploadUrlOptions } from '../../core/storage-methods.js';
import type { Behaviour } from './behaviour.js';
import { someBytes } from './bodies.js';
import { assertBytes, assertHolds, assertMissing, rejection } from './expectations.js';

const signs = ({ signedUrls }: Capabilities): boolean => signedUrls;
const METHODS = ['PUT', 'POST'] as const;
const BYTES = someBytes(1000);

const CONSTRAINTS: Readonly<Record<UploadConstraint, UploadUrlOptions>> = {
  contentType: { contentType: 'image/png' },
  size: { size: BYTES.byteLength },
  maxSize: { maxSize: '2kb' },
  checksum: { checksum: sha256(BYTES) },
  createOnly: { ifNoneMatch: '*' },
};

/** What can be told of a URL without fetching it. */
export const urls: readonly Behaviour[] = [
  {
    name: 'signs a URL for a file, which need not exist',
    needs: signs,
    async run(storage, { folder }) {
      const url = new URL(await storage.url(`${folder}not/there ä+#?.txt`));
      assert.match(url.protocol, /^https?:$/);
      assert.equal(url.hash, '');
    },
  },
  {
    name: 'signs another URL for another file, time or answer',
    needs: signs,
    async run(storage, { folder }) {
      const all = [
        await storage.url(`${folder}a`, { expiresIn: 60 }),
        await storage.url(`${folder}b`, { expiresIn: 60 }),
        await storage.url(`${folder}a`, { expiresIn: 120 }),
        await storage.url(`${folder}a`, { expiresIn: 60, contentType: 'text/plain' }),
        await storage.url(`${folder}a`, { expiresIn: 60, disposition: 'attachment' }),
      ];
      assert.equal(new Set(all).size, all.length);
    },
  },
  {
    name: 'takes the life of a URL in seconds or as text',
    needs: signs,
    async run(storage, { folder }) {
      for (const expiresIn of [1, 60, '15m', '1 hour', '2d']) {
        assert.ok(URL.canParse(await storage.url(`${folder}a`, { expiresIn })));
      }
    },
  },
  {
    name: 'refuses a life that is none, or longer than the backend allows',
    needs: signs,
    async run(storage, { folder }) {
      const { maxExpiresIn } = storage.capabilities.limits;
      assert.ok(await storage.url(`${folder}a`, { expiresIn: maxExpiresIn }));
      for (const expiresIn of [0, -1, Number.NaN, maxExpiresIn + 1, '', 'soon', '-5m', '100y']) {
        await rejection(storage.url(`${folder}a`, { expiresIn }), StorageInvalidArgumentError);
      }
    },
  },
  {
    name: 'signs for names of files in any language',
    needs: signs,
    async run(storage, { folder }) {
      for (const filename of [
        'plain.txt',
        'Größe "1".txt',
        '日本語.txt',
        '\uD800',
        '../../x',
        '',
      ]) {
        const disposition = { type: 'attachment', filename } as const;
        assert.ok(URL.canParse(await storage.url(`${folder}a`, { disposition })));
      }
    },
  },
  {
    name: 'refuses a content type that is none in a URL',
    needs: signs,
    async run(storage, { folder }) {
      await rejection(
        storage.url(`${folder}a`, { contentType: 'text\r\nx: y' }),
        StorageInvalidArgumentError,
      );
    },
  },
  {
    name: 'has a public URL only where one is configured',
    async run(storage, { folder }) {
      try {
        const url = await storage.url(`${folder}a b/ä#?.txt`, { public: true });
        assert.ok(new URL(url).pathname.endsWith('a%20b/%C3%A4%23%3F.txt'), url);
      } catch (error) {
        assert.ok(error instanceof StorageUnsupportedError, String(error));
      }
    },
  },
  ...METHODS.flatMap((method): Behaviour[] => [
    {
      name: `makes a signed ${method} upload that says how it is sent and until when`,
      needs: ({ signedUploads }) => signedUploads[method] !== false,
      async run(storage, { folder }) {
        const upload = await storage.uploadUrl(`${folder}a`, { method, expiresIn: 600 });
        assert.equal(upload.method, method);
        assert.ok(URL.canParse(upload.url));
        assert.equal(typeof upload.headers, 'object');
        assert.equal(upload.fields !== undefined, method === 'POST');
        const left = upload.expiresAt.getTime() - Date.now();
        assert.ok(left > 500_000 && left <= 601_000, `${left} ms left`);
      },
    },
    ...Object.entries(CONSTRAINTS).map(([constraint, options]): Behaviour => ({
      name: `binds a signed ${method} upload to ${constraint}, or refuses to`,
      needs: ({ signedUploads }) =>
        signedUploads[method] && signedUploads[method].includes(constraint as UploadConstraint),
      async run(storage, { folder }) {
        const upload = await storage.uploadUrl(`${folder}a`, { method, ...options });
        assert.equal(upload.method, method);
      },
    })),
  ]),
  {
    name: 'refuses a signed upload by any other method',
    async run(storage, { folder }) {
      await rejection(
        storage.uploadUrl(`${folder}a`, { method: 'DELETE' as 'PUT' }),
        StorageUnsupportedError,
      );
    },
  },
];

const NAMES = ['plain.txt', 'a b+c/ä 😀.txt', `100% #?&='"[]{}~$@!();,`, '%41', "..'"];

const uploads =
  (...constraints: UploadConstraint[]) =>
  ({ signedUploads: { PUT } }: Capabilities): boolean =>
    PUT !== false && constraints.every((constraint) => PUT.includes(constraint));

/** What shows only when the URLs are fetched: for backends that serve them themselves. */
export const servedUrls: readonly Behaviour[] = [
  ...NAMES.map((name): Behaviour => ({
    name: `serves the file ${JSON.stringify(name)} by its signed URL`,
    needs: signs,
    async run(storage, { folder }) {
      await storage.put(folder + name, BYTES);
      const response = await fetch(await storage.url(folder + name));
      assert.equal(response.status, 200);
      assertBytes(new Uint8Array(await response.arrayBuffer()), BYTES);
    },
  })),
  {
    name: 'serves a file with the type and disposition that were signed',
    needs: signs,
    async run(storage, { folder }) {
      await storage.put(`${folder}a.html`, '<b>hello</b>');
      const url = await storage.url(`${folder}a.html`, {
        contentType: 'text/plain; charset=utf-8',
        disposition: { type: 'attachment', filename: 'Größe.txt' },
      });
      const response = await fetch(url);
      assert.equal(await response.text(), '<b>hello</b>');
      assert.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8');
      assert.match(response.headers.get('content-disposition')!, /^attachment; .*Gr%C3%B6%C3%9Fe/);
    },
  },
  {
    name: 'serves nothing by a URL without its signature, or for another key',
    needs: signs,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      await storage.put(`${folder}b`, 'hello');
      const url = new URL(await storage.url(`${folder}a`));
      const bare = new URL(url);
      bare.search = '';
      assert.ok(await refused(fetch(bare)));
      const other = new URL(url);
      other.pathname = other.pathname.replace(/a$/, 'b');
      assert.notEqual(other.pathname, url.pathname);
      assert.ok(await refused(fetch(other)));
      assert.ok(await refused(fetch(url, { method: 'PUT', body: 'changed' })));
      assert.ok(await refused(fetch(url, { method: 'DELETE' })));
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'stores by a signed PUT what it is sent',
    needs: uploads(),
    async run(storage, { folder }) {
      const upload = await storage.uploadUrl(`${folder}a b.txt`);
      assert.ok((await send(upload, BYTES)).ok);
      await assertHolds(storage, `${folder}a b.txt`, BYTES);
    },
  },
  {
    name: 'stores by a signed PUT only the type that was signed',
    needs: uploads('contentType'),
    async run(storage, { folder }) {
      const upload = await storage.uploadUrl(`${folder}a`, { contentType: 'image/png' });
      assert.ok(await refused(send(upload, BYTES, { 'content-type': 'text/html' })));
      await assertMissing(storage, `${folder}a`);
      assert.ok((await send(upload, BYTES)).ok);
      assert.equal((await storage.info(`${folder}a`)).contentType, 'image/png');
    },
  },
  {
    name: 'stores by a signed PUT only the length that was signed',
    needs: uploads('size'),
    async run(storage, { folder }) {
      const upload = await storage.uploadUrl(`${folder}a`, { size: 1000 });
      assert.ok(await refused(send(upload, someBytes(1001))));
      assert.ok(await refused(send(upload, someBytes(999))));
      await assertMissing(storage, `${folder}a`);
      assert.ok((await send(upload, BYTES)).ok);
      await assertHolds(storage, `${folder}a`, BYTES);
    },
  },
  {
    name: 'stores by a signed PUT only the checksum that was signed',
    needs: uploads('checksum'),
    async run(storage, { folder }) {
      const upload = await storage.uploadUrl(`${folder}a`, { checksum: sha256(BYTES) });
      assert.ok(await refused(send(upload, someBytes(1000, 2))));
      await assertMissing(storage, `${folder}a`);
      assert.ok((await send(upload, BYTES)).ok);
      await assertHolds(storage, `${folder}a`, BYTES);
    },
  },
  {
    name: 'stores by a signed PUT only where nothing is, when that was signed',
    needs: uploads('createOnly'),
    async run(storage, { folder }) {
      const upload = await storage.uploadUrl(`${folder}a`, { ifNoneMatch: '*' });
      assert.ok((await send(upload, BYTES)).ok);
      assert.ok(await refused(send(upload, someBytes(10))));
      await assertHolds(storage, `${folder}a`, BYTES);
    },
  },
  {
    name: 'stores by a signed POST what it is sent, up to the length that was signed',
    needs: ({ signedUploads: { POST } }) => POST !== false && POST.includes('maxSize'),
    async run(storage, { folder }) {
      const upload = await storage.uploadUrl(`${folder}a`, { method: 'POST', maxSize: 1000 });
      assert.ok(await refused(send(upload, someBytes(1001))));
      await assertMissing(storage, `${folder}a`);
      assert.ok((await send(upload, BYTES)).ok);
      await assertHolds(storage, `${folder}a`, BYTES);
    },
  },
];

function send(
  { method, url, headers, fields }: UploadUrl,
  bytes: Uint8Array<ArrayBuffer>,
  others: Record<string, string> = {},
): Promise<Response> {
  let body: Blob | FormData = new Blob([bytes]);
  if (fields) {
    body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    body.append('file', new Blob([bytes]), 'file');
  }
  return fetch(url, { method, body, headers: { ...headers, ...others } });
}

async function refused(response: Promise<Response>): Promise<boolean> {
  const { status, body } = await response;
  await body?.cancel();
  return status >= 400 && status < 500;
}

function sha256(bytes: Uint8Array): ReturnType<ReturnType<typeof startChecksum>['digest']> {
  const running = startChecksum('sha256');
  running.update(bytes);
  return running.digest();
}
