import { randomUUID } from 'node:crypto';
import { createWriteStream, existsSync, type Stats } from 'node:fs';
import { chmod, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from '../command.js';
import { printStored } from '../file-lines.js';
import { assertFile } from '../place.js';
import { describeProgress } from '../progress-line.js';
import { UsageError } from '../usage-error.js';

export const get: Command = {
  promise: 'Writes a file to this machine: whole, or not at all.',
  synopsis: '<address> <file>',
  operands: [2, 2],
  async run(invocation) {
    const { open, operands, progress, signal } = invocation;
    const [address, target] = operands as [string, string];
    if (target === '-')
      throw new UsageError('get writes a file: for the standard output, take cat');
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
    // By way of a file beside it, so that whoever reads the file never sees half of it; under a name that nobody else has: not
    // another run, and not one that was killed.
    // The file behind a link, so that the link stays.
    const file = there ? await realpath(target) : target;
    // Not all of a long name: a file system takes 255 bytes, of which a UTF-16 code unit is up to three.
    const part = join(dirname(file), `${basename(file).slice(0, 60)}.${randomUUID()}.part`);
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
