import assert from 'node:assert/strict';
import type { Capabilities } from '../../core/capabilities.js';
import { StorageInvalidArgumentError } from '../../core/errors.js';
import type { FileAttributes, StoredFile } from '../../core/stored-file.js';
import type { Behaviour } from './behaviour.js';
import { chunked, partSizeOf, someBytes } from './bodies.js';
import { assertMissing, rejection } from './expectations.js';

const HEADERS = {
  contentType: 'text/html; charset=utf-8',
  cacheControl: 'public, max-age=31536000, immutable',
  contentDisposition: `attachment; filename="a b.html"; filename*=UTF-8''%C3%A4%20b.html`,
  contentEncoding: 'gzip',
  contentLanguage: 'de, en-GB',
};
const METADATA = { 'user-id': '42', title: 'Grüße 🌍' };

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  'page.html': 'text/html',
  'photo.jpg': 'image/jpeg',
  'PHOTO.JPEG': 'image/jpeg',
  'drawing.svg': 'image/svg+xml',
  'data.json': 'application/json',
  'archive.tar.gz': 'application/gzip',
  'folder.txt/photo.png': 'image/png',
  'archive.unknown-extension': 'application/octet-stream',
  mp4: 'application/octet-stream',
  'folder.txt/none': 'application/octet-stream',
};

const METADATA_CASES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'Unicode text': { name: 'Straße 日本語 😀', arabic: 'مرحبا' },
  'runs of spaces': { name: 'a   b    c' },
  'spaces at both ends': { name: '  a  ' },
  'quotes and separators': { name: `"a", 'b'; c=d\\e, <f> & g` },
  'percent signs, and what looks encoded': { name: '100 % %41 =?UTF-8?Q?=41?= +' },
  'an empty value': { name: '' },
  'digits and dashes in keys': { '0-a-1': 'x', 'content-type': 'y', expires: 'z' },
  'names that the file has, too': { key: 'x', size: '999999', etag: '"y"', 'content-length': '1' },
  'all of printable ASCII': {
    name: String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index)),
  },
  'text that is not in NFC': { name: 'a\u0308 \u212B' },
  'forty entries': Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`key-${index}`, `value ${index}`]),
  ),
  'names that objects have themselves': { constructor: 'a', tostring: 'b' },
  '2,048 bytes in all': { name: 'x'.repeat(2044) },
  '1,400 bytes of Unicode text': { name: '日本'.repeat(233) },
};

const withMetadata = (capabilities: Capabilities): boolean => capabilities.metadata;
const withHeaders = (capabilities: Capabilities): boolean => capabilities.headers;

export const attributes: readonly Behaviour[] = [
  ...Object.entries(CONTENT_TYPES).map(([name, contentType]): Behaviour => ({
    name: `takes the content type of ${name} for ${contentType}`,
    async run(storage, { folder }) {
      await storage.put(folder + name, 'a');
      assert.equal((await storage.info(folder + name)).contentType, contentType);
    },
  })),
  {
    name: 'prefers the content type that is given to that of the key',
    async run(storage, { folder }) {
      await storage.put(`${folder}a.html`, 'a', { contentType: 'text/plain; charset="utf-8"' });
      const { contentType } = await storage.info(`${folder}a.html`);
      assert.equal(contentType, 'text/plain; charset="utf-8"');
    },
  },
  {
    name: 'refuses what is no content type',
    async run(storage, { folder }) {
      for (const contentType of ['', 'text', 'a/b/c', 'text/plain\r\nx: y', 'text/plain; ü=1']) {
        await rejection(
          storage.put(`${folder}a`, 'a', { contentType }),
          StorageInvalidArgumentError,
        );
      }
      await assertMissing(storage, `${folder}a`);
    },
  },
  {
    name: 'keeps all attributes of a small file',
    needs: (capabilities) => capabilities.headers && capabilities.metadata,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'small', { ...HEADERS, metadata: METADATA });
      assertAttributes(await storage.info(`${folder}a`));
      const download = await storage.get(`${folder}a`);
      assertAttributes(download.file);
      assert.equal(await download.text(), 'small');
    },
  },
  {
    name: 'keeps all attributes of a body of several parts',
    needs: (capabilities) => capabilities.headers && capabilities.metadata,
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const bytes = someBytes(partSize + 10);
      const options = { ...HEADERS, metadata: METADATA, partSize };
      for (const body of [chunked(bytes), bytes]) {
        assertAttributes(await storage.put(`${folder}a`, body, options));
        assertAttributes(await storage.info(`${folder}a`));
      }
    },
  },
  {
    name: 'keeps all attributes of an empty file',
    needs: (capabilities) => capabilities.headers && capabilities.metadata,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, '', { ...HEADERS, metadata: METADATA });
      assertAttributes(await storage.info(`${folder}a`));
    },
  },
  {
    name: 'returns the attributes from put() as from info()',
    needs: (capabilities) => capabilities.headers && capabilities.metadata,
    async run(storage, { folder }) {
      assertAttributes(await storage.put(`${folder}a`, 'a', { ...HEADERS, metadata: METADATA }));
      assertAttributes(
        await storage.put(`${folder}a`, chunked(someBytes(9)), { ...HEADERS, metadata: METADATA }),
      );
    },
  },
  {
    name: 'replaces the attributes together with the bytes',
    needs: (capabilities) => capabilities.headers && capabilities.metadata,
    async run(storage, { folder }) {
      await storage.put(`${folder}a.txt`, 'a', { ...HEADERS, metadata: METADATA });
      await storage.put(`${folder}a.txt`, 'b');
      const file = await storage.info(`${folder}a.txt`);
      assert.equal(file.contentType, 'text/plain');
      assert.deepEqual(file.metadata, {});
      assert.equal(file.cacheControl, undefined);
      assert.equal(file.contentDisposition, undefined);
      assert.equal(file.contentEncoding, undefined);
      assert.equal(file.contentLanguage, undefined);
    },
  },
  {
    name: 'stores the bytes of an encoded file as they are given',
    needs: withHeaders,
    async run(storage, { folder }) {
      const bytes = someBytes(500);
      await storage.put(`${folder}a.json`, bytes, { contentEncoding: 'gzip' });
      const download = await storage.get(`${folder}a.json`);
      assert.equal(download.file.contentEncoding, 'gzip');
      assert.equal(download.file.size, 500);
      assert.deepEqual(await download.bytes(), bytes);
    },
  },
  {
    name: 'refuses headers that could not be sent',
    async run(storage, { folder }) {
      for (const given of [
        { cacheControl: 'no-cache\r\nx: y' },
        { contentDisposition: 'attachment; filename="ü"' },
        { contentLanguage: 'de\n' },
        { contentEncoding: '\u0000' },
      ]) {
        await rejection(storage.put(`${folder}a`, 'a', given), StorageInvalidArgumentError);
      }
      await assertMissing(storage, `${folder}a`);
    },
  },
];

