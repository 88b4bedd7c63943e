import type { BigIntStats } from 'node:fs';
import { readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { KnownMetadata } from '../../../lib/drivers/local/local.known-metadata.js';
import type { Identity } from '../../../lib/drivers/local/local.identity.js';
import { MetadataFolder, type Recorded } from '../../../lib/drivers/local/local.metadata.js';
import { cleanUp, openDriver, put, RESERVED, signal, temporaryFolder } from './local-fixture.js';

const RECORDED = { metadata: { a: 'b' } };
const { now } = Date;

/** What was written just now is that many milliseconds old, however long that takes. */
function later(milliseconds: number): void {
  const time = now() + milliseconds;
  jest.spyOn(Date, 'now').mockReturnValue(time);
}

/** Until the kernel gives what is changed another time than the file has. */
async function clockMovesOn(path: string): Promise<void> {
  const { ctimeNs } = await stat(path, { bigint: true });
  const other = `${path}-other`;
  do await writeFile(other, 'x');
  while ((await stat(other, { bigint: true })).ctimeNs <= ctimeNs);
}

// What is known for a second is so for as long as a test takes.
beforeEach(() => {
  const start = performance.now();
  jest.spyOn(performance, 'now').mockReturnValue(start);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await cleanUp();
});

/** A folder of metadata that tells how often something was looked for in it, whatever it is. */
function countingFolder(recorded: Recorded | undefined, { mayHave = true } = {}) {
  return {
    read: jest.fn(async (_key: string, _version: Identity) => recorded),
    keysWithAny: jest.fn(async () => () => mayHave),
  };
}

describe('metadata that was found a moment ago', () => {
  let path: string;
  const version = (): Promise<BigIntStats> => stat(path, { bigint: true });

  beforeEach(async () => {
    path = join(await temporaryFolder(), 'file');
    await writeFile(path, 'x');
    later(3000);
  });

  it.each([RECORDED, undefined])('is known of the version for a second: %j', async (recorded) => {
    const folder = countingFolder(recorded);
    const known = new KnownMetadata(folder, true);
    expect(await known.read('a', await version())).toBe(recorded);
    expect(await known.read('a', await version())).toBe(recorded);
    expect(folder.read).toHaveBeenCalledTimes(1);
    await known.read('b', await version());
    expect(folder.read).toHaveBeenCalledTimes(2);
    const after = performance.now() + 1000;
    jest.spyOn(performance, 'now').mockImplementation(() => after);
    await known.read('a', await version());
    expect(folder.read).toHaveBeenCalledTimes(3);
  });

  it('is forgotten when the file is another, or was renamed there and back', async () => {
    const folder = countingFolder(RECORDED);
    const known = new KnownMetadata(folder, true);
    await known.read('a', await version());
    await known.read('a', { ...(await version()), mtimeNs: 1n });
    expect(folder.read).toHaveBeenCalledTimes(2);
    await known.read('a', await version());
    await clockMovesOn(path);
    await rename(path, `${path}-away`);
    await rename(`${path}-away`, path);
    await known.read('a', await version());
    expect(folder.read).toHaveBeenCalledTimes(4);
  });

  it('is not kept of what changed just now, nor where renaming leaves no mark', async () => {
    const folder = countingFolder(RECORDED);
    const unmarked = new KnownMetadata(folder, false);
    await unmarked.read('a', await version());
    await unmarked.read('a', await version());
    expect(folder.read).toHaveBeenCalledTimes(2);
    const { ctimeMs } = await stat(path);
    jest.spyOn(Date, 'now').mockReturnValue(ctimeMs + 1000);
    const known = new KnownMetadata(folder, true);
    await known.read('a', await version());
    await known.read('a', await version());
    expect(folder.read).toHaveBeenCalledTimes(4);
  });

  it('is of a thousand files at most', async () => {
    const folder = countingFolder(undefined);
    const known = new KnownMetadata(folder, true);
    const file = await version();
    for (let index = 0; index <= 1000; index++) await known.read(String(index), file);
    expect(folder.read).toHaveBeenCalledTimes(1001);
    await known.read('1', file);
    await known.read('1000', file);
    expect(folder.read).toHaveBeenCalledTimes(1001);
    await known.read('0', file);
    expect(folder.read).toHaveBeenCalledTimes(1002);
  });
});

describe('metadata of keys that have none', () => {
  let path: string;
  const version = (): Promise<BigIntStats> => stat(path, { bigint: true });

  beforeEach(async () => {
    path = join(await temporaryFolder(), 'file');
    await writeFile(path, 'x');
    later(3000);
  });

  it('is looked for once a second for all of them', async () => {
    const folder = countingFolder(undefined, { mayHave: false });
    const known = new KnownMetadata(folder, true);
    const file = await version();
    await Promise.all(['a', 'b', 'c'].map((key) => known.read(key, file)));
    await known.read('d', file);
    expect(folder.keysWithAny).toHaveBeenCalledTimes(1);
    const after = performance.now() + 1000;
    jest.spyOn(performance, 'now').mockImplementation(() => after);
    await known.read('e', file);
    expect(folder.keysWithAny).toHaveBeenCalledTimes(2);
    expect(folder.read).not.toHaveBeenCalled();
  });

  it('is looked for in a version that had not settled when all were', async () => {
    const folder = countingFolder(RECORDED, { mayHave: false });
    const known = new KnownMetadata(folder, true);
    const young = await version();
    const old = { ...young, ctimeNs: young.ctimeNs - 1_000_000_000n };
    const changed = Number(young.ctimeNs / 1_000_000n);
    jest.spyOn(Date, 'now').mockImplementation(() => changed + 1999);
    expect(await known.read('a', old)).toBeUndefined();
    jest.spyOn(Date, 'now').mockImplementation(() => changed + 2500);
    expect(await known.read('b', young)).toBe(RECORDED);
    expect(folder.keysWithAny).toHaveBeenCalledTimes(1);
  });

  it('is looked for when the clock was set back', async () => {
    const folder = countingFolder(RECORDED, { mayHave: false });
    const known = new KnownMetadata(folder, true);
    later(10_000);
    expect(await known.read('a', await version())).toBeUndefined();
    later(5000);
    expect(await known.read('a', await version())).toBe(RECORDED);
  });

  it('is looked for when the folder cannot be listed', async () => {
    const folder = { ...countingFolder(RECORDED), keysWithAny: () => Promise.reject(new Error()) };
    const known = new KnownMetadata(folder, true);
    expect(await known.read('a', await version())).toBe(RECORDED);
  });
});

describe('a file of a local storage that is read often', () => {
  it('has its metadata looked for once', async () => {
    const { driver } = await openDriver();
    const file = await put(driver, 'a.txt', 'x', RECORDED);
    later(3000);
    const look = jest.spyOn(MetadataFolder.prototype, 'read');
    expect(await driver.info('a.txt', { signal })).toEqual(file);
    expect((await driver.get('a.txt', { signal })).file).toEqual(file);
    // The kinds of file systems whose ctime is to be relied on are known of Linux only.
    expect(look).toHaveBeenCalledTimes(process.platform === 'linux' ? 1 : 2);
  });

  it('is read, replaced and deleted alone when no file has metadata', async () => {
    const { driver } = await openDriver();
    const files = await Promise.all(['a.txt', 'b.txt'].map((key) => put(driver, key, 'x')));
    later(3000);
    const look = jest.spyOn(MetadataFolder.prototype, 'read');
    for (const file of files) expect(await driver.info(file.key, { signal })).toEqual(file);
    expect(look).toHaveBeenCalledTimes(process.platform === 'linux' ? 0 : 2);
    const list = jest.spyOn(MetadataFolder.prototype, 'namesFor');
    await put(driver, 'a.txt', 'y');
    await driver.deleteMany(['b.txt'], { signal });
    expect(list).toHaveBeenCalledTimes(process.platform === 'linux' ? 0 : 2);
  });

  it('has its metadata removed when it goes', async () => {
    const { root, driver } = await openDriver();
    await put(driver, 'a.txt', 'x', RECORDED);
    await put(driver, 'b.txt', 'x', RECORDED);
    later(3000);
    await put(driver, 'a.txt', 'y');
    await driver.deleteMany(['b.txt'], { signal });
    const folder = join(root, RESERVED, 'meta');
    const left = await readdir(folder, { recursive: true, withFileTypes: true });
    expect(left.filter((each) => each.isFile())).toEqual([]);
  });

  it('has the metadata that another process gave it by moving it away and back', async () => {
    const { root, driver } = await openDriver();
    const { driver: other } = await openDriver({ root });
    await put(driver, 'a.txt', 'x', RECORDED);
    later(3000);
    await driver.info('a.txt', { signal });
    await clockMovesOn(join(root, 'a.txt'));
    const { etag } = await other.copy('a.txt', 'b', { signal, move: true });
    await other.copy('b', 'a.txt', { signal, move: true, metadata: { a: 'c' } });
    expect(await driver.info('a.txt', { signal })).toMatchObject({ etag, metadata: { a: 'c' } });
  });
});
