import { randomBytes } from 'node:crypto';
import type { ReadStream } from 'node:fs';
import {
  link,
  mkdir,
  readdir,
  rename,
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
  'chmod',
  'copyFile',
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
  'writev',
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
/** What closing a file fails with, once so many files were closed. */
let closing: { left: number; readonly code: string } | undefined;
const { closeSync } = fs;
fs.closeSync = (descriptor) => {
  closeSync(descriptor);
  if (!closing || closing.left-- > 0) return;
  const { code } = closing;
  closing = undefined;
  throw Object.assign(new Error(`${code}: it was told to fail`), { code });
};
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
const { hashOf, MetadataFolder } = await import('../../../lib/drivers/local/local.metadata.js');

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

/** The first call with such a path is made, and something happens before its caller gets the answer. */
function afterFirst(name: (typeof CALLS)[number], path: RegExp | string, act: () => void): void {
  beforeFirst(name, path, (...args) => {
    const done = args.pop() as (...answer: unknown[]) => void;
    restored[name]!(...args, (...answer: unknown[]) => {
      act();
      done(...answer);
    });
    return new Promise<void>(() => {});
  });
}

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
  Object.assign(fs, restored, { closeSync });
});

/** Elsewhere the driver makes other calls, with other paths. */
const onLinux = process.platform === 'linux' ? describe : describe.skip;

const records = (): Promise<string[]> => filesBelow(join(root, RESERVED, 'meta')).catch(() => []);
const uploads = (): Promise<string[]> =>
  filesBelow(join(root, RESERVED, 'uploads')).catch(() => []);

