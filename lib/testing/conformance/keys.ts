import assert from 'node:assert/strict';
import { StorageFileNotFoundError, StorageInvalidKeyError } from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { assertHolds, listKeys, rejection } from './expectations.js';
import { keyNames, NOT_OF_WINDOWS } from './key-names.js';

/** What no method of no driver takes. */
const REFUSED: Readonly<Record<string, string>> = {
  'an empty key': '',
  'a slash': '/',
  'a leading slash': '/a',
  'a trailing slash': 'a/',
  'an empty segment': 'a//b',
  'a dot': '.',
  'two dots': '..',
  'a leading dot segment': './a',
  'a way out': '../a',
  'a way out and back': 'a/../b',
  'a way out at the end': 'a/..',
  'a dot segment within': 'a/./b',
  'a backslash': 'a\\b',
  'a way out with backslashes': '..\\a',
  'a NUL': 'a\u0000b',
  'a tab': 'a\tb',
  'a line feed': 'a\nb',
  'a C1 control character': 'a\u0085b',
  'a line separator': 'a\u2028b',
  'a bidirectional override': 'a\u202Egpj.exe',
  'a zero-width space': 'a\u200Bb',
  'a byte order mark': '\uFEFFa',
  'a lone high surrogate': 'a\uD800',
  'a lone low surrogate': '\uDC00a',
  'a noncharacter': 'a\uFFFEb',
  'a decomposed character': 'a\u0308.txt',
  'a segment of 256 bytes': `${'a'.repeat(256)}/b`,
  'a segment of 256 bytes of Unicode': 'ä'.repeat(128),
  '1,025 bytes': `${'a'.repeat(204)}/`.repeat(5).slice(0, 1024) + 'b',
  'the reserved folder': '.nestjs-storages/a',
  'the reserved folder in capitals': '.NestJS-Storages/a',
  'the reserved folder below another one': 'a/.nestjs-storages/b',
};

