import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const MiB = 1024 * 1024;
const here = (name: string): string => join(import.meta.dirname, name);

/** What the program prints. @param flags for Node */
async function run(
  program: string,
  args: string[] = [],
  env = {},
  flags: string[] = [],
): Promise<unknown> {
  const register = pathToFileURL(here('register.js')).href;
  const child = spawn(
    process.execPath,
    ['--expose-gc', ...flags, `--import=${register}`, here(program), ...args],
    { env: { ...process.env, ...env } },
  );
  const [output, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  expect({ code: child.exitCode, errors }).toMatchObject({ code: 0 });
  return JSON.parse(output);
}

test('a body that nobody can read any more is freed, and told of once', async () => {
  expect(await run('drop-body.ts')).toEqual([expect.stringContaining('the storage "dropped"')]);
});

test.each([
  ['Express', '12'],
  ['Fastify', '12'],
  ['Express', '11'],
  ['Fastify', '11'],
])(
  'five hundred uploads that break off leave memory, descriptors and storage as they were: %s, Nest %s',
  async (adapter, nest) => {
    const result = await run('abort-uploads.ts', [adapter], { NEST: nest });
    const { heap, descriptors, left, begun } = result as Record<string, number>;
    expect(begun).toBeGreaterThan(100);
    expect(left).toBe(0);
    expect(descriptors).toBeLessThanOrEqual(1);
    // 10 KiB for each would be a leak; a single buffer of each file would be 35 times that.
    expect(heap! / MiB).toBeLessThan(5);
  },
);

test('chunks pass a storage without a copy, those of a download without any memory', async () => {
  // Large enough for all that is left over, so that nothing is collected meanwhile.
  const flags = ['--min-semi-space-size=512', '--max-semi-space-size=512'];
  const { get, put } = (await run('chunk-memory.ts', [], {}, flags)) as Record<string, number>;
  // Bytes of each of twenty thousand chunks of 64 KiB; a single object for each would be more.
  expect(get).toBeLessThan(100);
  // What it takes to iterate asynchronously, and to race the source with an abort.
  expect(put).toBeLessThan(2048);
});
