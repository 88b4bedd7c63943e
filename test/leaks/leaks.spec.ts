import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const MiB = 1024 * 1024;
const here = (name: string): string => join(import.meta.dirname, name);

/** What the program prints. */
async function run(program: string, args: string[] = [], env = {}): Promise<unknown> {
  const register = pathToFileURL(here('register.js')).href;
  const child = spawn(
    process.execPath,
    ['--expose-gc', `--import=${register}`, here(program), ...args],
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