export const keys: readonly Behaviour[] = [
  ...keyNames().map((name): Behaviour => ({
    ...(NOT_OF_WINDOWS.includes(name) && { needsNames: 'not-of-windows' }),
    name: `keeps the key ${JSON.stringify(name)} in every method`,
    async run(storage, { folder }) {
      const key = `${folder}${name}`;
      const copy = `${folder}copy of it/${name}`;
      const moved = `${folder}moved/${name}`;
      assert.equal((await storage.put(key, name)).key, key);
      const download = await storage.get(key);
      assert.equal(download.file.key, key);
      assert.equal(await download.text(), name);
      assert.equal((await storage.info(key)).key, key);
      assert.equal(await storage.exists(key), true);
      assert.deepEqual(await listKeys(storage, folder), [key]);
      assert.deepEqual(await listKeys(storage, key), [key]);
      assert.equal((await storage.copy(key, copy)).key, copy);
      assert.equal((await storage.move(copy, moved)).key, moved);
      await assertHolds(storage, moved, name);
      if (storage.capabilities.signedUrls) assert.ok(URL.canParse(await storage.url(key)));
      await storage.delete(key);
      await rejection(storage.get(key), StorageFileNotFoundError);
      const { deleted, failed } = await storage.deleteMany([moved]);
      assert.deepEqual(failed, []);
      assert.deepEqual(deleted, [moved]);
      assert.deepEqual(await listKeys(storage, folder), []);
    },
  })),
  {
    name: 'keeps a key of 1,024 bytes in segments of 255',
    async run(storage, { folder, maxKeyBytes }) {
      const left = maxKeyBytes - Buffer.byteLength(folder);
      const segments = 'ä'.repeat(127) + 'b/' + 'c'.repeat(255) + '/';
      const key = folder + (segments + 'd'.repeat(255) + '/' + 'e'.repeat(255)).padEnd(left, 'e');
      const longest = Buffer.from(key).subarray(0, maxKeyBytes).toString();
      assert.equal(Buffer.byteLength(longest), maxKeyBytes);
      await storage.put(longest, 'long');
      await assertHolds(storage, longest, 'long');
      assert.deepEqual(await listKeys(storage, folder), [longest]);
      await rejection(storage.put(`${longest}x`, 'longer'), StorageInvalidKeyError);
      await storage.delete(longest);
      assert.deepEqual(await listKeys(storage, folder), []);
    },
  },
  {
    name: 'does not decode names that look encoded',
    async run(storage, { folder }) {
      await storage.put(`${folder}%48%45%4C%4C%4F`, 'encoded');
      await storage.put(`${folder}a%2Fb`, 'encoded');
      await storage.put(`${folder}c+d`, 'plus');
      assert.equal(await storage.exists(`${folder}HELLO`), false);
      assert.equal(await storage.exists(`${folder}a/b`), false);
      assert.equal(await storage.exists(`${folder}c d`), false);
    },
  },
  {
    name: 'keeps apart keys that differ only in a character',
    async run(storage, { folder }) {
      const names = ['a b', 'a+b', 'a%20b', 'a_b', 'a-b', 'a.b', 'ａb', 'äb', 'ab'];
      await Promise.all(names.map((name) => storage.put(folder + name, name)));
      await Promise.all(names.map((name) => assertHolds(storage, folder + name, name)));
      assert.equal((await listKeys(storage, folder)).length, names.length);
    },
  },
  {
    name: 'keeps apart keys that differ only in case',
    needsNames: 'cased',
    async run(storage, { folder }) {
      const names = ['a.txt', 'A.txt', 'a.TXT', 'ä', 'Ä'];
      for (const name of names) await storage.put(folder + name, name);
      for (const name of names) await assertHolds(storage, folder + name, name);
      assert.equal((await listKeys(storage, folder)).length, names.length);
    },
  },
  ...Object.entries(REFUSED).map(([name, key]): Behaviour => ({
    name: `refuses ${name} in every method: ${shortened(key)}`,
    async run(storage, { folder }) {
      const good = `${folder}good`;
      await storage.put(good, 'good');
      const upload = { key, uploadId: 'an-upload', partSize: 1 };
      for (const call of [
        storage.put(key, 'a'),
        storage.get(key),
        storage.getBytes(key),
        storage.info(key),
        storage.exists(key),
        storage.delete(key),
        storage.deleteMany([good, key]),
        storage.copy(key, `${folder}copy`),
        storage.copy(good, key),
        storage.move(key, `${folder}copy`),
        storage.move(good, key),
        storage.url(key),
        storage.url(key, { public: true }),
        storage.uploadUrl(key),
        storage.startMultipartUpload(key),
        storage.uploadPart(upload, 1, 'a'),
        storage.uploadPartUrl(upload, 1),
        storage.completeMultipartUpload(upload),
        storage.abortMultipartUpload(upload),
      ]) {
        await rejection(call, StorageInvalidKeyError);
      }
      assert.deepEqual(await listKeys(storage, folder), [good]);
    },
  })),
  {
    name: 'refuses keys that are no strings',
    async run(storage) {
      for (const key of [undefined, null, 5, {}, ['a']]) {
        await rejection(storage.put(key as string, 'a'), StorageInvalidKeyError);
        await rejection(storage.get(key as string), StorageInvalidKeyError);
        await rejection(storage.delete(key as string), StorageInvalidKeyError);
      }
    },
  },
  {
    name: 'refuses prefixes that could begin no key',
    async run(storage) {
      for (const prefix of ['/', '/a', 'a//', '../', './', 'a/../b', 'a\\', 'a\u0000', '\uD800']) {
        await rejection(listKeys(storage, prefix), StorageInvalidKeyError);
        await rejection(storage.listPage({ prefix }), StorageInvalidKeyError);
        await rejection(storage.deletePrefix(prefix), StorageInvalidKeyError);
        assert.throws(() => storage.scope(prefix), StorageInvalidKeyError);
      }
    },
  },
];

/** For a name that shows what it holds, however invisible, and is not longer than a line. */
function shortened(key: string): string {
  const text = key.length > 40 ? `${key.slice(0, 40)}…` : key;
  const escape = (character: string): string =>
    `\\u{${character.codePointAt(0)!.toString(16).toUpperCase()}}`;
  return JSON.stringify(text).replace(/[^\x20-\x7E…]/gu, escape);
}
