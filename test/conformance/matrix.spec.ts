import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { matrixTables } from './matrix.js';

const CONFIGURATION = JSON.stringify({ transform: {}, testRegex: 'spec\\.js$' });
const result = {
  storage: 'memory',
  run: 'one',
  group: 'put',
  kept: 3,
  refused: 0,
  broken: [],
  milliseconds: 1,
};

describe('the matrix', () => {
  test('counts what is had and what is refused, and marks what is broken', () => {
    const table = matrixTables([
      result,
      { ...result, group: 'URLs', kept: 2, refused: 4, milliseconds: 1200 },
      { ...result, storage: 's3', run: 'two', kept: 1, broken: ['stores', 'replaces'] },
    ]);
    expect(table.split('\n')).toEqual([
      '         memory           s3',
      '───────  ───────────────  ─────',
      'put      3/3              1/3 ✗',
      'URLs     6/6 (4 refused)  –',
      '───────  ───────────────  ─────',
      'all      9/9 (4 refused)  1/3 ✗',
      'seconds  1.2              0.0',
      '',
      '✗ s3 › put › stores',
      '✗ s3 › put › replaces',
    ]);
  });

  test('keeps the order of the kit, whichever storage comes first', () => {
    const groups = ['put', 'get', 'URLs', 'shutdown'];
    const results = [
      { ...result, storage: 'a view', run: 'two', group: 'put' },
      { ...result, storage: 'a view', run: 'two', group: 'URLs' },
      ...groups.map((group) => ({ ...result, group })),
    ];
    const rows = matrixTables(results).split('\n');
    expect(rows.slice(2, 6).map((row) => row.split(' ')[0])).toEqual(groups);
  });

  test('has a column for each run of a storage', () => {
    const results = ['one', 'two'].map((run) => ({ ...result, storage: 'gcs', run }));
    const [head, , row] = matrixTables(results).split('\n');
    expect(head!.trim()).toBe('gcs  gcs #2');
    expect(row).toBe('put      3/3  3/3');
  });

  test('goes on in further tables of at most 160 characters', () => {
    const storages = Array.from({ length: 25 }, (_, index) => `s3, as provider ${index + 1}`);
    const output = matrixTables(
      storages.map((storage) => ({ ...result, storage, run: storage, kept: 400, refused: 20 })),
    );
    const lines = output.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(160);
    expect(lines.filter((line) => line.startsWith('put')).length).toBeGreaterThan(1);
    expect(output.match(/s3, as provider \d+/g)).toEqual(storages);
  });

  test('is printed by the reporter at the end of a run, and only where the kit ran', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'matrix-'));
    try {
      const repository = join(import.meta.dirname, '../..');
      const reporter = join(import.meta.dirname, 'matrix-reporter.js');
      const withKit = `
        const { appendFileSync } = require('node:fs');
        const { join } = require('node:path');
        test('a behaviour', () => {
          const file = join(process.env.STORAGE_CONFORMANCE_RESULTS, 'worker.jsonl');
          appendFileSync(file, ${JSON.stringify(JSON.stringify(result))} + '\\n');
        });`;
      await writeFile(join(folder, 'package.json'), '{}');
      await writeFile(join(folder, 'with-kit.spec.js'), withKit);
      await writeFile(join(folder, 'without.spec.js'), `test('nothing', () => {});`);
      const run = async (file: string): Promise<string> => {
        const jest = join(repository, 'node_modules/jest/bin/jest.js');
        const options = ['--rootDir', folder, '--config', CONFIGURATION];
        const reporters = ['--reporters=default', `--reporters=${reporter}`];
        const child = spawn(process.execPath, [jest, file, ...options, ...reporters]);
        const [stderr] = await Promise.all([text(child.stderr), once(child, 'close')]);
        return stderr;
      };
      expect(await run('with-kit')).toContain('put      3/3\n');
      expect(await run('without')).not.toContain('──');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
