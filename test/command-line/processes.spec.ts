import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { startFaultProxy } from '../../lib/testing/fault-proxy/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command-line-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function start(...argv: string[]) {
  const loader = new URL('../leaks/register.js', import.meta.url).href;
  const child = spawn(process.execPath, ['--import', loader, 'lib/command-line/main.ts', ...argv]);
  // Whoever is killed reads no more of what is written to it.
  child.stdin.on('error', () => {});
  return { child, closed: once(child, 'close'), stderr: text(child.stderr) };
}

describe('the program', () => {
  test('tells its version', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    const { child, closed } = start('--version');
    expect(await text(child.stdout)).toBe(`${version}\n`);
    expect(await closed).toEqual([0, null]);
  });

  test('ends quietly when nobody reads its output any more', async () => {
    await writeFile(join(folder, 'large'), Buffer.alloc(8 * 1024 ** 2));
    const { child, closed, stderr } = start('cat', pathToFileURL(join(folder, 'large')).href);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    expect(await closed).toEqual([0, null]);
    expect(await stderr).toBe('');
  });

  test('does not pass for done when nobody reads what sync tells, and stops', async () => {
    const source = join(folder, 'source');
    await mkdir(source);
    // All that it tells is more than the pipe and its reader hold: it cannot come to its end before that is closed.
    const names = Array.from({ length: 2000 }, (_, number) => `${number}-${'x'.repeat(200)}`);
    await Promise.all(names.map((name) => writeFile(join(source, name), '')));
    const [from, to] = [source, join(folder, 'target')].map((path) => pathToFileURL(path).href);
    const { child, closed, stderr } = start('sync', from!, to!);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    expect(await closed).toEqual([1, null]);
    expect(await stderr).toMatch(/^nestjs-storages: Nobody reads .*\n$/);
    expect((await readdir(join(folder, 'target'))).length).toBeLessThan(2000);
  });

  test('undoes on SIGINT what it has begun, and ends with 130', async () => {
    const target = join(folder, 'files');
    const { child, closed, stderr } = start('put', '-', pathToFileURL(join(target, 'one')).href);
    child.stdout.resume();
    // More than the pipe and the program's own buffers hold: once all is taken, the upload is under way.
    const taken = new Promise((resolve) => child.stdin.write(Buffer.alloc(4 * 1024 ** 2), resolve));
    await taken;
    child.kill('SIGINT');
    expect(await closed).toEqual([130, null]);
    expect(await stderr).toBe('');
    expect((await readdir(target)).filter((name) => !name.startsWith('.'))).toEqual([]);
  });

  test.each([
    ['can never end, which is no success', 'await new Promise(() => {});', 1, /^$/],
    ['keeps something open', 'setInterval(() => {}, 1000);', 0, /^one\n$/],
  ])('ends though the configuration %s', async (_what, statement, code, printed) => {
    await writeFile(join(folder, 'one'), 'x');
    const config = join(folder, 'storages.mjs');
    const files = JSON.stringify({ driver: 'local', root: folder });
    await writeFile(config, `${statement}\nexport default { files: ${files} };\n`);
    const { child, closed, stderr } = start('ls', 'files:on', '--config', config);
    const stdout = text(child.stdout);
    expect(await closed).toEqual([code, null]);
    expect(await stdout).toMatch(printed);
    expect(await stderr).toMatch(
      code === 0 ? /^$/ : /^nestjs-storages: Stopped before all was done/,
    );
  });

  test('ends at once on a second signal, whichever it is, though it is still undoing', async () => {
    await using server = await startS3Server();
    await using proxy = await startFaultProxy({ target: server.endpoint });
    proxy.fail({ method: 'DELETE', times: Infinity, with: 'stall' });
    const { accessKeyId, secretAccessKey } = server.credentials;
    const { region } = server;
    const s3 = { driver: 's3', bucket: 'bucket', forcePathStyle: true, region, accessKeyId };
    const config = join(folder, 'storages.json');
    const files = { ...s3, secretAccessKey, endpoint: proxy.endpoint };
    await writeFile(config, JSON.stringify({ files }));
    const { child, closed } = start('put', '-', 'files:one', '--config', config);
    child.stdout.resume();
    child.stdin.write(Buffer.alloc(20 * 1024 ** 2));
    await proxy.until(() => proxy.seen('PUT').length > 0);
    child.kill('SIGTERM');
    await proxy.until(() => proxy.seen('DELETE').length > 0);
    child.kill('SIGINT');
    expect(await closed).toEqual([null, 'SIGINT']);
  });

  test.each([
    ['under way', 'SIGINT', 130, 8],
    ['over', 'SIGTERM', 143, 0.5],
  ] as const)(
    'whose output nobody reads, with a run that is %s, ends on %s with %d',
    async (_state, signal, code, size) => {
      await writeFile(join(folder, 'large'), Buffer.alloc(size * 1024 ** 2));
      const { child } = start('cat', pathToFileURL(join(folder, 'large')).href);
      // The first chunk is more than the pipe and its reader hold. All of half a MiB is printed with it.
      await once(child.stdout, 'readable');
      const exited = once(child, 'exit');
      child.kill(signal);
      expect(await exited).toEqual([code, null]);
      child.stdout.destroy();
    },
  );
});
