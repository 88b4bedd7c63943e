import { randomUUID } from 'node:crypto';
import { createWriteStream, existsSync, type Stats } from 'node:fs';
import { chmod, lstat, readdir, realpath, rename, rm, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from '../command.js';
import { printStored } from '../file-lines.js';
import { assertFile } from '../place.js';
import { describeProgress } from '../progress-line.js';
import { UsageError } from '../usage-error.js';

/** Milliseconds without a byte, after which no run is taken to be still writing: as for what processes leave in a local storage. */
const UNTOUCHED = 24 * 60 * 60 * 1000;
const END_OF_PART = /^\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part$/;

export const get: Command = {
  summary: 'Writes a file to this machine: whole, or not at all.',
  synopsis: '<address> <file>',
  operands: [2, 2],
  async run(invocation) {
    const { open, operands, progress, signal } = invocation;
    const [address, target] = operands as [string, string];
    if (target === '-') {
      throw new UsageError('get writes a file: for the standard output, take cat');
    }
    const there = await statOf(target);
    if (there?.isDirectory()) {
      throw new UsageError(
        `get writes one file, and ${target} is a folder: add the name of the file`,
      );
    }
    if (there && !there.isFile()) {
      throw new UsageError(
        `get writes a file, and ${target} is a device, a pipe or a socket: take cat, and redirect its output`,
      );
    }
    if (!existsSync(dirname(target))) {
      throw new UsageError(
        `get writes to a folder that is there, and ${dirname(target)} is not: create it first`,
      );
    }
    const source = open(address);
    assertFile(source, address, 'get');
    const { storage, path } = source;
    const download = await storage.get(path, {
      signal,
      onProgress: (info) => progress.show(() => describeProgress(info)),
    });
    // The file behind a link, so that the link stays.
    const file = there ? await realpath(target) : target;
    await removeAbandonedParts(file);
    // By way of a file beside it, so that whoever reads the file never sees half of it; under a name that nobody else has: not
    // another run, and not one that was killed.
    const part = join(dirname(file), `${beginningOf(file)}.${randomUUID()}.part`);
    try {
      await pipeline(
        download.stream,
        createWriteStream(part, { flags: 'wx', mode: there ? 0o600 : 0o666 }),
        { signal },
      );
      if (there) await chmod(part, there.mode & 0o777);
      await rename(part, file);
    } finally {
      await rm(part, { force: true });
    }
    await printStored(invocation, download.file, target);
    return true;
  },
};

async function statOf(target: string): Promise<Stats | undefined> {
  try {
    return await stat(target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Not all of a long name: a file system takes 255 bytes, of which a character is up to four. */
function beginningOf(file: string): string {
  return Array.from(basename(file)).slice(0, 50).join('');
}

/** Removes what runs have left that were killed while they wrote the same file. Best effort: it is not what was asked for. */
async function removeAbandonedParts(file: string): Promise<void> {
  const name = beginningOf(file);
  const names = await readdir(dirname(file)).catch(() => []);
  for (const other of names) {
    if (!other.startsWith(name) || !END_OF_PART.test(other.slice(name.length))) continue;
    const part = join(dirname(file), other);
    const there = await lstat(part).catch(() => undefined);
    const isAbandoned = there?.isFile() && Date.now() - there.mtimeMs > UNTOUCHED;
    if (isAbandoned) await unlink(part).catch(() => {});
  }
}
