import { chmod, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalStorageOptions } from '../../../lib/drivers/local/local.options.js';
import { UrlSigner } from '../../../lib/core/signed-url.js';
import {
  RESERVED,
  asNobody,
  cleanUp,
  failure,
  filesBelow,
  listAll,
  openDriver,
  posix,
  put,
  signal,
  temporaryFolder,
  text,
} from './local-fixture.js';

const whereProcIs = process.platform === 'linux' ? it : it.skip;

const signingKeys = [{ id: 'k1', secret: 'x'.repeat(32) }];

describe('opening a local storage', () => {
  afterEach(cleanUp);

  posix.it(
    'creates the root and its own folder with the folders’ mode, whatever the umask',
    async () => {
      const root = join(await temporaryFolder(), 'a', 'b');
      const umask = process.umask(0o077);
      try {
        const { driver } = await openDriver({
          root,
          directoryPermissions: 0o750,
          permissions: 0o640,
        });
        await put(driver, 'folder/file.txt', 'x', { metadata: { a: 'b' } });
      } finally {
        process.umask(umask);
      }
      expect((await stat(root)).mode & 0o777).toBe(0o750);
      expect((await stat(join(root, 'folder'))).mode & 0o777).toBe(0o750);
      expect((await stat(join(root, 'folder/file.txt'))).mode & 0o777).toBe(0o640);
      expect((await stat(join(root, RESERVED))).mode & 0o777).toBe(0o750);
      const [record] = await filesBelow(join(root, RESERVED, 'meta'));
      expect((await stat(join(root, RESERVED, 'meta', record!))).mode & 0o777).toBe(0o640);
    },
  );

  posix.it('keeps files and folders to their owner by default', async () => {
    const { driver, root } = await openDriver();
    await put(driver, 'folder/file.txt');
    expect((await stat(join(root, 'folder'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(root, 'folder/file.txt'))).mode & 0o777).toBe(0o600);
  });

  it('says what to do when the root is missing and must not be created', async () => {
    const root = join(await temporaryFolder(), 'missing');
    const error = await failure(openDriver({ root, createRoot: false }));
    expect(error.code).toBe('CONFIGURATION');
    expect(error.message).toMatch(/missing.* does not exist; create the folder, or set createRoot/);
    expect(error.cause).toMatchObject({ code: 'ENOENT', path: root });
  });

  it('refuses a root that is a file', async () => {
    const root = join(await temporaryFolder(), 'file');
    await writeFile(root, '');
    for (const createRoot of [true, false]) {
      for (const path of [root, join(root, 'below')]) {
        const error = await failure(openDriver({ root: path, createRoot }));
        expect(error.code).toBe('CONFIGURATION');
        expect(error.message).toContain(`${JSON.stringify(path)} is not a folder`);
      }
    }
  });

  posix.it('tells a link to what is not there, such as a disk that is not mounted', async () => {
    const folder = await temporaryFolder();
    const link = join(folder, 'link');
    await symlink(join(folder, 'disk'), link);
    for (const createRoot of [true, false]) {
      for (const root of [link, join(link, 'below')]) {
        const error = await failure(openDriver({ root, createRoot }));
        expect(error.code).toBe('CONFIGURATION');
        expect(error.message).toContain(
          `root ${JSON.stringify(root)} does not exist: ${JSON.stringify(link)} is a link to ${JSON.stringify(join(folder, 'disk'))}, which is not there; create or mount that`,
        );
      }
    }
    await mkdir(join(folder, 'disk'));
    await put((await openDriver({ root: link })).driver, 'a.txt');
    expect(await readdir(join(folder, 'disk'))).toContain('a.txt');
  });

  whereProcIs(
    'refuses a root where no folder can be, for which Node.js would try for ever',
    async () => {
      const error = await failure(openDriver({ root: '/proc/nestjs-storages/files' }));
      expect(error.code).toBe('CONFIGURATION');
      expect(error.message).toContain('cannot be created, as its parent takes no folders');
    },
  );

  it('is created once by several that open it at once', async () => {
    const root = join(await temporaryFolder(), 'a/b/c');
    const opened = await Promise.all(Array.from({ length: 8 }, () => openDriver({ root })));
    expect(opened).toHaveLength(8);
    expect((await stat(root)).isDirectory()).toBe(true);
  });

  it('creates nothing until the first write', async () => {
    const root = await temporaryFolder();
    await writeFile(join(root, 'a.txt'), 'abc');
    const { driver } = await openDriver({ root });
    expect(await text(driver, 'a.txt')).toBe('abc');
    expect(await listAll(driver)).toEqual(['a.txt']);
    await driver.deleteMany(['missing'], { signal });
    expect(await readdir(root)).toEqual(['a.txt']);
    await put(driver, 'b.txt');
    expect((await readdir(root)).sort()).toEqual([RESERVED, 'a.txt', 'b.txt']);
  });

  posix.it('reads from a root that it may not write to, and says what a write needs', async () => {
    const root = await temporaryFolder();
    await writeFile(join(root, 'a.txt'), 'abc');
    await chmod(root, 0o555);
    await asNobody(async () => {
      const { driver } = await openDriver({ root });
      expect(await text(driver, 'a.txt')).toBe('abc');
      expect(await listAll(driver)).toEqual(['a.txt']);
      const error = await failure(put(driver, 'b.txt'));
      expect(error.code).toBe('PERMISSION_DENIED');
      expect(error.message).toContain('give its user the right to write');
      await driver.close();
    });
    expect(await readdir(root)).toEqual(['a.txt']);
    await chmod(root, 0o755);
  });

  posix.it('refuses a root that it may not read', async () => {
    const root = await temporaryFolder();
    await chmod(root, 0o700);
    const error = await asNobody(() => failure(openDriver({ root })));
    expect(error.code).toBe('PERMISSION_DENIED');
    expect(error.message).toContain('give its user access');
  });

  posix.it('refuses a root that it may not create', async () => {
    const folder = await temporaryFolder();
    await chmod(folder, 0o755);
    const error = await asNobody(() => failure(openDriver({ root: join(folder, 'new') })));
    expect(error.code).toBe('PERMISSION_DENIED');
    expect(error.message).toContain('may not read or create root');
    expect(error.message).toContain('(EACCES)');
  });

  posix.it('refuses a reserved folder that is a link', async () => {
    const root = await temporaryFolder();
    await symlink(await temporaryFolder(), join(root, RESERVED));
    expect((await failure(openDriver({ root }))).code).toBe('CONFIGURATION');
  });

  posix.it.each(['tmp', 'locks', 'meta', 'uploads'])(
    'refuses a reserved folder in which %s is a link',
    async (name) => {
      const root = await temporaryFolder();
      const outside = await temporaryFolder();
      await mkdir(join(root, RESERVED));
      await symlink(outside, join(root, RESERVED, name));
      expect((await failure(openDriver({ root }))).code).toBe('CONFIGURATION');
      expect(await readdir(outside)).toEqual([]);
    },
  );

  posix.it('refuses a reserved folder that is a file, or a link that leads nowhere', async () => {
    for (const make of [
      (path: string) => writeFile(path, ''),
      (path: string) => symlink(RESERVED, path),
    ]) {
      const root = await temporaryFolder();
      await make(join(root, RESERVED));
      const error = await failure(openDriver({ root }));
      expect(error.code).toBe('CONFIGURATION');
      expect(error.message).toContain('must be plain folders on the same file system');
    }
  });

  posix.it('takes a root that is reached over a link', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'real'));
    await symlink('real', join(folder, 'link'));
    const { driver } = await openDriver({ root: join(folder, 'link') });
    await put(driver, 'a.txt');
    expect(await readdir(join(folder, 'real'))).toContain('a.txt');
  });

  it.each<[string, Partial<LocalStorageOptions>]>([
    ['root', { root: '' }],
    ['root', { root: 7 as unknown as string }],
    ['root', { root: '/srv\0/files' }],
    ['permissions', { permissions: 0o4600 }],
    ['permissions', { permissions: 0o600 + 0.5 }],
    ['permissions', { permissions: -1 }],
    ['permissions', { permissions: 0o200 }],
    ['directoryPermissions', { directoryPermissions: 0o600 }],
    ['durability must be one of full, rename, none', { durability: 'safe' as 'full' }],
    ['symlinks', { symlinks: 'allow' as 'deny' }],
    ['checksum', { checksum: 'crc64' as 'crc32' }],
    ['baseUrl', { baseUrl: 'https://example.com' }],
    ['signingKeys', { signingKeys }],
  ])('refuses a wrong %s by name', async (name, options) => {
    const error = await failure(openDriver(options));
    expect(error.code).toBe('CONFIGURATION');
    expect(error.message).toContain(name);
  });

  posix.it('takes folders that are open to all', async () => {
    const { root, driver } = await openDriver({ directoryPermissions: 0o777 });
    await put(driver, 'folder/file.txt');
    expect((await stat(join(root, 'folder'))).mode & 0o777).toBe(0o777);
  });

  it('can do everything but sign, for which it needs to be configured', async () => {
    const { driver } = await openDriver();
    expect(driver.capabilities).toMatchObject({
      createOnly: true,
      compareAndSet: true,
      conditionalDelete: true,
      createOnlyCopy: true,
      conditionalGet: true,
      ranges: true,
      metadata: true,
      headers: true,
      delimiters: 'slash',
      atomicMove: true,
      multipart: true,
      multipartListing: true,
      signedUrls: false,
      signedCacheControl: false,
      signedUploads: { PUT: false, POST: false },
      signedParts: false,
      checksums: ['crc32', 'crc32c', 'md5', 'sha1', 'sha256'],
      retries: false,
    });
    const error = await failure(driver.url('a', { signal, expiresIn: 60 }));
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toContain('baseUrl and signingKeys');
  });

  it('signs URLs that its signer verifies', async () => {
    const baseUrl = 'https://example.com/files';
    const { driver } = await openDriver({ baseUrl, signingKeys });
    const signer = new UrlSigner('files', baseUrl, signingKeys);
    const url = new URL(await driver.url('a b.txt', { signal, expiresIn: 60 }));
    expect(url.pathname).toBe('/files/a%20b.txt');
    expect(signer.verify('GET', 'a b.txt', url.search.slice(1))).toBeDefined();
    const upload = await driver.uploadUrl('a.txt', {
      signal,
      method: 'PUT',
      expiresIn: 60,
      maxSize: 9,
      ifNoneMatch: '*',
    });
    expect(signer.verify('PUT', 'a.txt', new URL(upload.url).search.slice(1))).toMatchObject({
      maxSize: 9,
      createOnly: true,
    });
    const { signedUploads } = driver.capabilities;
    expect(signedUploads.PUT).toContain('createOnly');
    expect(driver.capabilities).toMatchObject({
      signedUrls: true,
      signedCacheControl: true,
      signedUploads: { POST: signedUploads.PUT },
      signedParts: ['size', 'checksum'],
    });
  });

  it('removes its temporary folder when it is closed, and can be closed twice', async () => {
    const { driver, root } = await openDriver();
    await put(driver, 'a.txt');
    expect(await readdir(join(root, RESERVED, 'tmp'))).toHaveLength(1);
    await driver.close();
    await driver.close();
    expect(await readdir(join(root, RESERVED, 'tmp'))).toEqual([]);
  });
});
