import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { run } from '../../lib/command-line/run.js';
import { command } from './command.js';

let folder: string;
let files: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command-line-'));
  files = pathToFileURL(join(folder, 'files')).href;
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** Takes one line in each turn of the event loop. */
class SlowOutput extends Writable {
  written = '';
  mostBuffered = 0;

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.written += chunk.toString();
    setImmediate(() => {
      this.mostBuffered = Math.max(this.mostBuffered, this.writableLength);
      callback();
    });
  }
}

async function store(key: string, text: string): Promise<void> {
  const { code, stderr } = await command(['put', '-', `${configured()}:${key}`, ...config()], {
    stdin: text,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

const configured = (): string => 'uploads';
const config = (): string[] => ['--config', join(folder, 'storages.json')];

beforeEach(() =>
  writeFile(
    join(folder, 'storages.json'),
    JSON.stringify({ storages: { uploads: { driver: 'local', root: join(folder, 'files') } } }),
  ),
);

describe('the command line', () => {
  test('stores, shows, copies, moves and deletes files of a configured storage', async () => {
    await store('a/one.txt', 'hello world');
    const on = (...argv: string[]) => command([...argv, ...config()]);
    expect((await on('cat', 'uploads:a/one.txt', '--range', '6-')).stdout).toBe('world');
    expect((await on('cat', 'uploads:a/one.txt', '--range', '0-4')).stdout).toBe('hello');
    expect((await command(['ls', ...config(), '--', 'uploads:a/'])).stdout).toBe('a/one.txt\n');
    const stat = JSON.parse((await on('stat', 'uploads:a/one.txt', '--json')).stdout) as object;
    expect(stat).toMatchObject({ key: 'a/one.txt', size: 11, contentType: 'text/plain' });
    await on('cp', 'uploads:a/one.txt', 'uploads:a/two.txt');
    await on('mv', 'uploads:a/one.txt', 'uploads:three.txt');
    expect((await on('ls', 'uploads:')).stdout).toBe('a/\nthree.txt\n');
    expect((await on('ls', '-r', 'uploads:')).stdout).toBe('a/two.txt\nthree.txt\n');
    expect(await on('rm', 'uploads:')).toMatchObject({ code: 2 });
    expect((await on('rm', 'uploads:none')).stdout).toBe('none: not there\n');
    expect((await on('rm', 'uploads:none', '--json')).stdout).toBe('{"deleted":0}\n');
    expect((await on('ls')).stderr).toContain('nestjs-storages ls --help says more');
    expect(await on('rm', '--recursive', 'uploads:a/')).toMatchObject({ code: 0 });
    expect((await on('ls', '-r', 'uploads:')).stdout).toBe('three.txt\n');
  });

  test('says on the standard error that there is nothing to list', async () => {
    await store('a/one.txt', 'hello');
    for (const options of [[], ['-r'], ['--json']]) {
      const list = (address: string) => command(['ls', address, ...options, ...config()]);
      expect(await list('uploads:b/')).toEqual({
        code: 0,
        stdout: '',
        stderr: 'nothing to list: no key begins with "b/"\n',
      });
      expect(await list('uploads:a')).toMatchObject({ code: 0, stderr: '' });
      expect(await command(['ls', 'memory:', ...options])).toEqual({
        code: 0,
        stdout: '',
        stderr: 'nothing to list: the storage has no files\n',
      });
    }
  });

  test('leaves a folder as it is that is only read', async () => {
    await mkdir(join(folder, 'files'));
    await writeFile(join(folder, 'files', 'one.txt'), 'hello');
    for (const argv of [
      ['ls', '-r', `${files}/`],
      ['stat', `${files}/one.txt`],
      ['cat', `${files}/one.txt`],
      ['verify', `${files}/`],
      ['sync', `${files}/`, pathToFileURL(join(folder, 'copy')).href],
    ]) {
      await command(argv);
      expect(await readdir(join(folder, 'files'))).toEqual(['one.txt']);
    }
    expect(await readdir(join(folder, 'copy'))).toContain('one.txt');
  });

  test('writes a file to this machine, by a file: URL', async () => {
    await store('one.txt', 'hello');
    const target = join(folder, 'target');
    expect(await command(['get', `${files}/one.txt`, target])).toMatchObject({ code: 0 });
    expect(await readFile(target, 'utf8')).toBe('hello');
  });

  test('takes the root of a storage around a path, where its metadata is', async () => {
    const typed = ['--content-type', 'text/x-typed'];
    await command(['put', '-', 'uploads:a/b/one', ...typed, ...config()], { stdin: 'hello' });
    const on = (...argv: string[]) => command(argv);
    expect((await on('stat', `${files}/a/b/one`)).stdout).toContain('text/x-typed');
    expect((await on('ls', `${files}/a/b/`)).stdout).toBe('a/b/one\n');
    expect((await on('cp', `${files}/a/b/one`, `${files}/a/c/two`)).stdout).toBe('5\ta/c/two\n');
    const copies = pathToFileURL(join(folder, 'copies')).href;
    expect((await on('sync', `${files}/a/b`, copies)).stdout).toBe('copy one\n');
    expect((await on('sync', copies, `${files}/a/d`)).stdout).toBe('copy one\n');
    for (const key of ['a/c/two', 'a/d/one']) {
      const { stdout } = await on('stat', `uploads:${key}`, ...config());
      expect(JSON.parse(stdout)).toMatchObject({ key, contentType: 'text/x-typed' });
    }
    expect((await on('rm', '-r', `${files}/a/b`)).stdout).toBe('1 deleted, 0 failed\n');
    const entries = await readdir(join(folder, 'files'), { recursive: true });
    expect(entries.filter((entry) => entry.endsWith('.nestjs-storages'))).toHaveLength(1);
    const { code, stderr } = await on('cat', `${files}/.nestjs-storages/meta/x`);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('reserved'),
    });
  });

  test('takes no root around a path that all users of the machine share, or that a link leaves', async () => {
    await mkdir(join(folder, 'shared', '.nestjs-storages'), { recursive: true });
    await chmod(join(folder, 'shared'), 0o1777);
    const mine = pathToFileURL(join(folder, 'shared', 'mine')).href;
    expect((await command(['put', '-', `${mine}/one`])).stdout).toBe('0\tone\n');
    expect(await readdir(join(folder, 'shared', 'mine'))).toContain('.nestjs-storages');
    await store('a', '');
    await symlink(join(folder, 'shared', 'mine'), join(folder, 'files', 'link'));
    expect((await command(['ls', `${files}/link`])).stdout).toBe('one\n');
  });

  test('shows progress on a terminal, and leaves none of it there', async () => {
    await writeFile(join(folder, 'from'), 'hello');
    const on = async (...argv: string[]) => {
      const { stdout, stderr } = await command(argv, { terminal: true });
      return { stdout, lines: stderr.replaceAll('\r\x1b[K', '|') };
    };
    const put = await on('put', join(folder, 'from'), `${files}/one`);
    expect(put.stdout).toBe('5\tone\n');
    // Twice, where the machine is slow.
    const all = /^(\|100 % {2}[\d.]+ [KM]?B\/s {2}0:00 left {2}one)+\|$/;
    expect(put.lines).toMatch(all);
    expect((await on('get', `${files}/one`, join(folder, 'to'))).lines).toMatch(all);
    const sync = await on('sync', `${files}/`, pathToFileURL(join(folder, 'copies', '/')).href);
    expect(sync.stdout).toBe('copy one\n');
    expect(sync.lines).toMatch(
      /^(\|(100 % {2})?1 copy {2}5 B {2}[\d.]+ [KM]?B\/s {2}(0:00 left {2})?one)+\|1 copy; 5 bytes copied\n$/,
    );
  });

  test('lists no faster than its output is read', async () => {
    await mkdir(join(folder, 'files'));
    const names = Array.from({ length: 60 }, (_, number) => String(number).padStart(60, '0'));
    await Promise.all(names.map((name) => writeFile(join(folder, 'files', name), '')));
    const slow = new SlowOutput({ highWaterMark: 100 });
    const { signal } = new AbortController();
    const stdin = Readable.from([]);
    const stderr = new PassThrough();
    const argv = ['ls', '-r', `${files}/`];
    expect(await run(argv, { stdin, stdout: slow, stderr, signal })).toBe(0);
    slow.end();
    await finished(slow);
    expect(slow.written).toBe(names.map((name) => `${name}\n`).join(''));
    // The buffer is full with the second line.
    expect(slow.mostBuffered).toBe(122);
  });

  test('tells a failure in one sentence, with exit code 1', async () => {
    await store('one.txt', 'hello');
    const { code, stderr } = await command(['cat', `${files}/two.txt`]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^nestjs-storages: .*not found.*\n$/i);
    const put = await command(['put', join(folder, 'none'), `${files}/two.txt`]);
    expect(put.code).toBe(1);
    expect(put.stderr).toBe(
      `nestjs-storages: There is no file ${join(folder, 'none')} on this machine\n`,
    );
    const below = await command(['put', join(folder, 'storages.json', 'x'), `${files}/two.txt`]);
    expect(below).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOTDIR') as string });
  });

  test.each([
    [['lss', 'memory:'], 'No command is called lss (did you mean ls?)'],
    [['help'], 'No command is called help; nestjs-storages --help lists them'],
    [['bogus'], 'No command is called bogus; nestjs-storages --help lists them'],
    [
      ['--json', 'ls', 'memory:'],
      'Options come after the command: nestjs-storages <command> --json',
    ],
    [['cat', 'memory:'], 'cat takes one file, and memory: names none: add the name of the file'],
    [['stat', 's3://bucket/a/?endpoint=https://a:hush@x'], 's3://bucket/a/ names none'],
    [['get', 's3://bucket/', '/tmp/x'], 's3://bucket/ names none'],
    [['sign', 's3://bucket/a/'], 's3://bucket/a/ names none'],
    [['ls', 'memory:', '--recursiv'], 'Unknown option --recursiv (did you mean --recursive?)'],
    [['ls', 's3://bucket?regoin=x'], 'no option regoin (did you mean region?)'],
    [['ls', 's3://bucket?secret=x'], 'An s3: URL must not hold secret'],
    [['ls', 'upload:x'], 'No storage is called "upload". Take a URL'],
    [['ls'], 'Usage: nestjs-storages ls'],
    [['cat', 'memory:x', '--range', 'all'], '--range must be'],
    [['sync', 'memory:', 'memory:', '--worker', '3/2'], '--worker must be'],
    // Each of these is the root of the machine to the parser of URLs, and what is left when a variable is not set.
    [['rm', '-r', 'file:'], 'has three slashes and a whole path'],
    [['rm', '-r', 'file://'], 'has three slashes and a whole path'],
    [['rm', '-r', 'file:///'], 'has three slashes and a whole path'],
    [['rm', '-r', 'file:////'], 'does not delete all files of a machine'],
    [['rm', '-r', 'file:///?'], 'write that of a path as %3F'],
    // Another file to the parser of URLs.
    [['rm', '-r', 'file:///tmp/..'], 'a segment . or ..'],
    [['rm', '-r', 's3://bucket/tmp/..'], 'a segment . or ..'],
    [['rm', '-r', 's3://bucket/tmp/%2E%2e/'], 'a segment . or ..'],
    [['rm', '-r', 's3://../tmp/'], 'begins with s3://name-of-the-bucket'],
    [['rm', 's3://bucket#1/a'], 'begins with s3://name-of-the-bucket'],
    [['rm', 'file:///tmp/what?'], 'write that of a path as %3F'],
    [['rm', 'file:///tmp/a\tb'], 'a control character'],
    [['ls', 'file:src'], 'has three slashes and a whole path'],
    [['cat', 'file:///tmp/100%'], 'a % that is not followed by'],
    [['cat', 'file:///tmp/a%2Fb'], 'A file: URL is no path'],
    [['cat', 'memory:a//b'], 'Invalid key: '],
    // A number alone is one of milliseconds elsewhere: what is being written right now would be older.
    ...['x', '', '0', '7', '7 ', '0d', '-1d', '1 fortnight', 'NaN', 'Infinity'].map(
      (age): [string[], string] => [
        ['sweep', 'memory:', `--older-than=${age}`],
        '--older-than must be a time with its unit, such as 90m, 12h or 7d',
      ],
    ),
    [['sweep', 'memory:', '--older-than', '-1d'], '--older-than'],
    [
      ['get', 'memory:x', '/nowhere/x'],
      'get writes to a folder that is there, and /nowhere is not: create it first',
    ],
    [['put', tmpdir(), 'memory:x'], 'is a folder: take sync'],
    [
      ['put', '-', 's3://bucket/?endpoint=https://a:hush@x'],
      'put takes one file, and s3://bucket/ names none: add the name of the file',
    ],
    [['cp', 'memory:x', 'file:///nowhere/'], '/nowhere/ names none: add the name of the file'],
    [['mv', 'memory:x', 'memory:a/'], 'memory:a/ names none: add the name of the file'],
    [['sign', 'file:///nowhere/x'], '--config that has baseUrl and signingKeys'],
    [['get', 'memory:x', tmpdir()], 'is a folder: add the name of the file'],
    [['get', 'memory:x', '-'], 'take cat'],
    [['cat', 'memory:x', '--range'], '--range'],
    [['verify', 'memory:', '--concurrency', '0'], '--concurrency must be'],
    [['cat', 'file:///tmp/a%00b'], 'no path has %00'],
    [['ls', 'gs:bucket'], 'begins with gs://name-of-the-bucket'],
    [['ls', 'memory:', '--config', '/nowhere/storages.json'], '--config /nowhere/storages.json'],
  ])('refuses %j with exit code 2', async (argv, sentence) => {
    const { code, stderr, stdout } = await command(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(sentence);
  });

  test('takes the path of a file: URL byte for byte', async () => {
    const names = ['a', 'a#1', 'a ', ' a', 'a?', 'a\\b', 'b', 'a%'];
    await mkdir(join(folder, 'files'));
    await Promise.all(names.map((name) => writeFile(join(folder, 'files', name), name)));
    for (const typed of ['a#1', 'a ', ' a', 'a%3F', 'a%25']) {
      const { stdout } = await command(['cat', `file://${folder}/files/${typed}`]);
      expect(stdout).toBe(decodeURIComponent(typed));
    }
    // No key, and above all not a/b.
    expect(await command(['rm', `file://${folder}/files/a\\b`])).toMatchObject({ code: 2 });
    await mkdir(join(folder, 'files', 'a#old'));
    await writeFile(join(folder, 'files', 'a#old', 'x'), '');
    expect(await command(['rm', '-r', `file://${folder}/files/a#old/`])).toMatchObject({ code: 0 });
    expect((await readdir(join(folder, 'files', 'a#old'))).filter((name) => name === 'x')).toEqual(
      [],
    );
    expect(await readdir(join(folder, 'files'))).toEqual(expect.arrayContaining(names));
  });

  test('tells the names of the configuration when an address has none of them', async () => {
    const { code, stderr } = await command(['ls', 'uplods:x', ...config()]);
    expect(code).toBe(2);
    expect(stderr).toContain(
      'No storage is called "uplods" (did you mean uploads:?); --config has "uploads". Take a URL',
    );
  });

  test.each([
    's3://AKIA:hush-hush@bucket/key',
    's3://bucket?secretAccessKey=hush-hush',
    's3://AKIA:hush-hush/slash@bucket/key',
    's3://bucket?secretAccessKey-hush-hush',
    'hush://hush-hush@x',
  ])('refuses a secret in an address without repeating it: %s', async (address) => {
    for (const argv of [['ls', address], [address]]) {
      const { code, stderr } = await command(argv);
      expect(code).toBe(2);
      expect(stderr).not.toContain('hush-hush');
    }
  });

  test('tells why its output cannot be written', async () => {
    await store('one.txt', 'hello');
    const stdout = new Writable({
      write: (_chunk, _encoding, callback) => callback(new Error('no space left')),
    });
    const stderr = new PassThrough();
    const { signal } = new AbortController();
    const stdin = Readable.from([]);
    const code = await run(['ls', `${files}/`], { stdin, stdout, stderr, signal });
    stderr.end();
    expect([code, await text(stderr)]).toEqual([1, 'nestjs-storages: no space left\n']);
  });

  test('takes a path for that of a folder where it is about all below it, and creates none to read or delete', async () => {
    await store('files-of-others', 'hello');
    const path = `${files}/files`;
    for (const argv of [
      ['rm', '-r', path],
      ['sync', path, pathToFileURL(join(folder, 'to')).href, '--delete'],
      ['verify', path],
      ['mv', `${path}/x`, `${files}/y`],
    ]) {
      const { code, stderr } = await command(argv);
      expect({ argv, code }).toEqual({ argv, code: 1 });
      expect(stderr).toBe(
        `nestjs-storages: The folder ${join(folder, 'files', 'files')} does not exist\n`,
      );
    }
    expect((await command(['ls', '-r', `${files}/`])).stdout).toBe('files-of-others\n');
    await command(['sync', `${files}`, pathToFileURL(join(folder, 'to')).href]);
    expect((await readdir(folder)).sort()).toEqual(['files', 'storages.json', 'to']);
  });

  test.each([
    ['{"uploads": {"secretAccessKey": "hush-hush" "', 'cannot be read: it is not well-formed'],
    ['["hush-hush"]', 'must hold an object of storages by name'],
    ['{"uploads": "hush-hush"}', 'must hold an object of storages by name'],
  ])('refuses the configuration %s, and quotes none of it', async (written, sentence) => {
    await writeFile(join(folder, 'storages.json'), written);
    const { code, stderr } = await command(['ls', 'uploads:', ...config()]);
    expect(code).toBe(2);
    expect(stderr).toContain(sentence);
    expect(stderr).not.toContain('hush-hush');
  });

  test('says on the error output what there is, when nothing is asked', async () => {
    const { code, stdout, stderr } = await command([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: nestjs-storages/);
  });

  test('lists what more than one page holds, with sizes and times', async () => {
    await mkdir(join(folder, 'files'));
    const names = Array.from({ length: 1001 }, (_, number) => `file-${1000 + number}`);
    await Promise.all(names.map((name) => writeFile(join(folder, 'files', name), 'hello')));
    const { stdout } = await command(['ls', `${files}/`, '--long']);
    const listed = stdout.split('\n').slice(0, -1);
    expect(listed.map((line) => line.split('\t')[2])).toEqual(names);
    expect(listed[0]).toMatch(/^5\t\d{4}-\d\d-\d\dT[\d:.]+Z\t/);
  });

  test('stores nothing over a file with --create-only', async () => {
    await store('one.txt', 'hello');
    const argv = ['put', '-', `uploads:one.txt`, '--create-only', ...config()];
    expect(await command(argv, { stdin: 'other' })).toMatchObject({ code: 1 });
    expect(await readFile(join(folder, 'files', 'one.txt'), 'utf8')).toBe('hello');
  });

  test('says what each command does, on the standard output', async () => {
    expect(await command(['--help'])).toMatchObject({ code: 0, stderr: '' });
    const { code, stdout } = await command(['sync', '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}--dry-run +only tell what would be done$/m);
  });

  test('publishes nothing of a file whose upload is interrupted, with exit code 130', async () => {
    await store('one.txt', 'hello');
    const { code } = await command(['put', '-', `${files}/two.txt`], {
      stdin: 'half',
      signal: AbortSignal.abort(),
    });
    expect(code).toBe(130);
    expect((await command(['ls', '-r', `${files}/`])).stdout).toBe('one.txt\n');
  });
});
