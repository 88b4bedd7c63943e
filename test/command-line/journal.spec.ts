import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { Journal } from '../../lib/command-line/journal.js';
import { sync, type SyncEvent } from '../../lib/command-line/sync.js';
import { StoragePermissionError } from '../../lib/core/errors.js';
import { createStorage } from '../../lib/drivers/open-storage.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { command } from './command.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command-line-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (name: string): string => pathToFileURL(join(folder, name)).href;

describe('a journal', () => {
  test('that a kill has cut short anywhere is gone on with, by the lines that are whole', async () => {
    const path = join(folder, 'journal');
    const task = JSON.stringify([{ root: '/ü' }]);
    const first = await Journal.open(path, task);
    first.fail('a/ü');
    first.done('b', 1);
    first.add('c', '"etag"');
    first.close(false);
    const whole = readFileSync(path);
    const lines = whole.toString().split('\n');
    for (let length = 0; length <= whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      const cut = await Journal.open(path, task);
      // The line is whole with its last brace, also where the break behind it was not written.
      const isWhole = (line: number): boolean =>
        length >= Buffer.byteLength(lines.slice(0, line + 1).join('\n'));
      expect({
        length,
        startAfter: cut.startAfter,
        failed: [...cut.failed],
        hasC: cut.has('c', '"etag"'),
      }).toEqual({
        length,
        startAfter: isWhole(2) ? 'b' : undefined,
        failed: isWhole(2) ? ['a/ü'] : [],
        hasC: isWhole(3),
      });
      cut.add('d', '"d"');
      cut.close(false);
      const again = await Journal.open(path, task);
      expect(again.has('d', '"d"')).toBe(true);
      again.close(false);
    }
  });

  test('keeps a failure whose name has what ends a line elsewhere', async () => {
    const path = join(folder, 'journal');
    const names = ['a\u2028b', 'a\u2029b', 'a\u0085b', 'a\rb', 'a\nb', 'a\tb'];
    const first = await Journal.open(path, 'task');
    for (const name of names) first.fail(name);
    first.done('z', 0);
    first.close(false);
    // Which of them end a line depends on the version of Node.js.
    expect(readFileSync(path, 'utf8')).not.toMatch(/[\u2028\u2029\u0085\r]/);
    const again = await Journal.open(path, 'task');
    expect([...again.failed]).toEqual(names);
    again.close(false);
  });

  test.each([
    ['in a folder that is not there', 'nowhere/journal', 'ENOENT'],
    ['below a file', 'file/journal', 'ENOTDIR'],
  ])('%s is refused before anything is done', async (_where, name, code) => {
    await mkdir(join(folder, 'from'));
    await writeFile(join(folder, 'from', 'a'), 'x');
    await writeFile(join(folder, 'file'), '');
    const journal = join(folder, name);
    const ended = await command(['sync', at('from/'), at('to/'), '--journal', journal]);
    expect(ended.stderr).toMatch(
      new RegExp(
        `^nestjs-storages: The journal ${journal} cannot be read and written: ${code}.*\\n$`,
      ),
    );
    expect(ended.stderr).toContain('take another --journal');
    expect(ended.code).toBe(2);
    expect((await readdir(folder)).sort()).toEqual(['file', 'from']);
  });

  test('that cannot grow ends the run, which goes on with it when it can', async () => {
    const from = join(folder, 'from');
    await mkdir(from);
    const names = Array.from({ length: 60 }, (_, number) => `${100 + number}-${'x'.repeat(80)}`);
    await Promise.all(names.map((name) => writeFile(join(from, name), 'x')));
    const journal = join(folder, 'journal');
    const argv = ['sync', at('from/'), at('to/'), '--journal', journal];
    const loader = new URL('../leaks/register.js', import.meta.url).href;
    // No file of the process may be larger than 1 KiB, or half of it by some shells: like a full disk, for the journal alone.
    const limited = ['-c', 'ulimit -f 1; exec "$@"', 'sh', process.execPath, '--import', loader];
    const child = spawn('sh', [...limited, 'lib/command-line/main.ts', ...argv]);
    child.stdout.resume();
    const stderr = text(child.stderr);
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(await stderr).toMatch(
      /^nestjs-storages: The journal \S+ cannot be written: EFBIG.* When there is room, the same command goes on with it\n$/,
    );
    const copied = readdirSync(join(folder, 'to')).filter((name) => !name.startsWith('.'));
    expect(copied.length).toBeLessThan(names.length);

    const resumed = await command(argv);
    expect(resumed).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('goes on where it was'),
    });
    expect((await readdir(join(folder, 'to'))).filter((name) => !name.startsWith('.'))).toEqual(
      names,
    );
    expect(existsSync(journal)).toBe(false);
  });

  test('of a file that cannot be looked at has it fail in each run, and the others go on', async () => {
    let refused = 'a';
    const { driver } = await recordingDriver((memory) => {
      const assertAllowed = (key: string): void => {
        if (key === refused) throw new StoragePermissionError();
      };
      return {
        get: async (key, options) => (assertAllowed(key), memory.get(key, options)),
        info: async (key, options) => (assertAllowed(key), memory.info(key, options)),
      };
    });
    await using from = createStorage('from', { driver });
    await using to = createStorage('to', { driver: 'memory' });
    const names = Array.from({ length: 110 }, (_, number) => `b${100 + number}`);
    for (const key of ['a', ...names]) await from.put(key, 'x');
    const path = join(folder, 'journal');
    // A name that is no key, as S3 lists one, is refused before any storage is asked.
    const noKey = await Journal.open(path, 'task');
    noKey.fail('A/');
    noKey.done('B', 0);
    noKey.close(false);
    const run = async (): Promise<string[]> => {
      const journal = await Journal.open(path, 'task');
      const events: string[] = [];
      const failed = await sync(from, to, {
        prefix: '',
        concurrency: 4,
        dryRun: false,
        delete: true,
        checksum: false,
        signal: new AbortController().signal,
        journal,
        report: async ({ action, key }: SyncEvent) => void events.push(`${action} ${key}`),
      }).finally(() => journal.close(false));
      expect(events.filter((event) => event.startsWith('failed'))).toHaveLength(failed);
      return events.sort();
    };
    expect(await run()).toEqual([...names.map((key) => `copy ${key}`), 'failed A/', 'failed a']);
    await from.put('c', 'new');
    const same = names.filter((_, number) => number >= 99).map((key) => `same ${key}`);
    expect(await run()).toEqual(['copy c', 'failed A/', 'failed a', ...same]);
    refused = '';
    await to.put('a', 'X');
    expect(await run()).toContain('copy a');
    await from.delete('a');
    await to.delete('a');
    expect(await run()).not.toContain('delete a');
  });
});
