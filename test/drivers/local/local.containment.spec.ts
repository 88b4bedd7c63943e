import {
  link,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { hashOf } from '../../../lib/drivers/local/local.metadata.js';
import { LocalRoot } from '../../../lib/drivers/local/local.paths.js';
import { O_RDONLY, open } from '../../../lib/drivers/local/local.system-calls.js';
import {
  RESERVED,
  cleanUp,
  failure,
  filesBelow,
  listAll,
  openAs,
  openDriver,
  posix,
  put,
  signal,
  temporaryFiles,
  temporaryFolder,
  text,
} from './local-fixture.js';

posix.describe('the fence around a local root', () => {
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

    it('follows none where folders are not held open', async () => {
      const elsewhere = await openAs('darwin', { root });
      await put(elsewhere, 'folder/file', 'mine');
      await symlink(outside, join(root, 'out'));
      await symlink('folder', join(root, 'in'));
      await symlink('folder/file', join(root, 'leaf'));
      for (const key of ['out/secret', 'in/file', 'leaf']) {
        expect((await failure(elsewhere.get(key, { signal }))).code).toBe('PERMISSION_DENIED');
        const denied = { code: 'PERMISSION_DENIED', key };
        expect(await failure(put(elsewhere, key, 'x'))).toMatchObject(denied);
        expect(await failure(put(driver, key, 'x'))).toMatchObject(denied);
      }
      expect((await failure(put(elsewhere, 'folder/file/x'))).code).toBe('INVALID_KEY');
      expect((await failure(put(elsewhere, 'folder', 'x'))).code).toBe('INVALID_KEY');
      expect(await listAll(elsewhere)).toEqual(['folder/file']);
      expect(await text(elsewhere, 'folder/file')).toBe('mine');
      expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret');
    });

    it('follows none to a file where opening cannot refuse links, as on Windows', async () => {
      const elsewhere = await openAs('win32', { root });
      await put(elsewhere, 'file', 'mine');
      await symlink('file', join(root, 'in'));
      await symlink(join(outside, 'secret'), join(root, 'out'));
      const mock = jest.spyOn(LocalRoot.prototype, 'openFile');
      mock.mockImplementation(function (this: LocalRoot, key) {
        return open(this.pathOf(key), O_RDONLY);
      });
      try {
        for (const key of ['in', 'out']) {
          const error = await failure(elsewhere.info(key, { signal }));
          expect(error).toMatchObject({ code: 'PERMISSION_DENIED', key });
        }
        expect(await text(elsewhere, 'file')).toBe('mine');
      } finally {
        mock.mockRestore();
      }
    });

    it.each(['linux', 'darwin'])(
      'denies access to folders that would be made behind a link, as %s does it',
      async (platform) => {
        const denying = await openAs(platform, { root });
        await symlink(outside, join(root, 'out'));
        for (const key of ['out/new/file', 'out/new/er/file']) {
          const denied = { code: 'PERMISSION_DENIED', key };
          expect(await failure(put(denying, key, 'bad'))).toMatchObject(denied);
          expect(await failure(put(denying, key, 'bad', { ifMatch: '*' }))).toMatchObject({
            code: 'PRECONDITION_FAILED',
          });
        }
        expect(await failure(put(denying, 'out/x', 'bad', { ifMatch: '*' }))).toMatchObject({
          code: 'PERMISSION_DENIED',
          key: 'out/x',
        });
        expect(await readdir(outside)).toEqual(['secret']);
      },
    );

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

    it('lists nothing of what is outside when a folder is swapped for a link meanwhile', async () => {
      for (const name of ['a', 'secret', 'z']) await put(driver, `f/${name}`, 'x');
      const found: string[] = [];
      let swapped = false;
      for await (const { files } of driver.list({ signal, prefix: '', pageSize: 1 })) {
        found.push(...files.map(({ key }) => key));
        if (swapped) continue;
        swapped = true;
        await rename(join(root, 'f'), join(root, 'parked'));
        await symlink(outside, join(root, 'f'));
      }
      expect(found).toEqual(['f/a']);
    });

    it('records no metadata behind a link, and removes none there', async () => {
      await put(driver, 'k', 'x', { metadata: { a: 'b' } });
      const hash = hashOf('k');
      const shard = join(root, RESERVED, 'meta', hash.slice(0, 2));
      for (const [folder, inside] of [
        [shard, `${hash.slice(2)}/`],
        [join(shard, hash.slice(2)), ''],
      ] as const) {
        const target = await temporaryFolder();
        await rename(folder, join(root, 'parked'));
        await mkdir(join(target, inside), { recursive: true });
        const old = join(target, inside, 'old');
        await writeFile(old, 'x');
        await utimes(old, 1, 1);
        await symlink(target, folder);
        const error = await failure(put(driver, 'k', 'y', { metadata: { a: 'c' } }));
        expect(error.code).toBe('CONFIGURATION');
        expect(await text(driver, 'k')).toBe('x');
        await driver.deleteMany(['k'], { signal });
        expect(await filesBelow(target)).toEqual([`${inside}old`]);
        await rm(folder);
        await rename(join(root, 'parked'), folder);
        await put(driver, 'k', 'x', { metadata: { a: 'b' } });
      }
    });

    it('takes no link for an upload, its parts or its record', async () => {
      const id = '0'.repeat(32);
      const record = JSON.stringify({ key: 'k', attributes: { contentType: 'a/b' } });
      await writeFile(join(outside, 'upload.json'), record);
      await writeFile(join(outside, 'part-1'), 'secret');
      const uploads = join(root, RESERVED, 'uploads');
      await mkdir(uploads, { recursive: true });
      const upload = { key: 'k', uploadId: id };
      await symlink(outside, join(uploads, id));
      for (const call of [
        () => driver.uploadPart(upload, 2, Buffer.from('x'), { signal }),
        () => driver.listParts(upload, { signal }),
        () => driver.completeMultipartUpload(upload, [], { signal }),
        () => driver.abortMultipartUpload(upload, { signal }),
      ]) {
        expect((await failure(call())).code).toBe('CONFIGURATION');
      }
      await rm(join(uploads, id));
      await mkdir(join(uploads, id));
      await symlink(join(outside, 'upload.json'), join(uploads, id, 'upload.json'));
      expect((await failure(driver.listParts(upload, { signal }))).code).toBe('PERMISSION_DENIED');
      await rm(join(uploads, id, 'upload.json'));
      await writeFile(join(uploads, id, 'upload.json'), record);
      await symlink(join(outside, 'part-1'), join(uploads, id, 'part-1'));
      expect(await driver.listParts(upload, { signal })).toEqual([]);
      expect(await filesBelow(outside)).toEqual(['part-1', 'secret', 'upload.json']);
    });

    it('takes no link for a record', async () => {
      await put(driver, 'k.txt', 'x', { metadata: { a: 'b' } });
      const meta = join(root, RESERVED, 'meta');
      const [record] = await filesBelow(meta);
      await writeFile(join(outside, 'record'), '{"metadata":{"c":"d"}}');
      await rm(join(meta, record!));
      await symlink(join(outside, 'record'), join(meta, record!));
      const file = await driver.info('k.txt', { signal });
      expect(file).toMatchObject({ contentType: 'text/plain', metadata: {} });
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
      await symlink('.', join(root, 'real/self'));
      await symlink(outside, join(root, 'out'));
      await symlink('.nestjs-storages', join(root, 'reserved'));
      await symlink('.nestjs-storages/tmp', join(root, 'temporary'));
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
      for (const key of ['out/new', 'out/new/er', 'reserved/new', 'temporary/new']) {
        expect((await failure(put(driver, key, 'bad'))).code).toBe('PERMISSION_DENIED');
      }
      expect(await readdir(outside)).toEqual(['secret']);
    });

    it('does the same where folders are not held open', async () => {
      const elsewhere = await openAs('darwin', { root, symlinks: 'follow-inside' });
      expect(await text(elsewhere, 'folder/file')).toBe('x');
      expect(await text(elsewhere, 'leaf')).toBe('x');
      await put(elsewhere, 'folder/new', 'y');
      expect(await text(elsewhere, 'real/new')).toBe('y');
      for (const key of ['out/secret', 'outleaf']) {
        expect((await failure(elsewhere.get(key, { signal }))).code).toBe('PERMISSION_DENIED');
      }
      expect((await failure(put(elsewhere, 'out/new', 'bad'))).code).toBe('PERMISSION_DENIED');
      expect(await listAll(elsewhere)).toEqual([
        'folder/file',
        'folder/new',
        'leaf',
        'real/file',
        'real/new',
      ]);
      expect(await readdir(outside)).toEqual(['secret']);
    });

    it('lists what it follows, and ends in circles', async () => {
      expect(await listAll(driver)).toEqual(['folder/file', 'leaf', 'real/file']);
    });

    it('leaves out links that lead nowhere', async () => {
      await symlink('missing', join(root, 'dangling'));
      await symlink('real/file/below', join(root, 'below'));
      await symlink('circle', join(root, 'circle'));
      expect(await listAll(driver)).toEqual(['folder/file', 'leaf', 'real/file']);
      expect(await listAll(driver, { prefix: 'circle/' })).toEqual([]);
      expect((await failure(put(driver, 'circle/x'))).code).toBe('PERMISSION_DENIED');
    });

    it('deletes the link, not what it leads to', async () => {
      await driver.deleteMany(['leaf'], { signal });
      expect(await listAll(driver)).toEqual(['folder/file', 'real/file']);
    });
  });
});
