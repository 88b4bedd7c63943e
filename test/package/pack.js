import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { npm } from './npm.js';

const run = promisify(execFile);

/** Builds and packs as `npm publish` does. Resolves to the tarball's path, in the folder. */
export async function pack(repository, folder) {
  await run(...npm('pack', '--loglevel=error', '--pack-destination', folder), { cwd: repository });
  const name = (await readdir(folder)).find((each) => each.endsWith('.tgz'));
  return join(folder, name);
}
