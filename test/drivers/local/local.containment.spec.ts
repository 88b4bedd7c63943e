import { link, mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import {
  cleanUp,
  failure,
  filesBelow,
  listAll,
  openDriver,
  put,
  signal,
  temporaryFiles,
  temporaryFolder,
  text,
} from './local-fixture.js';

describe('the fence around a local root', () => {
  let root: string;
  let outside: string;
  let driver: StorageDriver;

  beforeEach(async () => {
    ({ root, driver } = await openDriver());
    outside = await temporaryFolder();
    await writeFile(join(outside, 'secret'), 'secret');
  });
  afterEach(cleanUp);

  describe('by default', () => {
    it('follows no link to a file or folder, wherever it ends', async () => {
      await put(driver, 'inside/file', 'x');
      await symlink(outside, join(root, 'out'));
      await symlink(join(outside, 'secret'), join(root, 'leaf'));
      await symlink(join(outside, 'missing'), join(root, 'dangling'));
      await symlink('inside', join(root, 'in'));
      for (const key of ['out/secret', 'out/new', 'leaf', 'dangling', 'in/file', 'in/new']) {
        expect([key, (await failure(put(driver, key, 'bad'))).code]).toEqual([
          key,
          'PERMISSION_DENIED',
        ]);
        const { failed } = await driver.deleteMany([key], { signal });
        expect(failed[0]?.error.code).toBe('PERMISSION_DENIED');
      }
      for (const key of ['out/secret', 'leaf', 'dangling', 'in/file']) {
        expect((await failure(driver.get(key, { signal }))).code).toBe('PERMISSION_DENIED');
        expect((await failure(driver.info(key, { signal }))).code).toBe('PERMISSION_DENIED');
      }
      for (const move of [true, false]) {
        for (const [from, to] of [
          ['out/secret', 'stolen'],
          ['leaf', 'stolen'],
          ['inside/file', 'out/copy'],
        ] as const) {
          const error = await failure(driver.copy(from, to, { signal, move }));
          expect(error.code).toBe('PERMISSION_DENIED');
        }
      }
      expect(await readdir(outside)).toEqual(['secret']);
      expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret');
      expect(await temporaryFiles(root)).toEqual([]);
    });

    it('lists no links', async () => {
      await put(driver, 'b/file');
      await symlink(outside, join(root, 'a'));
      await symlink('b/file', join(root, 'c'));
      await symlink('..', join(root, 'b/loop'));
      expect(await listAll(driver)).toEqual(['b/file']);
      expect(await listAll(driver, { delimiter: '/' })).toEqual(['b/']);
      expect(await listAll(driver, { prefix: 'a/' })).toEqual([]);
    });

    it('reads and writes nothing outside while a folder is swapped for a link', async () => {
      await put(driver, 'f/secret', 'mine');
      await mkdir(join(root, 'parked'));
      await symlink(outside, join(root, 'parked/link'));
      let going = true;
      const swap = (async () => {
        while (going) {
          await rename(join(root, 'f'), join(root, 'parked/f'));
          await rename(join(root, 'parked/link'), join(root, 'f'));
          await rename(join(root, 'f'), join(root, 'parked/link'));
          await rename(join(root, 'parked/f'), join(root, 'f')).catch(async () => {
            // A put has created the folder anew.
            await rm(join(root, 'f'), { recursive: true, force: true });
            await rename(join(root, 'parked/f'), join(root, 'f'));
          });
        }
      })();
      const seen = new Set<string>();
      try {
        for (let round = 0; round < 300; round++) {
          seen.add(await text(driver, 'f/secret').catch(() => 'mine'));
          await put(driver, 'f/new', 'x', { metadata: { round: `${round}` } }).catch(() => {});
          await driver.deleteMany(['f/secret2', 'f/new'], { signal });
        }
      } finally {
        going = false;
        await swap.catch(() => {});
      }
      expect([...seen]).toEqual(['mine']);
      expect(await filesBelow(outside)).toEqual(['secret']);
    });

    it('reads files with several names', async () => {
      await put(driver, 'a', 'x');
      await link(join(root, 'a'), join(root, 'b'));
      expect(await text(driver, 'b')).toBe('x');
      await put(driver, 'a', 'y');
      expect(await text(driver, 'b')).toBe('x');
    });
  });

  describe('with symlinks: follow-inside', () => {
    beforeEach(async () => {
      ({ driver } = await openDriver({ root, symlinks: 'follow-inside' }));
      await put(driver, 'real/file', 'x');
      await symlink('real', join(root, 'folder'));
      await symlink('real/file', join(root, 'leaf'));
      await symlink('..', join(root, 'real/loop'));
      await symlink(outside, join(root, 'out'));
      await symlink('.nestjs-storages', join(root, 'reserved'));
      await symlink(join(outside, 'secret'), join(root, 'outleaf'));
    });

    it('follows links that end inside', async () => {
      expect(await text(driver, 'folder/file')).toBe('x');
      expect(await text(driver, 'leaf')).toBe('x');
      await put(driver, 'folder/new', 'y');
      expect(await text(driver, 'real/new')).toBe('y');
    });

    it('follows none that ends outside, or among its own files', async () => {
      for (const key of ['out/secret', 'outleaf']) {
        expect((await failure(driver.get(key, { signal }))).code).toBe('PERMISSION_DENIED');
      }
      for (const key of ['out/new', 'reserved/new']) {
        expect((await failure(put(driver, key, 'bad'))).code).toBe('PERMISSION_DENIED');
      }
      expect(await readdir(outside)).toEqual(['secret']);
    });

    it('lists what it follows, and ends in circles', async () => {
      expect(await listAll(driver)).toEqual(['folder/file', 'leaf', 'real/file']);
    });

    it('deletes the link, not what it leads to', async () => {
      await driver.deleteMany(['leaf'], { signal });
      expect(await listAll(driver)).toEqual(['folder/file', 'real/file']);
    });
  });
});
