import assert from 'node:assert/strict';
import type { Capabilities } from '../../core/capabilities.js';
import type { Behaviour } from './behaviour.js';
import { someBytes } from './bodies.js';
import { altered, assertBytes, assertHolds, isRefused, untilRefused } from './expectations.js';
import { keyNames } from './key-names.js';
import { send } from './signed-uploads.js';

const signs = ({ signedUrls }: Capabilities): boolean => signedUrls;
const BYTES = someBytes(1000);

/** What shows only when signed URLs are fetched: for backends that serve them themselves. */
export const servedUrls: readonly Behaviour[] = [
  {
    name: 'serves a file of every name by its signed URL',
    needs: signs,
    async run(storage, { folder, names }) {
      for (const [index, name] of keyNames(names).entries()) {
        const key = `${folder}${index}/${name}`;
        await storage.put(key, name);
        const response = await fetch(await storage.url(key));
        assert.equal(response.status, 200, name);
        assert.equal(await response.text(), name);
      }
    },
  },
  {
    name: 'serves a file with the attributes that it was stored with',
    needs: (capabilities) => signs(capabilities) && capabilities.headers,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES, {
        contentType: 'image/png',
        cacheControl: 'no-cache',
        contentDisposition: 'attachment; filename="x.png"',
      });
      const { headers, ...response } = await fetched(await storage.url(`${folder}a`));
      assertBytes(response.bytes, BYTES);
      assert.equal(headers.get('content-type'), 'image/png');
      assert.equal(headers.get('cache-control'), 'no-cache');
      assert.equal(headers.get('content-disposition'), 'attachment; filename="x.png"');
    },
  },
  {
    name: 'serves a file with the type and disposition that were signed',
    needs: signs,
    async run(storage, { folder }) {
      await storage.put(`${folder}a.html`, '<b>hello</b>');
      const url = await storage.url(`${folder}a.html`, {
        contentType: 'text/plain; charset=utf-8',
        disposition: { type: 'attachment', filename: 'Größe.txt' },
      });
      const { headers, bytes } = await fetched(url);
      assertBytes(bytes, '<b>hello</b>');
      assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8');
      assert.match(headers.get('content-disposition')!, /^attachment; .*Gr%C3%B6%C3%9Fe/);
    },
  },
  {
    name: 'serves a file with the Cache-Control that was signed, for a whole file and a part',
    needs: (capabilities) => capabilities.signedCacheControl,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES);
      const url = await storage.url(`${folder}a`, {
        cacheControl: 'private, no-store, no-transform',
      });
      for (const headers of [{}, { range: 'bytes=0-9' }] as Record<string, string>[]) {
        const response = await fetch(url, { headers });
        await response.arrayBuffer();
        assert.equal(response.headers.get('cache-control'), 'private, no-store, no-transform');
      }
    },
  },
  {
    name: 'serves a range of a file by its signed URL',
    needs: (capabilities) => signs(capabilities) && capabilities.ranges,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES);
      const headers = { range: 'bytes=10-19' };
      const response = await fetch(await storage.url(`${folder}a`), { headers });
      assert.equal(response.status, 206);
      assertBytes(new Uint8Array(await response.arrayBuffer()), BYTES.subarray(10, 20));
    },
  },
  {
    name: 'serves nothing by a signed URL of a file that is not there',
    needs: signs,
    async run(storage, { folder }) {
      assert.ok(await isRefused(fetch(await storage.url(`${folder}missing`))));
    },
  },
  {
    name: 'serves nothing by a URL without its signature, or for another key or method',
    needs: signs,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      await storage.put(`${folder}b`, 'hello');
      const url = new URL(await storage.url(`${folder}a`));
      const bare = new URL(url);
      bare.search = '';
      assert.ok(await isRefused(fetch(bare)));
      const other = new URL(url);
      other.pathname = other.pathname.replace(/a$/, 'b');
      assert.notEqual(other.pathname, url.pathname);
      assert.ok(await isRefused(fetch(other)));
      assert.ok(await isRefused(fetch(url, { method: 'PUT', body: 'changed' })));
      assert.ok(await isRefused(fetch(url, { method: 'DELETE' })));
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'serves nothing by a signed URL of which any part was changed',
    needs: signs,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      const url = await storage.url(`${folder}a`, { contentType: 'text/plain', expiresIn: 60 });
      for (const [name, value] of new URL(url).searchParams) {
        const changed = new URL(url);
        changed.searchParams.set(name, altered(value));
        assert.ok(await isRefused(fetch(changed)), `${name} was changed`);
      }
    },
  },
  {
    name: 'serves and stores nothing by what was signed, when its time is over',
    needs: signs,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, BYTES);
      const expiresIn = 1;
      const url = await storage.url(`${folder}a`, { expiresIn });
      const requests = [() => fetch(url)];
      const { signedUploads, signedParts } = storage.capabilities;
      for (const method of ['PUT', 'POST'] as const) {
        if (!signedUploads[method]) continue;
        const signed = await storage.uploadUrl(folder + method, { method, expiresIn });
        requests.push(() => send(signed, BYTES));
      }
      const upload = signedParts && (await storage.startMultipartUpload(`${folder}parts`));
      try {
        if (upload) {
          const signed = await storage.uploadPartUrl(upload, 1, { expiresIn });
          requests.push(() => send(signed, BYTES));
        }
        for (const request of requests) await untilRefused(request);
      } finally {
        if (upload) await storage.abortMultipartUpload(upload);
      }
    },
  },
];

async function fetched(url: string): Promise<{ headers: Headers; bytes: Uint8Array }> {
  const response = await fetch(url);
  assert.equal(response.status, 200);
  return { headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) };
}
