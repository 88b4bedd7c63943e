import { link, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';

type Call = (...args: unknown[]) => void;

// Imported, its names would be taken as they are now.
const fs = process.getBuiltinModule('node:fs');
const real = fs as unknown as Record<string, Call>;
const CALLS = ['link', 'lstat', 'open', 'rename', 'stat', 'unlink'];
const restored = Object.fromEntries(CALLS.map((name) => [name, real[name]!]));

/** The path under which a file is there whose name differs only in case, if there is one. */
function spelled(path: string): string {
  if (fs.existsSync(path) || !fs.existsSync(dirname(path))) return path;
  const name = basename(path).toLowerCase();
  const there = fs.readdirSync(dirname(path)).find((each) => each.toLowerCase() === name);
  return there === undefined ? path : join(dirname(path), there);
}

for (const name of CALLS) {
  real[name] = (...args) => {
    const paths = args.filter((arg) => typeof arg === 'string').map(spelled);
    const [from, to] = paths;
    // Another spelling of its own name is what the file gets.
    if (name === 'rename' && from === to) paths[1] = args[1] as string;
    restored[name]!(...paths, ...args.slice(paths.length));
  };
}
// The driver takes the calls as they are when it is loaded.
const { cleanUp, listAll, openAs, put, signal, temporaryFolder, text } =
  await import('./local-fixture.js');

describe('a local storage on a file system that ignores case', () => {
  let root: string;
  let driver: StorageDriver;

  beforeEach(async () => {
    root = await temporaryFolder();
    driver = await openAs('darwin', { root });
  });
  afterEach(cleanUp);
  afterAll(() => {
    Object.assign(fs, restored);
  });

  it('has one file under two spellings', async () => {
    await put(driver, 'a.txt', 'first');
    await put(driver, 'A.txt', 'second');
    expect(await text(driver, 'a.txt')).toBe('second');
    expect(await listAll(driver)).toHaveLength(1);
  });

  it('keeps a file that is moved to another spelling of its name', async () => {
    await put(driver, 'a.txt', 'kept', { metadata: { a: 'b' } });
    await driver.copy('a.txt', 'A.txt', { signal, move: true });
    expect(await text(driver, 'A.txt')).toBe('kept');
    expect((await driver.info('A.txt', { signal })).metadata).toEqual({ a: 'b' });
    expect(await listAll(driver)).toEqual(['A.txt']);
  });

  it('leaves one name of a file that is moved onto another name of it', async () => {
    await put(driver, 'a.txt', 'kept');
    await link(join(root, 'a.txt'), join(root, 'b.txt'));
    await driver.copy('a.txt', 'b.txt', { signal, move: true });
    expect(await readdir(root)).not.toContain('a.txt');
    expect(await text(driver, 'b.txt')).toBe('kept');
  });
});