/** As on a network file system, which may have kept the bytes back until then. */
onLinux('a disk that turns out to be full when a file is closed', () => {
  afterEach(() => (closing = undefined));

  it.each([
    ['its bytes', 0],
    ['its metadata', 1],
  ])('leaves the old file, and nothing of the new one: %s', async (_, left) => {
    await put(driver, 'k', 'old', ATTRIBUTES);
    const there = await filesBelow(root);
    closing = { left, code: 'EDQUOT' };
    expect((await failure(put(driver, 'k', 'new', ATTRIBUTES))).code).toBe('QUOTA_EXCEEDED');
    expect(await filesBelow(root)).toEqual(there);
    expect(await text(driver, 'k')).toBe('old');
  });
});

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

  it.each([
    ['several parts', 'open', 2],
    ['one part', 'link', 1],
  ] as const)(
    'of %s never takes one that is sent again while they are joined',
    async (_, call, count) => {
      const upload = await start();
      const parts = [];
      for (let number = 1; number <= count; number++) parts.push(await part(upload, number));
      beforeFirst(call, `/part-${count}`, async () => {
        await driver.uploadPart(upload, count, Buffer.from('other'), { signal });
      });
      const completed = driver.completeMultipartUpload(upload, parts, { signal });
      expect((await failure(completed)).code).toBe('INVALID_ARGUMENT');
      expect(await listAll(driver)).toEqual([]);
      expect(await temporaryFiles(root)).toEqual([]);
      const sent = await driver.listParts(upload, { signal });
      await driver.completeMultipartUpload(upload, sent, { signal });
      expect(await text(driver, 'k')).toBe(count === 1 ? 'other' : 'partother');
    },
  );

  it.each(['/uploads/', '/upload.json'])('that cannot begin at %s leaves nothing', async (path) => {
    await put(driver, 'other');
    beforeFirst('rename', path, fails('ENOSPC'));
    expect((await failure(start())).code).toBe('QUOTA_EXCEEDED');
    expect(await uploads()).toEqual([]);
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it.each([
    ['ENOENT', 'FILE_NOT_FOUND', 'no such multipart upload'],
    ['ENOSPC', 'QUOTA_EXCEEDED', 'disk is full'],
  ])(
    'fails a part that cannot be put in its place with %s as %s, and leaves no half of it',
    async (code, expected, words) => {
      const upload = await start();
      beforeFirst('rename', '/part-1', fails(code));
      const error = await failure(part(upload));
      expect(error).toMatchObject({ code: expected, message: expect.stringContaining(words) });
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

  it('writes the whole of a stream of which the disk takes a part at a time', async () => {
    const parts = ['first', 'second', 'third'].map((text) => text.padEnd(20_000, text));
    let taken: number;
    before.set('writev', (descriptor, buffers, done) => {
      const some = Buffer.concat(buffers as Uint8Array[]).subarray(0, taken);
      restored['write']!(descriptor, some, done);
      return new Promise<void>(() => {});
    });
    for (taken of [1, 19_999, 20_000, 20_001, 45_000, 60_000]) {
      await put(driver, 'k', chunks(...parts));
      expect(await text(driver, 'k')).toBe(parts.join(''));
    }
  });

  it('leaves no half of a record for which there is no room', async () => {
    before.set('write', (descriptor) => {
      const path = fs.readlinkSync(`/proc/self/fd/${String(descriptor)}`);
      return path.endsWith('.json') ? fails('ENOSPC')() : undefined;
    });
    expect((await failure(put(driver, 'k', 'x', ATTRIBUTES))).code).toBe('QUOTA_EXCEEDED');
    expect(await records()).toEqual([]);
    expect(await listAll(driver)).toEqual([]);
  });

  it('looks again where a folder is to be made, and something else was for a moment', async () => {
    beforeFirst('mkdir', /\/folder$/, fails('ENOTDIR'));
    await put(driver, 'folder/k', 'x');
    expect(await text(driver, 'folder/k')).toBe('x');
  });

  it('makes the folder again that others have removed when it was just opened', async () => {
    await mkdir(join(root, 'folder'));
    afterFirst('open', /\/folder$/, () => fs.rmdirSync(join(root, 'folder')));
    await put(driver, 'folder/k', 'x');
    expect(await text(driver, 'folder/k')).toBe('x');
  });

  it.each(['EACCES', 'EPERM', 'EROFS'])(
    'says what it needs where the folder of temporary files cannot be made: %s',
    async (code) => {
      beforeFirst('mkdir', RESERVED, fails(code));
      const error = await failure(put(driver, 'k', 'x'));
      expect(error).toMatchObject({ code: 'PERMISSION_DENIED', cause: { code } });
      expect(error.message).toContain('give its user the right to write there');
    },
  );

  it('tells what it is about to do to metadata before it does it, for the case that the process ends', async () => {
    let notes: string[] = [];
    const look: Before = async () => {
      notes = (await temporaryFiles(root)).filter((name) => name.endsWith('.json'));
    };
    const versionOf = async (key: string): Promise<string> => {
      const { size, mtimeNs, ino } = await stat(join(root, key), { bigint: true });
      return `${hashOf(key)}-${size}-${mtimeNs}-${ino}.json`;
    };
    const noted = async (...expected: string[]): Promise<void> => {
      expect(notes.map((name) => name.replace(/^.*\//, '')).sort()).toEqual(expected.sort());
      expect(await temporaryFiles(root)).toEqual([]);
    };
    await put(driver, 'k', 'x', ATTRIBUTES);
    const first = await versionOf('k');
    beforeFirst('rename', /\/k$/, look);
    await put(driver, 'k', 'y');
    await noted(first);
    await put(driver, 'k', 'x', ATTRIBUTES);
    await put(driver, 'moved', 'x', ATTRIBUTES);
    const [source, replaced] = [await versionOf('k'), await versionOf('moved')];
    beforeFirst('rename', /\/moved$/, look);
    await driver.copy('k', 'moved', { signal, move: true });
    const moved = await versionOf('moved');
    await noted(source, replaced, moved);
    beforeFirst('unlink', /\/moved$/, look);
    await driver.deleteMany(['moved'], { signal });
    await noted(moved);
    const upload = {
      key: 'k',
      uploadId: await driver.startMultipartUpload('k', { signal, ...ATTRIBUTES }),
    };
    const part = await driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
    beforeFirst('rename', /\/k$/, look);
    await driver.completeMultipartUpload(upload, [part], { signal });
    await noted(await versionOf('k'));
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
    const first = [...new Set(synced.splice(0).map((path) => path.slice(root.length)))];
    expect(first).toEqual(expect.arrayContaining(['/folder', '', `/${RESERVED}/meta`]));
    const record = `/${RESERVED}/meta/${hashOf('folder/k').slice(0, 2)}/…`;
    expect(first).toEqual(expect.arrayContaining([record, `${record}/….json`]));
    expect(first.some((path) => path.includes('/tmp/'))).toBe(true);
    await put(durable, 'folder/k', 'y', ATTRIBUTES);
    // The folders are there by now: their own names are on the disk.
    const again = synced.splice(0).map((path) => path.slice(root.length));
    expect(again).toContain(record);
    expect(again).not.toContain('');
    expect(again).not.toContain(`/${RESERVED}/meta`);
    await durable.copy('folder/k', 'moved/k', { signal, move: true });
    const both = [join(root, 'folder'), join(root, 'moved')];
    expect(synced.splice(0)).toEqual(expect.arrayContaining([root, ...both]));
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

  it.each(['k', 'folder/k'])(
    'of %s fails when its name may not survive a power cut',
    async (key) => {
      const { driver: durable } = await openDriver({ root, durability: 'full' });
      await put(durable, key, 'x');
      const folder = join(root, key, '..');
      before.set('fsync', (descriptor) => {
        const path = fs.readlinkSync(`/proc/self/fd/${String(descriptor)}`);
        return path === folder ? fails('EIO')() : undefined;
      });
      expect((await failure(put(durable, key, 'y'))).message).toContain('EIO');
    },
  );
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

  it.each([
    [undefined, { version: 'newer' }],
    [undefined, undefined],
    ['*', { version: 'newer' }],
    ['*', undefined],
  ] as const)(
    'is of the version that was put at the last moment (ifNoneMatch: %s), with its metadata: %j',
    async (ifNoneMatch, newer) => {
      const metadata = new MetadataFolder(join(root, RESERVED, 'meta'), 0o600, 0o700, false);
      await put(driver, 'k', 'old', { metadata: { version: 'old' } });
      beforeFirst(ifNoneMatch ? 'link' : 'rename', /\/moved$/, async () => {
        await writeFile(join(root, 'next'), 'newer');
        const version = await stat(join(root, 'next'), { bigint: true });
        if (newer) await metadata.write('k', version, { metadata: newer });
        await rename(join(root, 'next'), join(root, 'k'));
      });
      const options = { signal, move: true, ...(ifNoneMatch && { ifNoneMatch }) };
      const file = await driver.copy('k', 'moved', options);
      expect(file).toMatchObject({ size: 5, metadata: newer ?? {} });
      expect(await driver.info('moved', { signal })).toEqual(file);
      expect(await listAll(driver)).toEqual(['moved']);
      expect(await metadata.namesFor('k')).toEqual([]);
      expect(await metadata.namesFor('moved')).toHaveLength(newer ? 1 : 0);
    },
  );

  it('that must not replace anything takes no file away that was put in its old place meanwhile', async () => {
    await put(driver, 'k', 'x', ATTRIBUTES);
    afterFirst('link', /\/moved$/, () => {
      fs.writeFileSync(join(root, 'next'), 'theirs');
      fs.renameSync(join(root, 'next'), join(root, 'k'));
    });
    await driver.copy('k', 'moved', { signal, move: true, ifNoneMatch: '*' });
    expect(await text(driver, 'k')).toBe('theirs');
    expect(await text(driver, 'moved')).toBe('x');
    expect((await driver.info('k', { signal })).metadata).toEqual({});
    expect((await driver.info('moved', { signal })).metadata).toEqual(ATTRIBUTES.metadata);
    expect(await records()).toHaveLength(1);
  });

  it('that fails leaves the file where it was, with its metadata', async () => {
    await put(driver, 'k', 'x', ATTRIBUTES);
    beforeFirst('rename', /\/moved$/, fails('EIO'));
    await failure(driver.copy('k', 'moved', { signal, move: true }));
    expect((await driver.info('k', { signal })).metadata).toEqual(ATTRIBUTES.metadata);
    expect(await records()).toHaveLength(1);
  });
});

onLinux('a copy', () => {
  it('is of the version that was found, bytes and metadata, when it is replaced meanwhile', async () => {
    await put(driver, 'k', 'old', ATTRIBUTES);
    beforeFirst('copyFile', '/tmp/', async () => void (await put(driver, 'k', 'newer')));
    const file = await driver.copy('k', 'copy', { signal, move: false });
    expect(file).toMatchObject({ size: 3, metadata: ATTRIBUTES.metadata });
    expect(await text(driver, 'copy')).toBe('old');
  });

  it('that fails leaves no half of it', async () => {
    await put(driver, 'k', 'x', ATTRIBUTES);
    beforeFirst('chmod', '/tmp/', fails('EIO'));
    await failure(driver.copy('k', 'copy', { signal, move: false }));
    expect(await listAll(driver)).toEqual(['k']);
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it.each(['EISDIR', 'ENOTDIR'])('names the destination that is no file: %s', async (code) => {
    await put(driver, 'k', 'x');
    beforeFirst('rename', /\/copy$/, fails(code));
    const error = await failure(driver.copy('k', 'copy', { signal, move: false }));
    expect(error).toMatchObject({ code: 'INVALID_KEY', key: 'copy' });
  });
});

onLinux('opening', () => {
  it.each(['EACCES', 'EPERM', 'EROFS'])('says that it may not read the root: %s', async (code) => {
    beforeFirst('stat', root, fails(code));
    const error = await failure(openDriver({ root }));
    expect(error).toMatchObject({ code: 'PERMISSION_DENIED', cause: { code } });
    expect(error.message).toBe(
      `The process may not read or create root "${root}" (${code}); give its user access, or name another folder`,
    );
  });

  it('refuses a reserved folder on another file system', async () => {
    await put(driver, 'k');
    beforeFirst('stat', /\/tmp$/, (path, options, done) => {
      restored['stat']!(path, options, (error: Error | null, stats: { dev: bigint }) => {
        stats.dev += 1n;
        (done as (error: Error | null, value: unknown) => void)(error, stats);
      });
      return new Promise<void>(() => {});
    });
    const error = await failure(openDriver({ root }));
    expect(error.code).toBe('CONFIGURATION');
    expect(error.message).toContain('on the same file system');
  });

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

  it.each(['ENOENT', 'ENOTDIR', 'ELOOP'])(
    'leaves out what is not there any more: %s',
    async (code) => {
      await put(driver, 'a');
      await put(driver, 'b');
      beforeFirst('lstat', /\/b$/, fails(code));
      expect(await listAll(driver)).toEqual(['a']);
    },
  );

  it('leaves out what is no file any more', async () => {
    for (const key of ['a', 'b', 'c']) await put(driver, key);
    before.set('lstat', async (path) => {
      const key = String(path).at(-1)!;
      if (key === 'c') return;
      await unlink(join(root, key));
      await (key === 'a' ? mkdir(join(root, key)) : symlink('c', join(root, key)));
    });
    expect(await listAll(driver)).toEqual(['c']);
  });

  it('fills its pages, and no more, when files are gone by then', async () => {
    for (const key of ['a', 'b/x', 'c', 'd', 'e']) await put(driver, key);
    beforeFirst('lstat', /\/a$/, () => unlink(join(root, 'a')));
    const pages: (readonly string[])[][] = [];
    const options = { signal, prefix: '', pageSize: 3, delimiter: '/' } as const;
    for await (const { files, prefixes } of driver.list(options)) {
      pages.push([files.map(({ key }) => key), prefixes]);
    }
    expect(pages).toEqual([
      [['c', 'd'], ['b/']],
      [['e'], []],
    ]);
  });

  it('reads no folder before its pages come to it', async () => {
    for (const key of ['a', 'b', 'c/d', 'e/f']) await put(driver, key);
    let reads = 0;
    before.set('readdir', () => void reads++);
    for await (const page of driver.list({ signal, prefix: '', pageSize: 1 })) {
      expect(page.files.map(({ key }) => key)).toEqual(['a']);
      break;
    }
    expect(reads).toBe(1);
  });

  it('fails when one of many files cannot be looked at', async () => {
    const names = Array.from({ length: 100 }, (_, index) => String(1000 + index));
    await Promise.all(names.map((name) => writeFile(join(root, name), '')));
    beforeFirst('lstat', /\/1000$/, fails('EIO'));
    expect((await failure(listAll(driver))).message).toContain('EIO');
    expect(await listAll(driver)).toEqual(names);
  });

  it('ends when it is aborted while files are looked at', async () => {
    await put(driver, 'a');
    const controller = new AbortController();
    beforeFirst('lstat', /\/a$/, () => controller.abort());
    const error = await failure(listAll(driver, { signal: controller.signal }));
    expect(error.code).toBe('ABORTED');
  });

  it('fails when a folder cannot be read, and is empty when it is gone by then', async () => {
    await put(driver, 'folder/a');
    const inFolder = /^\/proc\/self\/fd\/\d+\/\.$/;
    // The first is the root's.
    beforeFirst('readdir', inFolder, fails('EIO'));
    expect((await failure(listAll(driver))).code).toBe('UNKNOWN');
    for (const code of ['ENOENT', 'ENOTDIR']) {
      beforeFirst('readdir', inFolder, fails(code));
      expect(await listAll(driver)).toEqual([]);
    }
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

  it('is not denied because others keep moving the file away', async () => {
    await put(driver, 'k', 'x');
    let opened = 0;
    before.set('open', (path, ...rest) => {
      if (path !== join(root, 'k') || opened === 5) return undefined;
      const done = rest.pop() as (error: Error | null, descriptor: number) => void;
      restored['open']!(path, ...rest, (error: Error | null, descriptor: number) => {
        fs.renameSync(join(root, 'k'), join(root, `away-${++opened}`));
        fs.writeFileSync(join(root, 'k'), 'x');
        done(error, descriptor);
      });
      return new Promise<void>(() => {});
    });
    expect(await text(driver, 'k')).toBe('x');
    expect(opened).toBe(5);
  });

  it('fails when the metadata cannot be read, rather than going without', async () => {
    await put(driver, 'k', 'x', ATTRIBUTES);
    await put(driver, 'plain', 'x');
    beforeFirst('open', /\.json$/, fails('EIO'));
    expect((await failure(driver.info('k', { signal }))).message).toContain('EIO');
    // Of what was written just now, no list says that it has none.
    jest.spyOn(Date, 'now').mockReturnValue(Date.now());
    beforeFirst('readdir', '/meta/', fails('EIO'));
    expect((await failure(driver.info('plain', { signal }))).message).toContain('EIO');
    expect((await driver.info('k', { signal })).metadata).toEqual(ATTRIBUTES.metadata);
  });

  it.each(['ENOENT', 'ENOTDIR'])('says that the root is gone: %s', async (code) => {
    beforeFirst('stat', root, fails(code));
    const error = await failure(driver.info('missing', { signal }));
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', cause: { code } });
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

  it('reaches the disk as far as its folder is still there', async () => {
    const { driver: durable } = await openDriver({ root, durability: 'full' });
    await put(durable, 'folder/k');
    afterFirst('unlink', /\/k$/, () => fs.rmdirSync(join(root, 'folder')));
    expect(await durable.deleteMany(['folder/k'], { signal })).toEqual({ failed: [] });
    expect(await readdir(root)).toEqual([RESERVED]);
  });

  it('removes the folders above one that others have removed meanwhile', async () => {
    await put(driver, 'a/b/k');
    beforeFirst('rmdir', /\/b$/, () => rmdir(join(root, 'a/b')));
    await driver.deleteMany(['a/b/k'], { signal });
    expect(await readdir(root)).toEqual([RESERVED]);
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
