import type { BigIntStats } from 'node:fs';
import { rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { KnownMetadata } from '../../../lib/drivers/local/local.known-metadata.js';
import { MetadataFolder } from '../../../lib/drivers/local/local.metadata.js';
import { cleanUp, openDriver, put, signal, temporaryFolder } from './local-fixture.js';

const RECORDED = { metadata: { a: 'b' } };
const { now } = Date;

/** What was written just now is that many milliseconds old. */
function later(milliseconds: number): void {
  jest.spyOn(Date, 'now').mockImplementation(() => now() + milliseconds);
}

/** Until the kernel gives what is changed another time than the file has. */
async function clockMovesOn(path: string): Promise<void> {
  const { ctimeNs } = await stat(path, { bigint: true });
  const other = `${path}-other`;
  do await writeFile(other, 'x');
  while ((await stat(other, { bigint: true })).ctimeNs <= ctimeNs);
}

afterEach(async () => {
  jest.restoreAllMocks();
  await cleanUp();
});

describe('metadata that was found a moment ago', () => {
  let path: string;
  const version = (): Promise<BigIntStats> => stat(path, { bigint: true });

  beforeEach(async () => {
    path = join(await temporaryFolder(), 'file');
    await writeFile(path, 'x');
    later(3000);
  });

  it('is known of the version for a second, also that there is none', async () => {
    const known = new KnownMetadata(true);
    known.keep('a', await version(), RECORDED);
    known.keep('b', await version(), undefined);
    expect(known.find('a', await version())?.recorded).toEqual(RECORDED);
    expect(known.find('b', await version())).toMatchObject({ recorded: undefined });
    expect(known.find('c', await version())).toBeUndefined();
    const after = performance.now() + 1000;
    jest.spyOn(performance, 'now').mockImplementation(() => after);
    expect(known.find('a', await version())).toBeUndefined();
  });

  it('is forgotten when the file is another, or was renamed there and back', async () => {
    const known = new KnownMetadata(true);
    known.keep('a', await version(), RECORDED);
    expect(known.find('a', { ...(await version()), mtimeNs: 1n })).toBeUndefined();
    await clockMovesOn(path);
    await rename(path, `${path}-away`);
    await rename(`${path}-away`, path);
    expect(known.find('a', await version())).toBeUndefined();
  });

  it('is not kept of what changed just now, nor where renaming leaves no mark', async () => {
    const unmarked = new KnownMetadata(false);
    unmarked.keep('a', await version(), RECORDED);
    expect(unmarked.find('a', await version())).toBeUndefined();
    later(1000);
    const known = new KnownMetadata(true);
    known.keep('a', await version(), RECORDED);
    expect(known.find('a', await version())).toBeUndefined();
  });

  it('is of a thousand files at most', async () => {
    const known = new KnownMetadata(true);
    const file = await version();
    for (let index = 0; index <= 1000; index++) known.keep(String(index), file, undefined);
    expect(known.find('0', file)).toBeUndefined();
    expect(known.find('1', file)).toBeDefined();
    expect(known.find('1000', file)).toBeDefined();
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
