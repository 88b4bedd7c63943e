import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Compares the tarball's files with those that the sources call for. */
export async function packageFiles(tarball, repository) {
  // By its name alone: some tars take what is before a colon, as in C:, for a host.
  const { stdout } = await run('tar', ['-tzf', basename(tarball)], { cwd: dirname(tarball) });
  const packed = new Set(stdout.trim().split(/\r?\n/));
  assert.deepEqual(packed, new Set(await expectedFiles(repository)));
}

async function expectedFiles(repository) {
  const lib = join(repository, 'lib');
  const entries = await readdir(lib, { recursive: true, withFileTypes: true });
  const modules = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(lib, join(entry.parentPath, entry.name)))
    .map((path) => path.replaceAll(sep, '/').replace(/\.ts$/, ''));
  return [
    'package/LICENSE',
    'package/README.md',
    'package/package.json',
    'package/dist/cjs/package.json',
    ...['dist', 'dist/cjs'].flatMap((folder) =>
      modules.flatMap((module) => [
        `package/${folder}/${module}.js`,
        `package/${folder}/${module}.d.ts`,
      ]),
    ),
  ];
}
