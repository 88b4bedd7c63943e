import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openStorage } from '../../lib/drivers/open-storage.js';
import type { Program } from './programs.js';
import type { Finding } from './run.js';

const DURATION = 5000;

/** Another process swaps a folder for a link that leads outside, between every two steps of every call. */
export async function swaps(swapper: Program): Promise<Finding> {
  const above = await mkdtemp(join(tmpdir(), 'crash-swaps-'));
  const [root, outside] = [join(above, 'root'), join(above, 'outside')];
  await mkdir(join(root, 'folder'), { recursive: true });
  await mkdir(outside);
  await writeFile(join(outside, 'canary'), 'outside');
  await writeFile(join(root, 'folder/canary'), 'inside');
  const storage = await openStorage('files', { driver: 'local', root, durability: 'none' });
  const child = swapper.start(root, outside);
  let swapped = 0;
  createInterface(child.stdout!).on('line', (line) => (swapped = Number(line)));
  const problems: string[] = [];
  const succeeded: Record<string, number> = {};
  const attempt = async (name: string, call: () => Promise<unknown>): Promise<void> => {
    try {
      await call();
      succeeded[name] = (succeeded[name] ?? 0) + 1;
    } catch (error) {
      if (!('code' in (error as object))) problems.push(`${name}: ${String(error)}`);
    }
  };
  const seen = (bytes: Uint8Array): void => {
    if (Buffer.from(bytes).toString() === 'outside') problems.push('the canary was read');
  };
  const metadata = { a: 'b' };
  const end = performance.now() + DURATION;
  while (performance.now() < end) {
    await attempt('get', async () => seen(await storage.getBytes('folder/canary')));
    await attempt('put', () => storage.put('folder/canary', 'inside', { metadata }));
    await attempt('create', () => storage.put('folder/new', 'new', { ifNoneMatch: '*' }));
    await attempt('copy out', async () => {
      await storage.copy('folder/canary', 'copy');
      seen(await storage.getBytes('copy'));
    });
    await attempt('copy in', () => storage.copy('copy', 'folder/copied'));
    await attempt('move', () => storage.move('folder/copied', 'folder/moved'));
    await attempt('delete', () => storage.deleteMany(['folder/new', 'folder/moved']));
    await attempt('list', () => storage.listPage({ prefix: 'folder/' }));
  }
  if (child.exitCode !== null) problems.push('the swapping ended by itself');
  else {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  await storage.close();
  const names = await readdir(outside);
  if (names.join() !== 'canary') problems.push(`written outside: ${names.join(' ')}`);
  const canary = await readFile(join(outside, 'canary'), 'utf8').catch(() => 'nothing');
  if (canary !== 'outside') problems.push(`the canary is ${canary}`);
  if (swapped === 0) problems.push('nothing was swapped');
  await rm(above, { recursive: true, force: true });
  const calls = Object.entries(succeeded).map(([name, count]) => `${count} ${name}`);
  return { figures: `${swapped} swaps during ${calls.join(', ')}`, problems };
}