export const metadata: readonly Behaviour[] = [
  ...Object.entries(METADATA_CASES).map(([name, given]): Behaviour => ({
    name: `keeps metadata with ${name}`,
    needs: withMetadata,
    async run(storage, { folder }) {
      const returned = await storage.put(`${folder}a`, 'hello', { metadata: given });
      assert.deepEqual({ ...returned.metadata }, given);
      assert.deepEqual({ ...(await storage.info(`${folder}a`)).metadata }, given);
      const download = await storage.get(`${folder}a`);
      assert.equal(download.file.size, 5);
      assert.deepEqual({ ...download.file.metadata }, given);
      assert.equal(await download.text(), 'hello');
    },
  })),
  {
    name: 'keeps or refuses what a backend needs more than 2,048 bytes for',
    needs: withMetadata,
    async run(storage, { folder }) {
      const given = { name: 'ä'.repeat(1022) };
      try {
        await storage.put(`${folder}a`, 'a', { metadata: given });
      } catch (error) {
        // Where the wire is ASCII, Unicode text is longer there.
        await rejection(Promise.reject(error as Error), StorageInvalidArgumentError);
        await assertMissing(storage, `${folder}a`);
        return;
      }
      assert.deepEqual({ ...(await storage.info(`${folder}a`)).metadata }, given);
    },
  },
  {
    name: 'refuses more than 2,048 bytes of metadata',
    async run(storage, { folder }) {
      for (const given of [{ name: 'x'.repeat(2045) }, { a: 'ä'.repeat(1024) }]) {
        await rejection(
          storage.put(`${folder}a`, 'a', { metadata: given }),
          StorageInvalidArgumentError,
        );
      }
      await assertMissing(storage, `${folder}a`);
    },
  },
  {
    name: 'refuses metadata keys that are not lower-case letters, digits and dashes',
    async run(storage, { folder }) {
      for (const key of ['', 'Name', 'first_name', 'a b', 'ä', 'a:b', '-a', '__proto__']) {
        await rejection(
          storage.put(`${folder}a`, 'a', { metadata: Object.fromEntries([[key, 'x']]) }),
          StorageInvalidArgumentError,
        );
      }
    },
  },
  {
    name: 'refuses metadata values that are no text',
    async run(storage, { folder }) {
      for (const value of ['a\r\nb', 'a\u0000', '\uD800', 5, null, undefined]) {
        await rejection(
          storage.put(`${folder}a`, 'a', { metadata: { name: value as string } }),
          StorageInvalidArgumentError,
        );
      }
    },
  },
  {
    name: 'does not keep the metadata object of the caller, who may change it',
    needs: withMetadata,
    async run(storage, { folder }) {
      const given: Record<string, string> = { a: 'before' };
      async function* body(): AsyncGenerator<string> {
        given['a'] = 'meanwhile';
        yield 'hello';
      }
      const options = { metadata: given };
      await storage.put(`${folder}a`, body(), options);
      given['a'] = 'after';
      assert.deepEqual((await storage.info(`${folder}a`)).metadata, { a: 'before' });
      assert.deepEqual(options, { metadata: { a: 'after' } });
    },
  },
];

function assertAttributes(file: StoredFile): void {
  const { contentType, cacheControl, contentDisposition, contentEncoding, contentLanguage } = file;
  const headers: FileAttributes = {
    ...(contentType !== undefined && { contentType }),
    ...(cacheControl !== undefined && { cacheControl }),
    ...(contentDisposition !== undefined && { contentDisposition }),
    ...(contentEncoding !== undefined && { contentEncoding }),
    ...(contentLanguage !== undefined && { contentLanguage }),
  };
  assert.deepEqual(headers, HEADERS);
  assert.deepEqual({ ...file.metadata }, METADATA);
}
