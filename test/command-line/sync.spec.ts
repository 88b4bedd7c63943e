import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Storage } from '../../lib/core/storage.js';
import { createStorage } from '../../lib/drivers/open-storage.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { startAzurite } from '../drivers/azure/azurite.js';
import { command } from './command.js';

const FILES = 500;

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
  test('local → S3 → Azure → local, killed in each leg, ends identical and copies nothing twice', async () => {
    const s3 = await startS3Server({ defaultChecksum: 'none' });
    await using azurite = await startAzurite();
    const storages = {
      first: disk('first'),
      s3: {
        driver: 's3' as const,
        bucket: 'bucket',
        endpoint: s3.endpoint,
        region: s3.region,
        accessKeyId: s3.credentials.accessKeyId,
        secretAccessKey: s3.credentials.secretAccessKey,
        provider: 'aws' as const,
        forcePathStyle: true,
      },
      azure: {
        driver: 'azure' as const,
        container: 'container',
        connectionString: azurite.connectionString,
      },
      last: disk('last'),
    };
    const path = await config(storages);
    const azure = createStorage('azure', storages.azure);
    await azure.open();
    await azure.client.create();
    const first = createStorage('first', storages.first);
    await Promise.all(
      Array.from({ length: FILES }, (_, number) =>
        first.put(`${number % 7}/ü ${number}`, `text ${number}`, {
          metadata: { number: `n${number}` },
        }),
      ),
    );

    for (const [from, to] of [
      ['first:', 's3:'],
      ['s3:', 'azure:'],
      ['azure:', 'last:'],
    ] as const) {
      const argv = ['sync', from, to, '--json', '--config', path];
      argv.push('--journal', join(folder, `${to.slice(0, -1)}.journal`));
      const before = await copiedUntilKilled(FILES / 2, ...argv);
      expect(before.size).toBeGreaterThanOrEqual(FILES / 2);
      const { code, stdout } = await command(argv);
      const after = stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { key: string }).key);
      expect({ code, twice: after.filter((key) => before.has(key)) }).toEqual({
        code: 0,
        twice: [],
      });
      // A file may have been published, and its line not yet printed, when the kill came.
      expect(before.size + after.length).toBeGreaterThanOrEqual(FILES - 8);
      expect(before.size + after.length).toBeLessThanOrEqual(FILES);
    }
    const last = createStorage('last', storages.last);
    expect(await contents(last)).toEqual(await contents(first));
    await Promise.all([first, last, azure].map((storage) => storage.close()));
    await s3.close();
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
});
