import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Journal } from '../../lib/command-line/journal.js';
import { locationOf } from '../../lib/command-line/location.js';
import { sync, type SyncEvent, verify } from '../../lib/command-line/sync.js';
import type { Storage } from '../../lib/core/storage.js';
import type { ListPage } from '../../lib/core/storage-driver.js';
import { createStorage } from '../../lib/drivers/open-storage.js';
import { startFaultProxy } from '../../lib/testing/fault-proxy/index.js';
import { type S3TestServer, startS3Server } from '../../lib/testing/s3-server/index.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { command } from './command.js';

const FILES = 200;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command-line-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const disk = (name: string) => ({
  driver: 'local' as const,
  root: join(folder, name),
  durability: 'none' as const,
});

const onS3 = ({ endpoint, region, credentials }: S3TestServer) => ({
  driver: 's3' as const,
  bucket: 'bucket',
  endpoint,
  region,
  accessKeyId: credentials.accessKeyId,
  secretAccessKey: credentials.secretAccessKey,
  provider: 'aws' as const,
  forcePathStyle: true,
});

async function config(storages: object): Promise<string> {
  const path = join(folder, 'storages.json');
  await writeFile(path, JSON.stringify(storages));
  return path;
}

function spawnCommand(...argv: string[]): ChildProcess {
  const loader = new URL('../leaks/register.js', import.meta.url).href;
  return spawn(process.execPath, ['--import', loader, 'lib/command-line/main.ts', ...argv], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** The keys that it said it had copied, up to where it is killed with SIGKILL. */
async function copiedUntilKilled(after: number, ...argv: string[]): Promise<Set<string>> {
  const child = spawnCommand(...argv);
  const closed = once(child, 'close');
  const copied = new Set<string>();
  for await (const line of createInterface(child.stdout!)) {
    const { action, key } = JSON.parse(line) as { action: string; key: string };
    if (action === 'copy') copied.add(key);
    if (copied.size === after) child.kill('SIGKILL');
  }
  await closed;
  return copied;
}

async function contents(storage: Storage): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { key } of storage.list()) {
    const download = await storage.get(key);
    found.set(key, `${download.file.metadata['number']} ${await download.text()}`);
  }
  return found;
}

