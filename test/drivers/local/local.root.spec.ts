import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import {
  RESERVED,
  cleanUp,
  failure,
  listAll,
  openDriver,
  put,
  signal,
  temporaryFolder,
  text,
} from './local-fixture.js';

describe('a local storage whose root is gone while it is open', () => {
  let root: string;
  let driver: StorageDriver;
  let uploadId: string;

  beforeEach(async () => {
    root = join(await temporaryFolder(), 'root');
    ({ driver } = await openDriver({ root }));
    await put(driver, 'a/b', 'x');
    uploadId = await driver.startMultipartUpload('k', {
      signal,
      contentType: 'a/b',
      metadata: {},
    });
  });
  afterEach(cleanUp);

  const calls: [string, () => Promise<unknown>][] = [
    ['put', () => put(driver, 'a/b', 'y')],
    ['put, create-only', () => put(driver, 'new', 'y', { ifNoneMatch: '*' })],
    ['put of a version', () => put(driver, 'a/b', 'y', { ifMatch: '*' })],
    ['get', () => driver.get('a/b', { signal })],
    ['info', () => driver.info('a/b', { signal })],
    ['list', () => listAll(driver)],
    ['list of a folder', () => listAll(driver, { prefix: 'a/', delimiter: '/' })],
    ['deleteMany', () => driver.deleteMany(['a/b'], { signal })],
    ['copy', () => driver.copy('a/b', 'c', { signal })],
    ['move', () => driver.copy('a/b', 'c', { signal, move: true })],
    [
      'startMultipartUpload',
      () => driver.startMultipartUpload('k', { signal, contentType: 'a/b', metadata: {} }),
    ],
    [
      'uploadPart',
      () => driver.uploadPart({ key: 'k', uploadId }, 1, Buffer.from('x'), { signal }),
    ],
    ['listParts', () => driver.listParts({ key: 'k', uploadId }, { signal })],
    ['abortMultipartUpload', () => driver.abortMultipartUpload({ key: 'k', uploadId }, { signal })],
  ];
  const expected = {
    code: 'CONNECTION_FAILED',
    retryable: true,
    reason: 'The root folder is gone',
  };

  it.each(calls)('%s says so when it was removed', async (_name, call) => {
    await rm(root, { recursive: true });
    expect(await failure(call())).toMatchObject(expected);
  });

  it.each(calls)('%s says so when an empty folder is in its place', async (_name, call) => {
    // As after an unmount: the folder on which it was mounted is there again.
    await rename(root, `${root}-away`);
    await mkdir(root);
    expect(await failure(call())).toMatchObject({
      ...expected,
      reason: expect.stringMatching(/is gone: another one.* restart the app$/) as string,
    });
    expect(await readdir(root)).toEqual([]);
  });

  it('says so at the next page of a listing', async () => {
    await put(driver, 'a/c');
    await put(driver, 'a/d');
    const pages = driver.list({ signal, prefix: '', pageSize: 1 })[Symbol.asyncIterator]();
    await pages.next();
    await rm(root, { recursive: true });
    expect(await failure(pages.next())).toMatchObject(expected);
  });

  it('goes on when it is back, or another copy of it', async () => {
    await rename(root, `${root}-away`);
    await failure(driver.info('a/b', { signal }));
    await mkdir(join(root, RESERVED), { recursive: true });
    await put(driver, 'a/b', 'y');
    expect(await text(driver, 'a/b')).toBe('y');
    await rm(root, { recursive: true });
    await rename(`${root}-away`, root);
    expect(await text(driver, 'a/b')).toBe('x');
  });
});
