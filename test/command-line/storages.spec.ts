import { randomUUID } from 'node:crypto';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createStorage } from '../../lib/drivers/open-storage.js';
import { startFaultProxy } from '../../lib/testing/fault-proxy/index.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { startS3Server, type S3ServerOptions } from '../../lib/testing/s3-server/index.js';
import { startAzurite } from '../drivers/azure/azurite.js';
import { until } from '../nest/app-fixture.js';
import { command } from './command.js';

const ENVIRONMENT = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AZURE_STORAGE_CONNECTION_STRING',
  'AZURE_STORAGE_KEY',
] as const;

let folder: string;
let before: (string | undefined)[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command-line-'));
  before = ENVIRONMENT.map((name) => process.env[name]);
  for (const name of ENVIRONMENT) delete process.env[name];
});
afterEach(async () => {
  for (const [index, name] of ENVIRONMENT.entries()) {
    delete process.env[name];
    if (before[index] !== undefined) process.env[name] = before[index];
  }
  await rm(folder, { recursive: true, force: true });
});

/** A server, its credentials in the environment, and the URL of a key in its bucket. */
async function startS3(options: S3ServerOptions = {}) {
  const server = await startS3Server(options);
  process.env['AWS_ACCESS_KEY_ID'] = server.credentials.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = server.credentials.secretAccessKey;
  const query = new URLSearchParams({
    endpoint: server.endpoint,
    region: server.region,
    provider: 'aws',
    forcePathStyle: 'true',
  });
  return {
    server,
    at: (key: string) => `s3://bucket/${key}?${query.toString()}`,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

const local = (path: string): string => pathToFileURL(join(folder, path)).href;

async function succeed(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await command(argv);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

describe('an address', () => {
  test('of s3:, gs: and azure: leads to the service, with credentials of the environment', async () => {
    await using s3 = await startS3();
    await using gcs = await startGcsServer({ anonymous: true });
    await using azurite = await startAzurite();
    const { connectionString } = azurite;
    const azure = createStorage('azure', { driver: 'azure', container: 'files', connectionString });
    await azure.open();
    await azure.client.create();
    await azure.close();
    process.env['AZURE_STORAGE_CONNECTION_STRING'] = connectionString;
    process.env['AZURE_STORAGE_KEY'] = azurite.accountKey;
    const account = new URLSearchParams({
      account: azurite.accountName,
      accountUrl: azurite.endpoint,
    });
    await writeFile(join(folder, 'from'), 'hello');

    await succeed('put', join(folder, 'from'), s3.at('a/ä%20b'), '--content-type', 'text/csv');
    const gs = `gs://bucket/c?projectId=${gcs.projectId}&apiEndpoint=${encodeURIComponent(gcs.endpoint)}`;
    await succeed('cp', s3.at('a/ä%20b'), gs);
    await succeed('mv', gs, 'azure://files/d/e');
    await succeed('cp', 'azure://files/d/e', `azure://files/d/f?${account.toString()}`);
    await succeed('mv', `azure://files/d/f?${account.toString()}`, local('files/g'));

    await succeed('put', join(folder, 'from'), s3.at('a/b#1 '));
    await succeed('rm', s3.at('a/b'));

    expect([...s3.server.objects('bucket').keys()]).toEqual(['a/b#1 ', 'a/ä b']);
    expect([...gcs.objects('bucket').keys()]).toEqual([]);
    expect(await succeed('ls', '-r', 'azure://files/')).toBe('d/e\n');
    const stat = JSON.parse(await succeed('stat', '--json', local('files/g'))) as object;
    expect(stat).toMatchObject({ key: 'g', size: 5, contentType: 'text/csv' });
    expect(await succeed('cat', local('files/g'))).toBe('hello');
  });

  test('refuses to move a file to another spelling of its own place, where it would be lost', async () => {
    await using s3 = await startS3();
    await writeFile(join(folder, 'from'), 'hello');
    await succeed('put', join(folder, 'from'), s3.at('a'));
    const { code, stderr } = await command(['mv', s3.at('a'), s3.at('a').replace('=true', '=1')]);
    expect(stderr).toContain('the same');
    expect(code).toBe(2);
    await mkdir(join(folder, 'files'));
    await succeed('put', join(folder, 'from'), local('files/a'));
    const config = join(folder, 'storages.json');
    await writeFile(config, JSON.stringify({ all: { driver: 'local', root: folder } }));
    const moved = await command(['mv', local('files/a'), 'all:files/a', '--config', config]);
    expect(moved.code).toBe(2);
    expect([...s3.server.objects('bucket').keys()]).toEqual(['a']);
    expect(await readFile(join(folder, 'files', 'a'), 'utf8')).toBe('hello');
  });

  test.each([
    ['a.js', (storages: string) => `export default { storages: ${storages} };`],
    ['a.mjs', (storages: string) => `export default ${storages};`],
    ['b.mjs', (storages: string) => `export const storages = ${storages};`],
    ['c.mjs', (storages: string) => `export default class {} export const storages = ${storages};`],
    ['a.cjs', (storages: string) => `module.exports = ${storages};`],
    ['b.cjs', (storages: string) => `exports.storages = ${storages};`],
    ['c.cjs', (storages: string) => `exports.default = ${storages};`],
    [
      'd.cjs',
      (storages: string) => `exports.default = { default: 'uploads', storages: ${storages} };`,
    ],
    ['e.cjs', (storages: string) => `exports.__esModule = true; exports.default = ${storages};`],
    ['a.json', (storages: string) => `\ufeff{"default": "uploads", "storages": ${storages}}`],
    ['b.JSON', (storages: string) => storages],
  ])('names a storage of the configuration %s', async (name, text) => {
    const config = join(folder, name);
    // One that is called "default", too, which is no module.
    const [uploads, other] = ['files', 'others'].map((root) => ({
      driver: 'local',
      root: join(folder, root),
    }));
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    await writeFile(config, text(JSON.stringify({ uploads, default: other })));
    await writeFile(join(folder, 'from'), 'hello');
    for (const storage of ['uploads', 'default']) {
      await succeed('put', join(folder, 'from'), `${storage}:a`, '--config', config);
      expect(await succeed('ls', `${storage}:`, '--config', config)).toBe('a\n');
    }
    expect(await readFile(join(folder, 'files', 'a'), 'utf8')).toBe('hello');
  });

  test.each([
    ['a.mjs', 'export const files = { driver: "memory" };'],
    ['b.mjs', 'export default () => ({ files: { driver: "memory" } });'],
    ['a.cjs', 'exports.default = "files";'],
    ['b.cjs', 'module.exports = [];'],
  ])('says what the configuration %s must be instead of %s', async (name, text) => {
    const config = join(folder, name);
    await writeFile(config, text);
    const { code, stderr } = await command(['ls', 'files:', '--config', config]);
    expect(stderr).toBe(
      `nestjs-storages: --config ${config} must hold an object of storages by name: as JSON, or by "export default", "export const storages" or "module.exports ="\n`,
    );
    expect(code).toBe(2);
  });
});

describe('a source that is not there', () => {
  test.each([
    ['sync', 'folder', () => local('nowhere')],
    ['sync', 'bucket', (s3: string) => s3.replace('bucket/', 'bucket-2/')],
    ['cp', 'folder', () => local('nowhere/a')],
    ['mv', 'folder', () => local('nowhere/a')],
    ['cp', 'file', () => local('there/b')],
    ['mv', 'file', () => local('there/b')],
    ['cp', 'object', (s3: string) => s3],
  ])('%s of a missing %s makes nothing where it was to go', async (name, _what, source) => {
    await using s3 = await startS3();
    await mkdir(join(folder, 'there'));
    const from = source(s3.at('b'));
    const to = name === 'sync' ? local('new/folder') : local('new/folder/a');
    const journal = name === 'sync' ? ['--journal', join(folder, 'journal')] : [];
    const { code, stdout } = await command([name, from, to, ...journal]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(await readdir(folder)).toEqual(['there']);
    expect(await readdir(join(folder, 'there'))).toEqual([]);
  });
});

describe('stat --json', () => {
  test('tells metadata exactly, and nothing that a terminal obeys', async () => {
    await using files = createStorage('files', { driver: 'local', root: join(folder, 'files') });
    const metadata = { name: 'gpj\u202eexe', other: 'a\u2028b' };
    await files.put('a', '', { metadata });
    const told = await succeed('stat', local('files/a'), '--json');
    expect(told).not.toMatch(/[\u202e\u2028]/);
    expect(JSON.parse(told)).toMatchObject({ metadata });
  });
});

describe('mv to another storage', () => {
  test('moves what replaced the source meanwhile, too, or leaves it where it is', async () => {
    await using s3 = await startS3();
    await using proxy = await startFaultProxy({ target: s3.server.endpoint });
    const target = s3
      .at('a')
      .replace(encodeURIComponent(s3.server.endpoint), encodeURIComponent(proxy.endpoint));
    let version = 0;
    const replace = () => writeFile(join(folder, 'a'), `version ${++version}`);
    await replace();
    proxy.fail({ method: 'PUT', with: { before: replace } });
    expect(await succeed('mv', local('a'), target)).toBe('9\ta\n');
    expect(await succeed('cat', s3.at('a'))).toBe('version 2');
    await expect(stat(join(folder, 'a'))).rejects.toThrow('ENOENT');

    await replace();
    proxy.fail({ method: 'PUT', times: Infinity, with: { before: replace } });
    const { code, stderr } = await command(['mv', local('a'), target]);
    expect(stderr).toContain('a was replaced as often as it was copied (3 times): it stays');
    expect(code).toBe(1);
    expect(await readFile(join(folder, 'a'), 'utf8')).toBe(`version ${version}`);
  });

  test('deletes the version that it copied, and no other, where the service decides it', async () => {
    await using s3 = await startS3();
    await writeFile(join(folder, 'a'), 'one');
    await writeFile(join(folder, 'b'), 'two');
    await succeed('put', join(folder, 'a'), s3.at('a'));
    await using proxy = await startFaultProxy({ target: s3.server.endpoint });
    const before = async (): Promise<void> =>
      void (await succeed('put', join(folder, 'b'), s3.at('a')));
    proxy.fail({ method: 'DELETE', with: { before } });
    const source = s3
      .at('a')
      .replace(encodeURIComponent(s3.server.endpoint), encodeURIComponent(proxy.endpoint));
    await succeed('mv', source, local('files/moved'));
    expect(await readFile(join(folder, 'files', 'moved'), 'utf8')).toBe('two');
    expect([...s3.server.objects('bucket').keys()]).toEqual([]);
  });
});

describe('get', () => {
  test('touches nobody else’s part', async () => {
    await mkdir(join(folder, 'files'));
    await writeFile(join(folder, 'files', 'a'), 'hello');
    const part = `target.${process.pid}.part`;
    await writeFile(join(folder, part), 'of somebody else');
    await succeed('get', local('files/a'), join(folder, 'target'));
    expect(await readFile(join(folder, 'target'), 'utf8')).toBe('hello');
    expect((await readdir(folder)).sort()).toEqual(['files', 'target', part]);
  });
});

describe('get under a name as long as a name can be', () => {
  test.each([
    ['letters', 'a'.repeat(255)],
    ['two bytes each', `${'ä'.repeat(127)}a`],
    ['a surrogate pair at any place', `abc${'\u{1f680}'.repeat(63)}`],
  ])('writes the file: %s', async (_what, name) => {
    expect(Buffer.byteLength(name)).toBe(255);
    await mkdir(join(folder, 'files'));
    await writeFile(join(folder, 'files', 'a'), 'hello');
    await succeed('get', local('files/a'), join(folder, name));
    expect(await readFile(join(folder, name), 'utf8')).toBe('hello');
    expect((await readdir(folder)).sort()).toEqual([name, 'files'].sort());
  });
});

describe('get under a name that no file can have', () => {
  test('fails before anything is read', async () => {
    const target = join(folder, 'a'.repeat(256));
    const { code, stderr } = await command(['get', 'memory:not-there', target]);
    expect(stderr).toContain('ENAMETOOLONG');
    expect(code).toBe(1);
  });
});

describe('get, after a run that was killed,', () => {
  test('removes what that has left of the same file and nobody has touched for a day, and nothing else', async () => {
    await mkdir(join(folder, 'files'));
    await writeFile(join(folder, 'files', 'a'), 'hello');
    const hoursAgo = (hours: number): number => Date.now() / 1000 - hours * 3600;
    const leave = async (name: string, hours: number): Promise<void> => {
      await writeFile(join(folder, name), 'half');
      await utimes(join(folder, name), hoursAgo(hours), hoursAgo(hours));
    };
    const kept = [
      [`target.${randomUUID()}.part`, 23],
      [`other.${randomUUID()}.part`, 25],
      [`target.${randomUUID()}.part.txt`, 25],
      ['target.1.part', 25],
    ] as const;
    for (const [name, hours] of kept) await leave(name, hours);
    const folderOfSomebody = `target.${randomUUID()}.part`;
    await mkdir(join(folder, folderOfSomebody));
    await utimes(join(folder, folderOfSomebody), hoursAgo(25), hoursAgo(25));
    await leave(`target.${randomUUID()}.part`, 25);
    await succeed('get', local('files/a'), join(folder, 'target'));
    expect((await readdir(folder)).sort()).toEqual(
      ['files', 'target', folderOfSomebody, ...kept.map(([name]) => name)].sort(),
    );
  });
});

describe('get onto what is there', () => {
  test('keeps the mode of a file and the link to it, and refuses what is no file', async () => {
    await mkdir(join(folder, 'files'));
    await writeFile(join(folder, 'files', 'a'), 'hello');
    await writeFile(join(folder, 'private'), 'before', { mode: 0o600 });
    await symlink('private', join(folder, 'link'));
    await succeed('get', local('files/a'), join(folder, 'link'));
    expect(await readFile(join(folder, 'private'), 'utf8')).toBe('hello');
    expect((await stat(join(folder, 'private'))).mode & 0o777).toBe(0o600);
    expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true);
    await symlink('/dev/null', join(folder, 'device'));
    const { code, stderr } = await command(['get', local('files/a'), join(folder, 'device')]);
    expect(stderr).toContain('is a device, a pipe or a socket: take cat');
    expect(code).toBe(2);
  });
});

describe('get, interrupted,', () => {
  test('leaves nothing of the file, and what was there before', async () => {
    await using s3 = await startS3();
    await writeFile(join(folder, 'from'), Buffer.alloc(100_000));
    await succeed('put', join(folder, 'from'), s3.at('a'));
    await using proxy = await startFaultProxy({ target: s3.server.endpoint });
    proxy.fail({ times: Infinity, with: { stallAnswerAt: 1000 } });
    const address = s3
      .at('a')
      .replace(encodeURIComponent(s3.server.endpoint), encodeURIComponent(proxy.endpoint));
    await writeFile(join(folder, 'to'), 'before');
    const interrupted = new AbortController();
    const { signal } = interrupted;
    const got = command(['get', address, join(folder, 'to')], { signal });
    await until(async () => (await readdir(folder)).some((name) => name.endsWith('.part')));
    interrupted.abort();
    expect(await got).toEqual({ code: 130, stdout: '', stderr: '' });
    expect((await readdir(folder)).sort()).toEqual(['from', 'to']);
    expect(await readFile(join(folder, 'to'), 'utf8')).toBe('before');
  });
});

describe('sweep', () => {
  test('removes what was begun and never ended, and tells it before in a dry run', async () => {
    await using s3 = await startS3({ now: () => Date.now() - 10 * 60_000 });
    const storage = createStorage('files', {
      driver: 's3',
      bucket: 'bucket',
      endpoint: s3.server.endpoint,
      region: s3.server.region,
      provider: 'aws',
      forcePathStyle: true,
    });
    await storage.stage('staged');
    await storage.startMultipartUpload('begun');
    await storage.put('kept', 'x');
    await storage.close();
    const sweep = (...options: string[]) => command(['sweep', s3.at(''), ...options]);
    const dry = await sweep('--older-than', '5m', '--dry-run');
    expect(dry).toEqual({
      code: 0,
      stdout: expect.stringMatching(
        /^would remove staged \w+\nwould remove upload begun\n$/,
      ) as string,
      stderr: '2 to remove, 0 failed\n',
    });
    // Of a day, where no age is told.
    const nothing = 'nothing to remove: no staged file or unfinished upload is older than 1d\n';
    expect(await sweep()).toEqual({ code: 0, stdout: '', stderr: nothing });
    expect((await sweep('--json')).stdout).toBe(
      '{"summary":{"staged":0,"multipartUploads":0,"failed":0}}\n',
    );
    const swept = await sweep('--older-than', '5m', '--json');
    expect(swept.stdout.split('\n').at(-2)).toBe(
      '{"summary":{"staged":1,"multipartUploads":1,"failed":0}}',
    );
    expect(swept.stdout.match(/"action":"removed"/g)).toHaveLength(2);
    expect(swept.stderr).toBe('2 removed, 0 failed\n');
    expect(s3.server.multipartUploads('bucket')).toEqual([]);
    expect([...s3.server.objects('bucket').keys()]).toEqual(['kept']);
  });
});

describe('sign', () => {
  test('prints URLs that store a file and read it', async () => {
    await using s3 = await startS3();
    const type = ['--content-type', 'text/csv'];
    const target = await succeed('sign', s3.at('a'), '--put', '--expires', '1m', ...type);
    const [put, ...headers] = target.trim().split('\n');
    const pairs = headers.map((line) => line.split(': ', 2) as [string, string]);
    const stored = await fetch(put!, { method: 'PUT', headers: pairs, body: 'hello' });
    expect(stored.status).toBe(200);
    const get = await succeed('sign', s3.at('a'));
    const read = await fetch(get.trim());
    expect([await read.text(), read.headers.get('content-type')]).toEqual(['hello', 'text/csv']);
  });
});

describe('sign --expires', () => {
  test.each(['bogus', '60', '8d'])('says what it takes instead of %s', async (lifetime) => {
    await using s3 = await startS3();
    const { code, stderr } = await command(['sign', s3.at('a'), '--expires', lifetime]);
    expect(stderr).toContain('--expires must be a time from 1s to 7d with its unit, such as 90s,');
    expect(code).toBe(2);
  });
});

describe('cp and mv inside a storage', () => {
  test('leave the bytes on the server, however the keys are written', async () => {
    await using s3 = await startS3();
    await writeFile(join(folder, 'from'), 'hello');
    await succeed('put', join(folder, 'from'), s3.at('100%25%3F'));
    await succeed('cp', s3.at('100%25%3F'), s3.at('%41 %c3%a4#'));
    await succeed('mv', s3.at('A%20ä%23'), s3.at('%2B+'));
    expect([...s3.server.objects('bucket').keys()].sort()).toEqual(['++', '100%?']);
    const operations = s3.server.requests.map(({ operation }) => operation);
    expect(operations).toContain('CopyObject');
    expect(operations).not.toContain('GetObject');
  });
});

describe('verify of one storage', () => {
  test('tells which files are not what they were stored as', async () => {
    await using s3 = await startS3();
    await writeFile(join(folder, 'from'), 'hello');
    await succeed('put', join(folder, 'from'), s3.at('a'));
    await succeed('put', join(folder, 'from'), s3.at('b'));
    expect(await command(['verify', s3.at('')])).toMatchObject({ code: 0, stdout: '' });
    s3.server.fail({
      operation: 'GetObject',
      key: 'b',
      times: Infinity,
      with: { corruptBodyAt: 1 },
    });
    const { code, stdout } = await command(['verify', s3.at('')]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: 'different b\n' });
    const shares = await Promise.all(
      ['1/2', '2/2'].map((worker) => command(['verify', s3.at(''), '--worker', worker])),
    );
    expect(shares.map(({ stdout: told }) => told).join('')).toBe('different b\n');
    await mkdir(join(folder, 'files'));
    await writeFile(join(folder, 'files', 'c'), 'hello');
    const found = await command(['verify', local('files/')]);
    expect(found).toMatchObject({ code: 3, stdout: 'unverifiable c\n' });
    expect(found.stderr).toContain('no file has a checksum');
  });
});

describe('verify of two storages', () => {
  test('tells which files are missing, extra, different or cannot be read', async () => {
    await using s3 = await startS3();
    for (const [key, text] of Object.entries({
      'from/a': 'same',
      'to/a': 'same',
      'from/missing': 'hello',
      'to/extra': 'hello',
      'from/other': 'hello',
      'to/other': 'HELLO',
      'from/unread': 'hello',
      'to/unread': 'hello',
    })) {
      const { code } = await command(['put', '-', s3.at(key)], { stdin: text });
      expect(code).toBe(0);
    }
    s3.server.fail({
      operation: 'GetObject',
      key: 'from/unread',
      times: Infinity,
      with: { status: 403, code: 'AccessDenied' },
    });
    const { code, stdout } = await command(['verify', s3.at('from/'), s3.at('to/')]);
    expect(code).toBe(3);
    expect(stdout.trim().split('\n').sort()).toEqual([
      'different other',
      'extra extra',
      expect.stringMatching(/^failed unread: /),
      'missing missing',
    ]);
  });
});

describe('rm -r', () => {
  test('tells which files it could not delete', async () => {
    await using s3 = await startS3();
    await command(['put', '-', s3.at('a/kept')], { stdin: 'hello' });
    s3.server.fail({
      operation: 'DeleteObject',
      times: Infinity,
      with: { status: 403, code: 'AccessDenied' },
    });
    const { code, stdout } = await command(['rm', '-r', s3.at('a/')]);
    expect(stdout).toMatch(/^failed a\/kept: .*\n0 deleted, 1 failed\n$/);
    expect(code).toBe(3);
    expect([...s3.server.objects('bucket').keys()]).toEqual(['a/kept']);
  });
});

describe('sync of what HTTP says of a file', () => {
  test('keeps its headers', async () => {
    await using s3 = await startS3();
    const { endpoint, region, credentials } = s3.server;
    const { accessKeyId, secretAccessKey } = credentials;
    await using storage = createStorage('files', {
      driver: 's3',
      bucket: 'bucket',
      provider: 'aws',
      forcePathStyle: true,
      endpoint,
      region,
      accessKeyId,
      secretAccessKey,
    });
    const headers = {
      contentType: 'text/html',
      cacheControl: 'max-age=60',
      contentDisposition: 'attachment; filename="a.html"',
      contentEncoding: 'br',
      contentLanguage: 'de',
    };
    await storage.put('from/a', 'hello', headers);
    expect(await command(['sync', s3.at('from/'), s3.at('to/')])).toMatchObject({ code: 0 });
    expect(await storage.info('to/a')).toMatchObject(headers);
  });
});

describe('an address of azure:', () => {
  test('needs an account, of itself or of the environment', async () => {
    const { code, stderr } = await command(['ls', 'azure://files/']);
    expect(code).toBe(2);
    expect(stderr).toContain('An azure: URL needs ?account=name, or AZURE_STORAGE_CONNECTION');
  });
});
