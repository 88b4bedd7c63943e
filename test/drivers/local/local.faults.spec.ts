import { randomBytes } from 'node:crypto';
import type { ReadStream } from 'node:fs';
import {
  link,
  mkdir,
  readdir,
  rm,
  rmdir,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';

type Call = (...args: unknown[]) => void;
/** What happens before a call, of which it sees the arguments: an error is what becomes of the call. */
type Before = (...args: unknown[]) => Promise<Error | void> | Error | void;

const CALLS = [
  'fsync',
  'link',
  'lstat',
  'mkdir',
  'open',
  'readdir',
  'rename',
  'rmdir',
  'stat',
  'unlink',
  'write',
] as const;

// Imported, its names would be taken as they are now.
const fs = process.getBuiltinModule('node:fs');
const before = new Map<string, Before>();
const real = fs as unknown as Record<string, Call>;
const restored = Object.fromEntries(CALLS.map((name) => [name, real[name]!]));
for (const name of CALLS) {
  real[name] = (...args) => {
    const act = before.get(name);
    if (!act) {
      restored[name]!(...args);
      return;
    }
    void Promise.resolve(act(...args)).then((error) => {
      if (error) (args.at(-1) as (error: Error) => void)(error);
      else restored[name]!(...args);
    });
  };
}
// The driver takes the calls as they are when it is loaded.
const {
  RESERVED,
  chunks,
  cleanUp,
  failure,
  filesBelow,
  listAll,
  openDriver,
  put,
  signal,
  temporaryFiles,
  text,
} = await import('./local-fixture.js');

/** The first call with such a path. */
function beforeFirst(name: (typeof CALLS)[number], path: RegExp | string, act: Before): void {
  before.set(name, (...args) => {
    const paths = args.filter((arg) => typeof arg === 'string');
    if (!paths.some((arg) => (typeof path === 'string' ? arg.includes(path) : path.test(arg))))
      return;
    before.delete(name);
    return act(...args);
  });
}

const fails =
  (code: string): Before =>
  () =>
    Object.assign(new Error(`${code}: it was told to fail`), { code });

const ATTRIBUTES = { contentType: 'text/plain', metadata: { a: 'b' } };

let root: string;
let driver: StorageDriver;

beforeEach(async () => {
  ({ root, driver } = await openDriver());
});
afterEach(async () => {
  before.clear();
  jest.restoreAllMocks();
  await cleanUp();
});
afterAll(() => {
  Object.assign(fs, restored);
});

/** Elsewhere the driver makes other calls, with other paths. */
const onLinux = process.platform === 'linux' ? describe : describe.skip;

const records = (): Promise<string[]> => filesBelow(join(root, RESERVED, 'meta')).catch(() => []);
const uploads = (): Promise<string[]> =>
  filesBelow(join(root, RESERVED, 'uploads')).catch(() => []);

onLinux('an upload in parts', () => {
  const start = async (key = 'k'): Promise<{ key: string; uploadId: string }> => ({
    key,
    uploadId: await driver.startMultipartUpload(key, { signal, ...ATTRIBUTES }),
  });
  const part = (
    upload: { key: string; uploadId: string },
    number = 1,
  ): ReturnType<StorageDriver['uploadPart']> =>
    driver.uploadPart(upload, number, Buffer.from('part'), { signal });

  it.each(['/uploads/', '/upload.json'])('that cannot begin at %s leaves nothing', async (path) => {
    await put(driver, 'other');
    beforeFirst('rename', path, fails('ENOSPC'));
    expect((await failure(start())).code).toBe('QUOTA_EXCEEDED');
    expect(await uploads()).toEqual([]);
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it.each([
    ['ENOENT', 'FILE_NOT_FOUND'],
    ['ENOSPC', 'QUOTA_EXCEEDED'],
  ])(
    'fails a part that cannot be put in its place with %s as %s, and leaves no half of it',
    async (code, expected) => {
      const upload = await start();
      beforeFirst('rename', '/part-1', fails(code));
      expect((await failure(part(upload))).code).toBe(expected);
      expect(await driver.listParts(upload, { signal })).toEqual([]);
      expect(await temporaryFiles(root)).toEqual([]);
    },
  );

  it('is not there when it is aborted while its parts are listed', async () => {
    const upload = await start();
    await part(upload);
    for (const [call, path] of [
      ['readdir', upload.uploadId],
      ['lstat', '/part-1'],
    ] as const) {
      beforeFirst(call, path, fails('ENOENT'));
      expect((await failure(driver.listParts(upload, { signal }))).code).toBe('FILE_NOT_FOUND');
      beforeFirst(call, path, fails('EIO'));
      expect((await failure(driver.listParts(upload, { signal }))).code).toBe('UNKNOWN');
    }
    expect(await driver.listParts(upload, { signal })).toHaveLength(1);
  });

  it.each([1, 2])(
    'of %i parts is not there when it is aborted while it is completed',
    async (count) => {
      const upload = await start();
      const parts = [];
      for (let number = 1; number <= count; number++) parts.push(await part(upload, number));
      const abort = (): Promise<void> => driver.abortMultipartUpload(upload, { signal });
      beforeFirst(count === 1 ? 'link' : 'open', '/part-1', abort);
      const error = await failure(driver.completeMultipartUpload(upload, parts, { signal }));
      expect(error).toMatchObject({
        code: 'FILE_NOT_FOUND',
        message: expect.stringContaining('multipart upload'),
      });
      expect(await listAll(driver)).toEqual([]);
      expect(await temporaryFiles(root)).toEqual([]);
    },
  );

  it.each([1, 2])('of %i parts stays when one cannot be read', async (count) => {
    const upload = await start();
    const parts = [];
    for (let number = 1; number <= count; number++) parts.push(await part(upload, number));
    beforeFirst(count === 1 ? 'link' : 'open', '/part-1', fails('EIO'));
    const error = await failure(driver.completeMultipartUpload(upload, parts, { signal }));
    expect(error.code).toBe('UNKNOWN');
    expect(await driver.listParts(upload, { signal })).toHaveLength(count);
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it('that another process completed meanwhile, from the same part, is completed once', async () => {
    const upload = await start();
    const sent = await part(upload);
    const folder = join(root, RESERVED, 'uploads', upload.uploadId);
    await link(join(folder, 'part-1'), join(root, 'k'));
    const file = await driver.completeMultipartUpload(upload, [sent], { signal });
    expect(file.metadata).toEqual(ATTRIBUTES.metadata);
    expect(await driver.info('k', { signal })).toEqual(file);
    expect((await stat(join(root, 'k'))).nlink).toBe(1);
    expect(await temporaryFiles(root)).toEqual([]);
    expect(await uploads()).toEqual([]);
  });

  it('stays when it cannot be removed, and is no longer there when another process removed it', async () => {
    const upload = await start();
    beforeFirst('rename', upload.uploadId, fails('EACCES'));
    const denied = await failure(driver.abortMultipartUpload(upload, { signal }));
    expect(denied.code).toBe('PERMISSION_DENIED');
    expect(await uploads()).toHaveLength(1);
    const folder = join(root, RESERVED, 'uploads', upload.uploadId);
    beforeFirst('rename', upload.uploadId, () => rm(folder, { recursive: true }));
    await driver.abortMultipartUpload(upload, { signal });
    expect(await uploads()).toEqual([]);
  });

  it('that ends while uploads are listed is left out, as is one whose record is damaged', async () => {
    const kept = await start('kept');
    const ended = await start('ended');
    const damaged = await start('damaged');
    const folder = (id: string): string => join(root, RESERVED, 'uploads', id);
    const listed = async (): Promise<string[]> => {
      const keys: string[] = [];
      for await (const page of driver.listMultipartUploads({ signal, prefix: '' }))
        keys.push(...page.map(({ key }) => key));
      return keys.sort();
    };
    expect(await listed()).toEqual(['damaged', 'ended', 'kept']);
    beforeFirst('lstat', `${ended.uploadId}/upload.json`, fails('ENOENT'));
    expect(await listed()).toEqual(['damaged', 'kept']);
    for (const record of ['{"key":', 'null', '{"key":7}']) {
      await writeFile(join(folder(damaged.uploadId), 'upload.json'), record);
      expect(await listed()).toEqual(['ended', 'kept']);
    }
    beforeFirst('lstat', `${kept.uploadId}/upload.json`, fails('EIO'));
    await expect(listed()).rejects.toMatchObject({ code: 'UNKNOWN' });
  });
});

onLinux('a write', () => {
  it('tells what is wrong with the place of the file, and leaves nothing', async () => {
    await put(driver, 'k', 'old', ATTRIBUTES);
    for (const [call, code, expected] of [
      ['lstat', 'EIO', 'UNKNOWN'],
      ['rename', 'EXDEV', 'CONFIGURATION'],
      ['rename', 'EISDIR', 'INVALID_KEY'],
      ['rename', 'ENOTEMPTY', 'INVALID_KEY'],
      ['rename', 'EROFS', 'PERMISSION_DENIED'],
    ] as const) {
      beforeFirst(call, /\/k$/, fails(code));
      expect((await failure(put(driver, 'k', 'new', ATTRIBUTES))).code).toBe(expected);
      expect(await text(driver, 'k')).toBe('old');
      expect(await records()).toHaveLength(1);
      expect(await temporaryFiles(root)).toEqual([]);
    }
  });

  it('keeps its metadata when it fails after another process has published the same part', async () => {
    const upload = {
      key: 'k',
      uploadId: await driver.startMultipartUpload('k', { signal, ...ATTRIBUTES }),
    };
    const sent = await driver.uploadPart(upload, 1, Buffer.from('part'), { signal });
    beforeFirst('rename', /\/k$/, async () => {
      await link(join(root, RESERVED, 'uploads', upload.uploadId, 'part-1'), join(root, 'k'));
      return Object.assign(new Error('EIO'), { code: 'EIO' });
    });
    await failure(driver.completeMultipartUpload(upload, [sent], { signal }));
    expect((await driver.info('k', { signal })).metadata).toEqual(ATTRIBUTES.metadata);
  });

  it('waits for the one before it, and gives up its place when it is aborted', async () => {
    const order: string[] = [];
    let behind: Promise<unknown>[] = [];
    const controller = new AbortController();
    beforeFirst('rename', /\/k$/, async () => {
      behind = [
        put(driver, 'k', 'second', { signal: controller.signal }).catch(({ code }) => {
          order.push(code);
        }),
        put(driver, 'k', 'third').then(() => order.push('third')),
      ];
      // Long enough for both to be published, if they did not wait.
      for (let files = 0; files < 20; files++) await put(driver, `other/${files}`);
      expect(await temporaryFiles(root)).toHaveLength(3);
      controller.abort();
    });
    await put(driver, 'k', 'first').then(() => order.push('first'));
    await Promise.all(behind);
    expect([...order].sort()).toEqual(['ABORTED', 'first', 'third']);
    expect(order.indexOf('first')).toBeLessThan(order.indexOf('third'));
    expect(await text(driver, 'k')).toBe('third');
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it('that may only create names the file that another process has created meanwhile', async () => {
    await put(driver, 'k', 'x', ATTRIBUTES);
    const create = (): Promise<void> => writeFile(join(root, 'new'), 'theirs');
    beforeFirst('link', /\/new$/, create);
    const error = await failure(driver.copy('k', 'new', { signal, move: false, ifNoneMatch: '*' }));
    expect(error).toMatchObject({ code: 'FILE_EXISTS', key: 'new' });
    expect(await text(driver, 'new')).toBe('theirs');
  });

  it('creates the folder again that others have removed, and gives up when they always do', async () => {
    beforeFirst('rename', /\/k$/, () => rmdir(join(root, 'folder')));
    await put(driver, 'folder/k', 'x', ATTRIBUTES);
    expect(await listAll(driver)).toEqual(['folder/k']);
    let attempts = 0;
    before.set('rename', (_from, to) => {
      if (!String(to).endsWith('/other')) return;
      attempts++;
      return Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
    });
    const error = await failure(put(driver, 'folder/other', 'x', ATTRIBUTES));
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', key: 'folder/other' });
    expect(error.message).toContain('removed as often as it is created');
    expect(attempts).toBe(100);
    expect(await records()).toHaveLength(1);
  });

  it('gives up on a folder that is never there', async () => {
    before.set('mkdir', (path) =>
      String(path).endsWith('/gone')
        ? Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
        : undefined,
    );
    const error = await failure(put(driver, 'gone/k', 'x'));
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', key: 'gone/k' });
    expect(error.message).toContain('removed as often as it is created');
  });

  it('writes the whole of a body of which the disk takes a part at a time', async () => {
    const bytes = randomBytes(300_000);
    before.set('write', (descriptor, rest, done) => {
      const half = (rest as Uint8Array).subarray(0, Math.ceil((rest as Uint8Array).byteLength / 2));
      before.delete('write');
      restored['write']!(descriptor, half, (error: Error | null, count: number) => {
        (done as (error: Error | null, count: number) => void)(error, count);
      });
      return new Promise<void>(() => {});
    });
    await put(driver, 'k', bytes);
    expect(before.size).toBe(0);
    const { body } = await driver.get('k', { signal });
    expect(Buffer.concat(await (body as ReadStream).toArray()).equals(bytes)).toBe(true);
  });

  it('calls fsync for the bytes, the record and the names when they are to survive a power cut, else never', async () => {
    const synced: string[] = [];
    before.set('fsync', (descriptor) => {
      const path = fs.readlinkSync(`/proc/self/fd/${String(descriptor)}`);
      synced.push(path.replace(/[0-9a-f]{62}|\d+-\d+-\d+|,.*\//g, '…'));
    });
    await put(driver, 'folder/k', 'x', ATTRIBUTES);
    await driver.copy('folder/k', 'moved/k', { signal, move: true });
    await driver.deleteMany(['moved/k'], { signal });
    await driver.startMultipartUpload('k', { signal, ...ATTRIBUTES });
    expect(synced).toEqual([]);
    await rm(join(root, RESERVED), { recursive: true });
    const { driver: durable } = await openDriver({ root, durability: 'full' });
    await put(durable, 'folder/k', 'x', ATTRIBUTES);
    const afterFirst = new Set(synced.splice(0).map((path) => path.slice(root.length)));
    expect(afterFirst).toContain('/folder');
    expect(afterFirst).toContain('');
    expect([...afterFirst].some((path) => path.endsWith('….json'))).toBe(true);
    expect([...afterFirst].some((path) => path.includes('/tmp/'))).toBe(true);
    await put(durable, 'folder/k', 'y', ATTRIBUTES);
    // The folders are there by now: their own names are on the disk.
    expect(synced.splice(0)).not.toContain(root);
    await durable.copy('folder/k', 'moved/k', { signal, move: true });
    expect(synced.splice(0)).toEqual(expect.arrayContaining([root, join(root, 'moved')]));
    await durable.deleteMany(['moved/k'], { signal });
    expect(synced.splice(0)).toContain(join(root, 'moved'));
    await put(durable, 'a/b/c/x', 'x');
    await put(durable, 'a/b/y', 'x');
    synced.splice(0);
    await durable.deleteMany(['a/b/c/x', 'a/b/y'], { signal });
    // One is gone with the other, and would come back with what was in it.
    expect(synced.splice(0).sort()).toEqual([join(root, 'a/b'), join(root, 'a/b/c')]);
    const upload = {
      key: 'k',
      uploadId: await durable.startMultipartUpload('k', { signal, ...ATTRIBUTES }),
    };
    expect(synced.splice(0)).toContain(join(root, RESERVED, 'uploads'));
    await durable.uploadPart(upload, 1, Buffer.from('x'), { signal });
    expect(synced.splice(0)).toContain(join(root, RESERVED, 'uploads', upload.uploadId));
  });
});

onLinux('a move', () => {
  it.each([undefined, '*'] as const)(
    'creates the folder again that others have removed meanwhile (ifNoneMatch: %s)',
    async (ifNoneMatch) => {
      await put(driver, 'k', 'x', ATTRIBUTES);
      const call = ifNoneMatch ? 'link' : 'rename';
      beforeFirst(call, /^\/proc.*\/moved$/, () => rmdir(join(root, 'folder')));
      const options = { signal, move: true, ...(ifNoneMatch && { ifNoneMatch }) };
      const file = await driver.copy('k', 'folder/moved', options);
      expect(await listAll(driver)).toEqual(['folder/moved']);
      expect(await driver.info('folder/moved', { signal })).toEqual(file);
      expect(file.metadata).toEqual(ATTRIBUTES.metadata);
      expect(await records()).toHaveLength(1);
    },
  );

  it('of a file that is deleted at the last moment finds none, and leaves nothing', async () => {
    await put(driver, 'k', 'x', ATTRIBUTES);
    beforeFirst('rename', /^\/proc.*\/moved$/, () => unlink(join(root, 'k')));
    const error = await failure(driver.copy('k', 'folder/moved', { signal, move: true }));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', key: 'k' });
    expect(await readdir(root)).toEqual([RESERVED]);
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it('that fails leaves the file where it was, with its metadata', async () => {
    await put(driver, 'k', 'x', ATTRIBUTES);
    beforeFirst('rename', /\/moved$/, fails('EIO'));
    await failure(driver.copy('k', 'moved', { signal, move: true }));
    expect((await driver.info('k', { signal })).metadata).toEqual(ATTRIBUTES.metadata);
    expect(await records()).toHaveLength(1);
  });
});

onLinux('opening', () => {
  it('fails when the disk does', async () => {
    beforeFirst('stat', root, fails('EIO'));
    expect((await failure(openDriver({ root }))).message).toContain('The file system failed: EIO');
  });
});

onLinux('a listing', () => {
  it('begins with what comes first in the order of bytes', async () => {
    for (const key of ['0', 'A', 'a']) await put(driver, key);
    expect(await listAll(driver)).toEqual(['0', 'A', 'a']);
  });

  it('fails when a file cannot be looked at, and leaves out what is gone by then', async () => {
    await put(driver, 'a');
    await put(driver, 'b');
    beforeFirst('lstat', /\/b$/, () => unlink(join(root, 'b')));
    expect(await listAll(driver)).toEqual(['a']);
    beforeFirst('lstat', /\/a$/, fails('EACCES'));
    expect((await failure(listAll(driver))).code).toBe('PERMISSION_DENIED');
  });

  it('fails when a folder cannot be read, and is empty when it is gone by then', async () => {
    await put(driver, 'folder/a');
    const inFolder = /^\/proc\/self\/fd\/\d+\/\.$/;
    // The first is the root's.
    beforeFirst('readdir', inFolder, fails('EIO'));
    expect((await failure(listAll(driver))).code).toBe('UNKNOWN');
    beforeFirst('readdir', inFolder, fails('ENOENT'));
    expect(await listAll(driver)).toEqual([]);
  });

  it('fails when what a link leads to cannot be looked at', async () => {
    const { driver: following } = await openDriver({ root, symlinks: 'follow-inside' });
    await put(following, 'a');
    await symlink('a', join(root, 'link'));
    beforeFirst('stat', /\/a$/, fails('EACCES'));
    expect((await failure(listAll(following))).code).toBe('PERMISSION_DENIED');
    beforeFirst('stat', /\/a$/, fails('ENOENT'));
    expect(await listAll(following)).toEqual(['a']);
    expect(await listAll(following)).toEqual(['a', 'link']);
  });
});

onLinux('a read', () => {
  it('gives up on a file that is replaced each time when it is open', async () => {
    await put(driver, 'k', 'x');
    let opened = 0;
    before.set('open', (path, ...rest) => {
      if (path !== join(root, 'k')) return undefined;
      const done = rest.pop() as (error: Error | null, descriptor: number) => void;
      restored['open']!(path, ...rest, (error: Error | null, descriptor: number) => {
        fs.writeFileSync(join(root, 'next'), String(++opened));
        fs.renameSync(join(root, 'next'), join(root, 'k'));
        done(error, descriptor);
      });
      return new Promise<void>(() => {});
    });
    const error = await failure(driver.info('k', { signal }));
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', key: 'k' });
    expect(error.message).toContain('replaced faster than it can be opened');
    expect(opened).toBe(100);
    const moving = await failure(driver.copy('k', 'moved', { signal, move: true }));
    expect(moving).toMatchObject({ code: 'CONNECTION_FAILED', key: 'k' });
  });

  it('tells of a root that cannot be looked at, and does not take everything for missing', async () => {
    await put(driver, 'k', 'x');
    beforeFirst('stat', root, fails('EIO'));
    expect((await failure(driver.info('missing', { signal }))).code).toBe('UNKNOWN');
    expect((await failure(driver.info('missing', { signal }))).code).toBe('FILE_NOT_FOUND');
  });
});

onLinux('a deletion', () => {
  it('of what is gone by then succeeds', async () => {
    await put(driver, 'k', 'x', ATTRIBUTES);
    beforeFirst('unlink', /\/k$/, () => unlink(join(root, 'k')));
    expect(await driver.deleteMany(['k'], { signal })).toEqual({ failed: [] });
  });

  it('that fails leaves the file with its metadata', async () => {
    await put(driver, 'k', 'x', ATTRIBUTES);
    beforeFirst('unlink', /\/k$/, fails('EBUSY'));
    const { failed } = await driver.deleteMany(['k'], { signal });
    expect(failed.map(({ error }) => error.message)).toEqual([
      'The file system failed: EBUSY ("k")',
    ]);
    expect((await driver.info('k', { signal })).metadata).toEqual(ATTRIBUTES.metadata);
    expect(await temporaryFiles(root)).toEqual([]);
  });
});

onLinux('a full disk', () => {
  it('is written to again when there is room', async () => {
    await put(driver, 'k', 'old');
    before.set('write', fails('ENOSPC'));
    expect((await failure(put(driver, 'k', 'new'))).code).toBe('QUOTA_EXCEEDED');
    before.clear();
    await put(driver, 'k', chunks('n', 'ew'));
    expect(await text(driver, 'k')).toBe('new');
    expect(await readdir(root)).toContain('k');
    await mkdir(join(root, 'empty'));
    expect(await listAll(driver)).toEqual(['k']);
  });
});
