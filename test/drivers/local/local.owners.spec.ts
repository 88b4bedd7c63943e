import { jest } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { link, mkdir, readFile, readdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { hashOf, MetadataFolder } from '../../../lib/drivers/local/local.metadata.js';
import { isLongAgo } from '../../../lib/drivers/local/local.owners.js';
import {
  RESERVED,
  cleanUp,
  failure,
  filesBelow,
  openDriver,
  posix,
  put,
  signal,
  temporaryFolder,
  text,
} from './local-fixture.js';

/** A process that existed, and does no more. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

test('what nobody has touched for a day, to the nanosecond, was touched long ago', () => {
  using _ = jest.spyOn(Date, 'now').mockReturnValue(1_900_000_000_000);
  const dayBefore = (1_900_000_000_000n - 86_400_000n) * 1_000_000n;
  expect([dayBefore - 1n, dayBefore, dayBefore + 1n].map(isLongAgo)).toEqual([true, true, false]);
});

describe('what processes that are gone have left', () => {
  afterEach(cleanUp);

  let root: string;
  let tmp: string;

  /** The name of an owner like this process, but for the fields that are given. */
  async function owner(changes: Record<string, string | number>): Promise<string> {
    const { driver } = await openDriver({ root });
    await put(driver, 'first');
    const [name] = await readdir(tmp);
    await driver.deleteMany(['first'], { signal });
    const [host, boot, namespace, pid, started, nonce] = name!.split(',');
    await driver.close();
    expect(decodeURIComponent(host!)).toBe(hostname());
    const status = await readFile('/proc/self/stat', 'utf8').catch(() => '');
    expect(started).toBe(status.split(') ').at(-1)!.split(' ')[19] ?? '');
    return Object.values({ host, boot, namespace, pid, started, nonce, ...changes }).join(',');
  }

  async function leave(name: string, hoursAgo = 0): Promise<string> {
    const folder = join(tmp, name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, '1'), 'half');
    const time = new Date(Date.now() - hoursAgo * 3_600_000);
    await utimes(join(folder, '1'), time, time);
    await utimes(folder, time, time);
    return folder;
  }

  async function openAndSweep(): Promise<string[]> {
    const { driver } = await openDriver({ root });
    await driver.close();
    return readdir(tmp);
  }

  beforeEach(async () => {
    root = await temporaryFolder();
    tmp = join(root, RESERVED, 'tmp');
  });

  it('is swept when its process is gone', async () => {
    await leave(await owner({ pid: deadPid(), nonce: 'dead' }));
    expect(await openAndSweep()).toEqual([]);
  });

  it('is swept when another process has got its number', async () => {
    await leave(await owner({ started: 1, nonce: 'dead' }));
    expect(await openAndSweep()).toEqual([]);
  });

  it('stays as long as its process lives, however old', async () => {
    const name = await owner({ nonce: 'alive' });
    await leave(name, 1000);
    expect(await openAndSweep()).toEqual([name]);
  });

  it('stays as long as its process lives, where the system does not tell since when', async () => {
    const name = await owner({ started: '', nonce: 'alive' });
    await leave(name, 1000);
    expect(await openAndSweep()).toEqual([name]);
  });

  it.each([
    ['host', { host: 'elsewhere' }],
    ['boot', { boot: 'earlier' }],
    ['pid namespace', { namespace: 1 }],
  ])('of another %s is swept only after a day of rest', async (_what, changes) => {
    const name = await owner({ ...changes, pid: deadPid(), nonce: 'far' });
    await leave(name, 23);
    expect(await openAndSweep()).toEqual([name]);
    await leave(name, 25);
    expect(await openAndSweep()).toEqual([]);
  });

  it.each([
    ['no process number', { pid: 'x1' }],
    ['a number and more', { pid: '1x' }],
    ['no host', { host: '' }],
  ])('with a name that has %s is swept only after a day of rest', async (_what, changes) => {
    const name = await owner({ ...changes, nonce: 'odd' });
    await leave(name, 23);
    expect(await openAndSweep()).toEqual([name]);
    await leave(name, 25);
    expect(await openAndSweep()).toEqual([]);
  });

  it('with a name of fewer fields is swept only after a day of rest', async () => {
    const name = (await owner({ pid: deadPid() })).split(',').slice(0, 5).join(',');
    await leave(name, 23);
    expect(await openAndSweep()).toEqual([name]);
  });

  it('is never listed, and does not hinder a write', async () => {
    await leave(await owner({ host: 'elsewhere', nonce: 'far' }));
    const { driver } = await openDriver({ root });
    await put(driver, 'a', 'x', { ifNoneMatch: '*' });
    for await (const page of driver.list({ signal, prefix: '', pageSize: 9 })) {
      expect(page.files.map(({ key }) => key)).toEqual(['a']);
    }
  });

  it('is swept together with the metadata of what was not published', async () => {
    const name = await owner({ pid: deadPid(), nonce: 'dead' });
    const folder = await leave(name);
    const temporary = join(folder, `${hashOf('k')}-7`);
    await writeFile(temporary, 'half');
    const meta = new MetadataFolder(join(root, RESERVED, 'meta'), 0o600, 0o700, false);
    await meta.write('k', await stat(temporary, { bigint: true }), { cacheControl: 'x' });
    await openAndSweep();
    expect(await filesBelow(join(root, RESERVED, 'meta'))).toEqual([]);
  });

  it('keeps the metadata of a file that was published before the process ended', async () => {
    const { driver } = await openDriver({ root });
    await put(driver, 'k', 'x', { metadata: { a: 'b' } });
    await driver.close();
    const folder = await leave(await owner({ pid: deadPid(), nonce: 'dead' }));
    // Create-only links the file to its key, and was killed before it removed the first name.
    await link(join(root, 'k'), join(folder, `${hashOf('k')}-7`));
    expect(await openAndSweep()).toEqual([]);
    const { driver: next } = await openDriver({ root });
    expect((await next.info('k', { signal })).metadata).toEqual({ a: 'b' });
    expect((await stat(join(root, 'k'))).nlink).toBe(1);
  });

  posix.it('is not looked for behind a link', async () => {
    const outside = await temporaryFolder();
    await writeFile(join(outside, 'file'), 'x');
    const name = await owner({ pid: deadPid(), nonce: 'dead' });
    await symlink(outside, join(tmp, name));
    expect(await openAndSweep()).toEqual([name]);
    expect(await readdir(outside)).toEqual(['file']);
  });

  it('keeps uploads in parts', async () => {
    const { driver } = await openDriver({ root });
    const uploadId = await driver.startMultipartUpload('k', {
      signal,
      contentType: 'a/b',
      metadata: {},
    });
    await driver.close();
    await openAndSweep();
    expect(await readdir(join(root, RESERVED, 'uploads'))).toEqual([uploadId]);
  });

  it('does not keep the key locked, also when the one who swept was killed half-way', async () => {
    const first = await owner({ pid: deadPid(), nonce: 'dead1' });
    const second = await owner({ pid: deadPid(), nonce: 'dead2' });
    const { driver } = await openDriver({ root });
    await put(driver, 'k', 'old');
    // The second had taken over the first one's folder, and not yet broken its lock.
    await mkdir(join(tmp, second, first), { recursive: true });
    await writeFile(join(root, RESERVED, 'locks', hashOf('k')), first);
    await put(driver, 'k', 'new', { ifMatch: '*' });
    expect(await text(driver, 'k')).toBe('new');
    expect(await readdir(join(root, RESERVED, 'locks'))).toEqual([]);
  });

  it('does not keep the key locked, also when somebody has removed the folder of temporary files', async () => {
    const name = await owner({ pid: deadPid(), nonce: 'dead' });
    const { driver } = await openDriver({ root });
    await put(driver, 'k', 'old');
    const locks = join(root, RESERVED, 'locks');
    await writeFile(join(locks, hashOf('k')), name);
    // Whoever came first to break the lock was killed then.
    const second = await owner({ pid: deadPid(), nonce: 'dead2' });
    await mkdir(join(tmp, second));
    await writeFile(join(locks, `${hashOf('k')}-breaking`), second);
    await put(driver, 'k', 'new', { ifMatch: '*' });
    expect(await text(driver, 'k')).toBe('new');
    expect(await readdir(locks)).toEqual([]);
  });

  it('does not keep the key locked for more than a day when that was on another machine', async () => {
    const name = await owner({ host: 'elsewhere', nonce: 'unknown' });
    const { driver } = await openDriver({ root });
    await put(driver, 'k', 'old');
    const locks = join(root, RESERVED, 'locks');
    await writeFile(join(locks, hashOf('k')), name);
    using clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 23 * 3_600_000);
    const aborted = AbortSignal.timeout(20);
    expect((await failure(put(driver, 'k', 'new', { ifMatch: '*', signal: aborted }))).code).toBe(
      'ABORTED',
    );
    clock.mockReturnValue(Date.now() + 25 * 3_600_000);
    await put(driver, 'k', 'new', { ifMatch: '*' });
    expect(await text(driver, 'k')).toBe('new');
    expect(await readdir(locks)).toEqual([]);
  });

  it('waits for a lock whose owner lives until the signal is aborted', async () => {
    const name = await owner({ nonce: 'alive' });
    const folder = await leave(name);
    const { driver } = await openDriver({ root });
    await put(driver, 'k', 'old');
    await writeFile(join(folder, 'owner'), name);
    const lock = join(root, RESERVED, 'locks', hashOf('k'));
    await link(join(folder, 'owner'), lock);
    const controller = new AbortController();
    const waiting = failure(put(driver, 'k', 'new', { ifMatch: '*', signal: controller.signal }));
    // Writers of one file wait for each other in a process, whichever driver they come from.
    const { driver: other } = await openDriver({ root });
    const behind = failure(put(other, 'k', 'new', { signal: controller.signal }));
    setImmediate(() => controller.abort());
    expect((await waiting).code).toBe('ABORTED');
    expect((await behind).code).toBe('ABORTED');
    expect(await readFile(lock, 'utf8')).toBe(name);
    await put(driver, 'k', 'without conditions');
    expect(await text(driver, 'k')).toBe('without conditions');
  });
});
