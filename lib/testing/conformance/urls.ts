import assert from 'node:assert/strict';
import type { Capabilities } from '../../core/capabilities.js';
import { StorageInvalidArgumentError, StorageUnsupportedError } from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { rejection } from './expectations.js';
import { bindsTo, knownWays, UPLOAD_CONSTRAINTS } from './signed-uploads.js';

const signs = ({ signedUrls }: Capabilities): boolean => signedUrls;
const METHODS = ['PUT', 'POST'] as const;

/** Lives of a URL as they may be given, and the seconds that each of them means. */
const LIVES: readonly (readonly [number | string, number])[] = [
  [1, 1],
  [60, 60],
  ['15m', 900],
  ['1 hour', 3600],
  ['2d', 172_800],
];

/** What can be told of a URL without fetching it. */
export const urls: readonly Behaviour[] = [
  {
    name: 'signs a URL for a file, which need not exist',
    needsNames: 'not-of-windows',
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
      const { maxExpiresIn } = storage.capabilities.limits;
      for (const [expiresIn, seconds] of LIVES) {
        if (seconds > maxExpiresIn) continue;
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
    name: 'binds a URL to a Cache-Control, or refuses to',
    needs: ({ signedCacheControl }) => signedCacheControl,
    async run(storage, { folder }) {
      const signed = await storage.url(`${folder}a`, { cacheControl: 'private, no-store' });
      assert.notEqual(signed, await storage.url(`${folder}a`));
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
    ...UPLOAD_CONSTRAINTS.map((constraint): Behaviour => ({
      name: `binds a signed ${method} upload to ${constraint}, or refuses to`,
      needs: bindsTo(method, constraint),
      async run(storage, { folder }) {
        for (const options of await knownWays(storage, method, constraint)) {
          const upload = await storage.uploadUrl(`${folder}a`, { method, ...options });
          assert.equal(upload.method, method);
        }
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