describe('sync', () => {
  // `npm run test:sync` has many more, between all of local disk, S3 and Azure.
  test('goes on by its journal where it was killed, and sends nothing twice', async () => {
    await using s3 = await startS3Server({ defaultChecksum: 'none' });
    const path = await config({ first: disk('first'), s3: onS3(s3) });
    await using first = createStorage('first', disk('first'));
    await Promise.all(
      Array.from({ length: FILES }, (_, number) =>
        first.put(`${number % 7}/ü ${number}`, `text ${number}`, {
          metadata: { number: `n${number}` },
        }),
      ),
    );
    const argv = ['sync', 'first:', 's3:', '--json', '--config', path];
    argv.push('--journal', join(folder, 'journal'));
    const before = await copiedUntilKilled(FILES / 2, ...argv);
    expect(before.size).toBeGreaterThanOrEqual(FILES / 2);
    s3.clearRequests();
    const resumed = await command(argv);
    expect(resumed.code).toBe(0);
    const { summary } = JSON.parse(resumed.stdout.trim().split('\n').at(-1)!) as {
      summary: { doneBefore?: number; same?: number; copy: number; bytes: number };
    };
    const { doneBefore = 0, same = 0, copy } = summary;
    expect(resumed.stderr).toMatch(
      new RegExp(`^goes on where it was: ${doneBefore} done before$`, 'm'),
    );
    expect(doneBefore + same + copy).toBe(FILES);
    expect(doneBefore + same).toBeGreaterThanOrEqual(before.size);
    const sent = s3.requests.filter(({ method }) => method === 'PUT').map(({ key }) => key);
    expect(sent.filter((key) => before.has(key))).toEqual([]);
    expect(sent).toHaveLength(new Set(sent).size);
    // A file may have been published, and its line not yet printed, when the kill came.
    expect(before.size + sent.length).toBeGreaterThanOrEqual(FILES - 8);
    await using last = createStorage('s3', onS3(s3));
    expect(await contents(last)).toEqual(await contents(first));
  });

  test('copies what changed, deletes only when told to, and changes nothing in a dry run', async () => {
    const path = await config({ one: disk('one'), two: disk('two') });
    const one = createStorage('one', disk('one'));
    const two = createStorage('two', disk('two'));
    await one.put('a', 'same');
    await one.put('b', 'old');
    const sync = (...argv: string[]) =>
      command(['sync', 'one:', 'two:', '--config', path, ...argv]);
    expect((await sync('--dry-run')).stdout).toBe('copy a\ncopy b\n');
    expect((await sync('--concurrency', '1')).stdout).toBe('copy a\ncopy b\n');
    // Of the same size, and perhaps within the same second as the copy.
    await one.put('b', 'new');
    await two.put('c', 'extra');
    expect((await sync()).stdout).toBe('copy b\n');
    expect((await sync('--delete')).stdout).toBe('delete c\n');
    expect(await two.getBytes('b')).toEqual(Buffer.from('new'));
    const verify = () => command(['verify', 'one:', 'two:', '--config', path]);
    expect(await verify()).toMatchObject({ code: 0, stdout: '' });
    await two.put('b', 'bad');
    await two.delete('a');
    const { code, stdout } = await verify();
    expect(code).toBe(3);
    expect(stdout.split('\n').sort()).toEqual(['', 'different b', 'missing a']);
    await Promise.all([one.close(), two.close()]);
  });

  /** A source that lists its files in another order than that of their keys, and a target that has all of them. */
  async function openReversed() {
    const { driver } = await recordingDriver((memory) => ({
      async *list(options): AsyncGenerator<ListPage, void> {
        for await (const { files, ...page } of memory.list(options)) {
          yield { ...page, files: files.toReversed() };
        }
      },
    }));
    const from = createStorage('from', { driver });
    const to = createStorage('to', { driver: 'memory' });
    for (const key of ['a', 'b', 'c']) {
      await from.put(key, key);
      await to.put(key, key);
    }
    return { from, to };
  }

  /** A whole run, one file after the other. */
  const deleting = () => ({
    prefix: '',
    concurrency: 1,
    dryRun: false,
    delete: true,
    checksum: false,
    signal: new AbortController().signal,
  });

  test('compares nothing with a listing in another order, and deletes nothing for it', async () => {
    const { from, to } = await openReversed();
    const events: string[] = [];
    const options = {
      ...deleting(),
      report: async ({ action, key }: SyncEvent) => void events.push(`${action} ${key}`),
    };
    await expect(sync(from, to, options)).rejects.toThrow(
      'The storage "from" does not list its files in the order of their keys',
    );
    expect(events.filter((event) => event.startsWith('delete'))).toEqual([]);
    expect(await contents(to)).toEqual(await contents(from));
    await expect(verify(from, to, options)).rejects.toThrow('in the order of their keys');
  });

  test('deletes no file that has come to the source since that was listed', async () => {
    const from = createStorage('from', { driver: 'memory' });
    const to = createStorage('to', { driver: 'memory' });
    await from.put('a', 'a');
    for (const key of ['b', 'c']) await to.put(key, key);
    const events: string[] = [];
    await sync(from, to, {
      ...deleting(),
      async report({ action, key }) {
        events.push(`${action} ${key}`);
        if (key === 'a') await from.put('b', 'new');
      },
    });
    expect(events).toEqual(['copy a', 'copy b', 'delete c']);
    expect((await to.getBytes('b')).toString()).toBe('new');
  });

  test('tells how many files are done, also where some had failed and were tried again', async () => {
    const path = await config({ one: disk('one'), two: disk('two') });
    await using one = createStorage('one', disk('one'));
    await using two = createStorage('two', disk('two'));
    for (let number = 100; number < 225; number++) await one.put(`${number}`, `${number}`);
    // A file is no folder.
    await two.put('101/x', '');
    await two.put('102/x', '');
    const argv = ['sync', 'one:', 'two:', '--config', path, '--concurrency', '1'];
    argv.push('--journal', join(folder, 'journal'));
    expect((await command(argv)).stderr).toBe('123 copy, 2 failed; 369 bytes copied\n');
    for (const [key, told] of [
      ['101/x', '96 done before, 1 copy, 1 failed, 27 same'],
      ['102/x', '97 done before, 1 copy, 27 same'],
    ] as const) {
      await two.delete(key);
      const [before] = told.split(',', 1);
      expect((await command(argv)).stderr).toBe(
        `goes on where it was: ${before}\n${told}; 3 bytes copied\n`,
      );
    }
  });

  test('skips what the consoles of S3 show a folder by, and nothing else that has no key', async () => {
    await using s3 = await startS3Server();
    const path = await config({ s3: onS3(s3), disk: disk('disk') });
    const { endpoint, region, credentials } = s3;
    const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
    const put = (Key: string, Body: string) =>
      client.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body: Buffer.from(Body) }));
    await put('dir/', '');
    const on = (...argv: string[]) => command([...argv, '--config', path]);
    await using target = createStorage('disk', disk('disk'));
    await target.put('kept', 'x');
    expect(await on('sync', 's3:', 'disk:', '--delete')).toMatchObject({ code: 2 });
    await put('dir/a', 'hello');
    const { code, stdout, stderr } = await on('sync', 's3:', 'disk:', '--json');
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: '1 copy, 1 folder marker skipped; 5 bytes copied\n',
    });
    expect(stdout.trim().split('\n')).toEqual([
      '{"action":"copy","key":"dir/a","size":5}',
      '{"summary":{"copy":1,"folderMarkers":1,"bytes":5}}',
    ]);
    await target.delete('kept');
    expect(await on('verify', 's3:', 'disk:')).toMatchObject({ code: 0 });
    // By the bytes: what was copied to the disk is younger there.
    const back = await on('sync', 'disk:', 's3:', '--delete', '--checksum');
    expect(back).toMatchObject({ code: 0, stdout: '' });
    await put('bytes/', 'hello');
    const failed = await on('sync', 's3:', 'disk:');
    expect(failed).toMatchObject({ code: 3 });
    expect(failed.stdout).toMatch(/^failed bytes\/: .*ends with/);
    client.destroy();
  });

  test('and ls tell of a key in one line, whatever is in it', async () => {
    await using s3 = await startS3Server();
    const path = await config({ s3: onS3(s3), disk: disk('disk') });
    const { endpoint, region, credentials } = s3;
    const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
    const forged = { Bucket: 'bucket', Key: 'a\ncopy\u001b[31m', Body: Buffer.from('x') };
    await client.send(new PutObjectCommand(forged));
    client.destroy();
    const { stdout } = await command(['ls', 's3:', '--config', path]);
    expect(stdout).toBe('a\\u000acopy\\u001b[31m\n');
    const synced = await command(['sync', 's3:', 'disk:', '--config', path]);
    expect(synced.stdout).toMatch(/^failed a\\u000acopy\\u001b\[31m: [^\n]+\n$/);
  });

  test('looks only at keys with the prefix, and compares old files by their bytes with --checksum', async () => {
    const path = await config({ one: disk('one'), two: disk('two') });
    const one = createStorage('one', disk('one'));
    const two = createStorage('two', disk('two'));
    await one.put('a/1', 'old');
    await one.put('b/2', 'other');
    const sync = (...argv: string[]) =>
      command(['sync', 'one:', 'two:', '--config', path, '--delete', ...argv]);
    await two.put('b/3', 'kept');
    expect((await sync('--prefix', 'a/')).stdout).toBe('copy a/1\n');
    expect(await two.exists('b/3')).toBe(true);
    await two.put('a/1', 'bad');
    await utimes(join(folder, 'one', 'a', '1'), 1e9, 1e9);
    expect((await sync('--prefix', 'a/')).stdout).toBe('');
    expect((await sync('--prefix', 'a/', '--checksum')).stdout).toBe('copy a/1\n');
    expect(await two.getBytes('a/1')).toEqual(Buffer.from('old'));
    await Promise.all([one.close(), two.close()]);
  });

  test('passes a file that fails, and comes back to it alone in the next run', async () => {
    await using s3 = await startS3Server({ defaultChecksum: 'none' });
    const path = await config({ first: disk('first'), s3: onS3(s3) });
    const first = createStorage('first', disk('first'));
    const keys = Array.from({ length: 250 }, (_, number) => String(number).padStart(3, '0'));
    await Promise.all(keys.map((key) => first.put(key, 'x')));
    await first.close();
    for (const key of ['007', '008']) {
      const denied = { status: 403, code: 'AccessDenied' };
      s3.fail({ operation: 'PutObject', key, times: Infinity, with: denied });
    }
    const journal = join(folder, 'journal');
    const argv = ['sync', 'first:', 's3:', '--config', path, '--journal', journal];
    const { code, stdout } = await command(argv);
    expect(code).toBe(3);
    expect(stdout).toContain('failed 007: ');
    // The mark goes on, so that neither this run nor the next one keeps in memory what comes after.
    const entries = (await readFile(journal, 'utf8')).trim().split('\n');
    const marks = entries.filter((line) => line.startsWith('{"done"'));
    expect(marks).toHaveLength(2);
    expect(entries).toContain('{"failed":"007"}');
    expect((await command(argv)).code).toBe(3);
    s3.clearFaults();
    s3.clearRequests();
    // One that failed is not there any more.
    await rm(join(folder, 'first', '008'));
    expect(await command(argv)).toMatchObject({ code: 0, stdout: 'copy 007\n' });
    expect([...s3.objects('bucket').keys()]).toEqual(keys.filter((key) => key !== '008'));
    expect(existsSync(journal)).toBe(false);
  });

  test('copies again what is replaced while its old bytes are on their way', async () => {
    await using s3 = await startS3Server();
    await using proxy = await startFaultProxy({ target: s3.endpoint });
    const target = { ...onS3(s3), endpoint: proxy.endpoint };
    const path = await config({ one: disk('one'), target });
    await using one = createStorage('one', disk('one'));
    await one.put('report', 'version 0');
    let versions = 0;
    const before = async (): Promise<void> =>
      void (await one.put('report', `version ${++versions}`));
    const sync = (...argv: string[]) =>
      command(['sync', 'one:', 'target:', '--config', path, ...argv]);
    await using two = createStorage('two', onS3(s3));
    const stored = async () => (await two.getBytes('report')).toString();
    proxy.fail({ method: 'PUT', with: { before } });
    expect(await sync()).toMatchObject({ code: 0, stdout: 'copy report\n' });
    expect(await stored()).toBe('version 1');

    // The older bytes at the target are later than those at the source.
    await one.put('report', 'version X');
    proxy.fail({ method: 'PUT', times: Infinity, with: { before } });
    const journal = ['--journal', join(folder, 'journal')];
    const { code, stdout } = await sync(...journal);
    expect(stdout).toMatch(/^failed report: The file was replaced as often as it was copied/);
    expect(code).toBe(3);
    proxy.clearFaults();
    await utimes(join(folder, 'one', 'report'), 1e9, 1e9);
    expect(await sync(...journal)).toMatchObject({ code: 0, stdout: 'copy report\n' });
    expect(await stored()).toBe(`version ${versions}`);
  });

  test('tells the size of what it copied, which may be another than that of the listing', async () => {
    await using s3 = await startS3Server();
    await using proxy = await startFaultProxy({ target: s3.endpoint });
    const path = await config({ s3: { ...onS3(s3), endpoint: proxy.endpoint }, two: disk('two') });
    await using source = createStorage('s3', onS3(s3));
    await source.put('a', 'short');
    const before = async (): Promise<void> => void (await source.put('a', 'longer'));
    proxy.fail({ method: 'GET', url: /bucket\/a/, with: { before } });
    const { stdout, stderr } = await command(['sync', 's3:', 'two:', '--config', path, '--json']);
    const [copied] = stdout.split('\n', 1);
    expect(JSON.parse(copied!)).toEqual({ action: 'copy', key: 'a', size: 6 });
    expect(stderr).toContain('; 6 bytes copied');
  });

  test('is shared by workers, of whom each takes other files', async () => {
    const path = await config({ one: disk('one'), two: disk('two') });
    const one = createStorage('one', disk('one'));
    const two = createStorage('two', disk('two'));
    const keys = Array.from({ length: 60 }, (_, number) => `${number % 3}/${number}`).sort();
    await Promise.all(keys.map((key) => one.put(key, 'x')));
    await two.put('extra', 'x');
    const runs = [1, 2, 3].map((worker) =>
      command(['sync', 'one:', 'two:', '--config', path, '--delete', '--worker', `${worker}/3`]),
    );
    const lines = (await Promise.all(runs)).map(({ stdout }) => stdout.split('\n').slice(0, -1));
    expect(lines.every((each) => each.length >= 10)).toBe(true);
    const expected = ['delete extra', ...keys.map((key) => `copy ${key}`)];
    expect(lines.flat().sort()).toEqual(expected.sort());
    expect(await contents(two)).toEqual(await contents(one));
    const verify = await command(['verify', 'one:', 'two:', '--config', path, '--worker', '1/3']);
    expect(verify.stderr).toMatch(
      `${lines[0]!.filter((line) => line.startsWith('copy')).length} same`,
    );
    await Promise.all([one.close(), two.close()]);
  });

  test('holds no more in memory the more files there are', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const FEW = 2_000;
    const one = createStorage('one', { driver: 'memory' });
    const two = createStorage('two', { driver: 'memory' });
    for (let number = 0; number < 6 * FEW; number++) await one.put(`key ${number}`, 'x');
    const heap: number[] = [];
    let reported = 0;
    const { signal } = new AbortController();
    const options = {
      prefix: '',
      concurrency: 8,
      dryRun: true,
      delete: true,
      checksum: false,
      signal,
    };
    const report = async (): Promise<void> => {
      if (++reported % FEW !== 0) return;
      collectGarbage();
      heap.push(process.memoryUsage().heapUsed);
    };
    const journal = await Journal.open(join(folder, 'journal'), 'task');
    await sync(one, two, { ...options, journal, report });
    journal.close(false);
    expect(reported).toBe(6 * FEW);
    // Bytes a file: a held one takes more than a hundred. What V8 compiles and counts on the way is up to a quarter of that.
    expect((heap.at(-1)! - heap[0]!) / (5 * FEW)).toBeLessThan(50);
    await Promise.all([one.close(), two.close()]);
  });

  test('is refused from a place to itself, or to one within the other', async () => {
    await using s3 = await startS3Server();
    const same = { ...onS3(s3), endpoint: s3.endpoint.replace('127.0.0.1', 'localhost') };
    await using other = await startS3Server();
    const path = await config({ s3: onS3(s3), same, other: onS3(other), one: disk('one') });
    const sync = (...argv: string[]) => command(['sync', ...argv, '--config', path]);
    const one = createStorage('one', disk('one'));
    await one.put('a/b', 'x');
    await one.close();
    await symlink(join(folder, 'one'), join(folder, 'link'));
    const url = (...names: string[]): string => pathToFileURL(join(folder, ...names)).href;
    for (const argv of [
      ['one:', 'one:a/copy'],
      ['one:a', 'one:', '--delete', '--dry-run'],
      [url('one'), url('link', 'new')],
      [url('one'), url('link', 'new'), '--dry-run'],
      ['s3:', 's3:backup'],
      ['s3:a', 'same:', '--delete'],
      ['s3:a', 'same:a/b'],
    ]) {
      const { code, stderr } = await sync(...argv);
      expect({ argv, code }).toEqual({ argv, code: 2 });
      expect(stderr).toContain('leads to the other or into it');
    }
    expect([...s3.objects('bucket').keys()]).toEqual([]);
    expect(await sync('one:a', 'one:copy')).toMatchObject({ code: 0, stdout: 'copy b\n' });
    expect(await sync('one:', 'one:copies', '--prefix', 'a/')).toMatchObject({ code: 0 });
    expect(await sync('one:', 's3:')).toMatchObject({ code: 0 });
    expect(await sync('s3:', 'other:copy')).toMatchObject({ code: 0 });
    expect([...other.objects('bucket').keys()].sort()).toEqual([
      'copy/a/b',
      'copy/copies/a/b',
      'copy/copy/b',
    ]);
  });

  test('does not delete everything for a source that has nothing, as one that is spelled wrong', async () => {
    const path = await config({ one: disk('one'), two: disk('two') });
    const two = createStorage('two', disk('two'));
    await two.put('a', 'x');
    await createStorage('one', disk('one')).put('b/c', 'x');
    const sync = (from: string) => command(['sync', from, 'two:', '--config', path, '--delete']);
    const { code, stderr } = await sync('one:bb');
    expect(code).toBe(2);
    expect(stderr).toContain('there is no file at the first address');
    const { stdout } = await sync('one:b');
    // In whichever order they end.
    expect(stdout.trim().split('\n').sort()).toEqual(['copy c', 'delete a']);
    await two.close();
  });

  test('refuses the journal of another task', async () => {
    const path = await config({ one: disk('one'), two: disk('two') });
    const journal = join(folder, 'journal');
    await writeFile(journal, '{"task":"another"}\n');
    await createStorage('one', disk('one')).put('a', 'x');
    const argv = ['sync', 'one:', 'two:', '--config', path, '--journal', journal];
    const { code, stderr } = await command(argv);
    expect(code).toBe(2);
    expect(stderr).toContain('journal of another task');
  });

  test('refuses the journal of a run that took other files for the same', async () => {
    const path = await config({ one: disk('one'), two: disk('two') });
    const journal = join(folder, 'journal');
    await createStorage('one', disk('one')).put('a', 'x');
    // The target has a folder where the file is to be.
    await createStorage('two', disk('two')).put('a/b', 'x');
    const argv = ['sync', 'one:', 'two:', '--config', path, '--journal', journal];
    expect((await command(argv)).code).toBe(3);
    const { code, stderr } = await command([...argv, '--checksum']);
    expect(code).toBe(2);
    expect(stderr).toContain('journal of another task');
  });

  test('refuses its journal where the addresses lead elsewhere, and names no secret in it', async () => {
    const secret = {
      driver: 's3',
      bucket: 'b',
      endpoint: 'https://u:hush-hush@s3.invalid/?hush-hush',
    };
    const path = await config({ one: disk('one'), two: disk('two'), secret });
    await using one = createStorage('one', disk('one'));
    await using two = createStorage('two', disk('two'));
    await one.put('a', 'x');
    // The target has a folder where the file is to be.
    await two.put('a/b', 'x');
    const journal = join(folder, 'journal');
    // As mktemp makes one.
    await writeFile(journal, '');
    const argv = ['sync', 'one:', 'two:', '--config', path, '--journal', journal];
    expect((await command(argv)).code).toBe(3);
    expect(await readFile(journal, 'utf8')).toMatch(/^\{"task":/);
    expect((await command(argv)).code).toBe(3);
    await config({ one: disk('one'), two: disk('three') });
    const { code, stderr } = await command(argv);
    expect(stderr).toContain('journal of another task');
    expect(code).toBe(2);
    const storage = { driver: 's3', prefix: 'p/' } as Storage;
    const location = locationOf({ storage, configuration: secret as never, path: '' });
    expect(JSON.stringify(location)).toContain('https://s3.invalid/');
    expect(JSON.stringify(location)).not.toContain('hush-hush');
  });

  test('leaves its own journal where it is, in the source or the target, and takes no device for one', async () => {
    const path = await config({ one: disk('one'), two: disk('two') });
    await using one = createStorage('one', disk('one'));
    await using two = createStorage('two', disk('two'));
    await one.put('a/x', 'x');
    await two.put('a/y', 'y');
    const sync = (journal: string, ...options: string[]) => {
      const argv = ['sync', 'one:a', 'two:a', '--config', path, '--delete', '--json'];
      return command([...argv, '--journal', journal, ...options]);
    };
    const actions = async (journal: string) =>
      (await sync(join(folder, journal))).stdout.match(/^\{"action".*/gm)?.sort();
    const [copied, deleted] = [
      '{"action":"copy","key":"x","size":1}',
      '{"action":"delete","key":"y"}',
    ];
    expect(await actions('one/a/journal')).toEqual([copied, deleted]);
    await two.delete('a/x');
    await two.put('a/y', 'y');
    expect(await actions('two/a/journal')).toEqual([copied, deleted]);
    await writeFile(join(folder, 'one/a/journal'), '');
    expect((await sync(join(folder, 'one/a/journal'), '--dry-run')).stdout).not.toContain(
      'journal',
    );
    await one.delete('a/x');
    await two.put('a/y', 'y');
    expect(await sync(join(folder, 'one/a/journal'))).toMatchObject({ code: 2 });
    await symlink('/dev/null', join(folder, 'device'));
    expect(await sync(join(folder, 'device'))).toMatchObject({ code: 2 });
  });
});
