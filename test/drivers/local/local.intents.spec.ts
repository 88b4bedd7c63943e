import { spawnSync } from 'node:child_process';
import { mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import {
  hashOf,
  MetadataFolder,
  nameOfVersion,
} from '../../../lib/drivers/local/local.metadata.js';
import { Program } from '../../crash/programs.js';
import {
  RESERVED,
  cleanUp,
  filesBelow,
  openDriver,
  posix,
  put,
  signal,
  temporaryFolder,
} from './local-fixture.js';

/** A process that existed, and does no more. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

afterEach(cleanUp);

it('finds what is stored whole and leaves nothing beside it, at whatever change the process before ended', async () => {
  await using program = await Program.of('kill-points');
  const root = await temporaryFolder();
  type Results = Record<string, { points: number; problems: string[] }>;
  const results = await program.run<Results>([], root, String(deadPid()));
  expect(Object.keys(results)).toHaveLength(12);
  for (const [write, { points, problems }] of Object.entries(results)) {
    expect({ write, problems }).toEqual({ write, problems: [] });
    expect(points).toBeGreaterThan(3);
  }
});

describe('metadata that a process was about to remove when it ended', () => {
  const VERSION = { size: 3n, mtimeNs: 12n, ino: 34n };
  const NAME = nameOfVersion(VERSION);
  const NOTE = `${hashOf('k')}-${NAME}`;
  let root: string;
  let driver: StorageDriver;
  let metadata: MetadataFolder;
  let folder: string;

  /** An owner like this process, but for its nonce and, unless it is to live, its number. */
  async function leaveNote(nonce: string, pid: number, note = NOTE): Promise<string> {
    const [own] = await readdir(join(root, RESERVED, 'tmp'));
    const fields = own!.split(',');
    const owner = fields.with(3, String(pid)).with(5, nonce).join(',');
    await mkdir(join(root, RESERVED, 'tmp', owner), { recursive: true });
    await writeFile(join(root, RESERVED, 'tmp', owner, note), '');
    return owner;
  }

  const sweep = async (): Promise<void> => (await openDriver({ root })).driver.close();
  const records = async (): Promise<string[]> => [...(await metadata.namesFor('k'))].sort();

  beforeEach(async () => {
    ({ root, driver } = await openDriver());
    metadata = new MetadataFolder(join(root, RESERVED, 'meta'), 0o600, 0o700, false);
    folder = join(root, RESERVED, 'meta', hashOf('k').slice(0, 2), hashOf('k').slice(2));
    await put(driver, 'other', 'x');
  });

  it('is removed when there is no file, or another version of it', async () => {
    for (const isThere of [false, true]) {
      if (isThere) await put(driver, 'k', 'new');
      await metadata.write('k', VERSION, { cacheControl: 'old' });
      await leaveNote('dead', deadPid());
      await sweep();
      expect(await filesBelow(join(root, RESERVED, 'meta'))).toEqual([]);
    }
  });

  posix.it.each(['deny', 'follow-inside'] as const)(
    'is removed when nothing can be under the key any more (symlinks: %s)',
    async (symlinks) => {
      await symlink('circle', join(root, 'circle'));
      for (const key of ['other/below', 'circle/below']) {
        await metadata.write(key, VERSION, { cacheControl: 'old' });
        await leaveNote('dead', deadPid(), `${hashOf(key)}-${NAME}`);
      }
      await (await openDriver({ root, symlinks })).driver.close();
      expect(await filesBelow(join(root, RESERVED, 'meta'))).toEqual([]);
    },
  );

  it('stays when the version is there, also where a backup brought it back under another inode', async () => {
    await put(driver, 'k', 'old', { metadata: { version: 'old' } });
    const [record] = await records();
    const restored = record!.replace(/\d+\.json$/, '1.json');
    await leaveNote('dead1', deadPid(), `${hashOf('k')}-${record}`);
    await sweep();
    expect(await records()).toEqual([record]);
    await rename(join(folder, record!), join(folder, restored));
    await leaveNote('dead2', deadPid(), `${hashOf('k')}-${restored}`);
    await sweep();
    expect(await records()).toEqual([restored]);
    expect((await driver.info('k', { signal })).metadata).toEqual({ version: 'old' });
  });

  it('stays as long as a process that lives is about to publish its version', async () => {
    await metadata.write('k', VERSION, { cacheControl: 'old' });
    await leaveNote('alive', process.pid);
    await leaveNote('dead', deadPid());
    await sweep();
    expect(await records()).toEqual([NAME]);
  });

  it.each(['', '{"key":"k","cacheCon'])('is removed when it was cut short: %j', async (text) => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, NAME), text);
    await leaveNote('dead', deadPid());
    await sweep();
    expect(await records()).toEqual([]);
  });

  it.each(['{"cacheControl":"old"}', '{"key":"other"}', 'null'])(
    'stays when it does not say of which file it is: %s',
    async (text) => {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, NAME), text);
      await leaveNote('dead', deadPid());
      await sweep();
      expect(await readFile(join(folder, NAME), 'utf8')).toBe(text);
    },
  );

  it('comes back when its version came back while it was looked at', async () => {
    await metadata.write('k', VERSION, { cacheControl: 'old' });
    const aside = join(root, 'aside');
    const answers = [false, true];
    const asked: (string | undefined)[] = [];
    await metadata.sweep(hashOf('k'), NAME, aside, async (key) => {
      asked.push(key);
      return answers.shift()!;
    });
    expect(asked).toEqual(['k', 'k']);
    expect(await metadata.read('k', VERSION)).toEqual({ cacheControl: 'old' });
    expect(await readdir(root)).not.toContain('aside');
  });

  it('is that of whoever brought the version back, and wrote it anew', async () => {
    await metadata.write('k', VERSION, { cacheControl: 'old' });
    const answers = [false, true];
    await metadata.sweep(hashOf('k'), NAME, join(root, 'aside'), async () => {
      if (answers.length === 1) await metadata.write('k', VERSION, { cacheControl: 'new' });
      return answers.shift()!;
    });
    expect(await metadata.read('k', VERSION)).toEqual({ cacheControl: 'new' });
    expect(await readdir(root)).not.toContain('aside');
  });

  it('goes with its drafts, which writers that live write again', async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `draft-${'0'.repeat(32)}`), '{');
    await leaveNote('dead', deadPid());
    await sweep();
    expect(await filesBelow(join(root, RESERVED, 'meta'))).toEqual([]);
  });

  it('keeps nobody from the rest when it cannot be judged', async () => {
    await mkdir(join(folder, NAME), { recursive: true });
    const owner = await leaveNote('dead', deadPid());
    const locks = join(root, RESERVED, 'locks');
    await writeFile(join(locks, hashOf('k')), owner);
    await sweep();
    expect(await readdir(locks)).toEqual([]);
    expect(await records()).toEqual([NAME]);
  });

  it('is no reason to fail where nothing can be noted', async () => {
    const opened = await openDriver();
    await put(opened.driver, 'k', 'old', { metadata: { version: 'old' } });
    await opened.driver.close();
    const tmp = join(opened.root, RESERVED, 'tmp');
    await rm(tmp, { recursive: true });
    await writeFile(tmp, '');
    const { failed } = await opened.driver.deleteMany(['k'], { signal });
    expect(failed).toEqual([]);
    expect(await filesBelow(join(opened.root, RESERVED, 'meta'))).toEqual([]);
  });
});
