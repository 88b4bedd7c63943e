import { parse, resolve } from 'node:path';
import type { Command } from '../command.js';
import { printFailures } from '../file-lines.js';
import { SHARED_OPTIONS } from '../option-values.js';
import { UsageError } from '../usage-error.js';

export const rm: Command = {
  promise: 'Deletes a file; with --recursive, every file whose key starts with the prefix.',
  synopsis: '<address> [--recursive]',
  operands: [1, 1],
  options: { recursive: SHARED_OPTIONS.recursive },
  async run(invocation) {
    const { open, operands, values, print, signal } = invocation;
    const isFolder = values['recursive'] === true;
    const { storage, configuration, path } = open(operands[0]!, 'source', { isFolder });
    if (!isFolder) {
      if (path === '' || path.endsWith('/')) {
        throw new UsageError('rm of a folder or a whole storage needs --recursive');
      }
      await storage.delete(path, { signal });
      await print({ deleted: 1 }, path);
      return true;
    }
    if (configuration.driver === 'local' && path === '' && isFileSystem(configuration.root)) {
      throw new UsageError('rm does not delete all files of a machine');
    }
    const { deleted, failed } = await storage.deletePrefix(path, { all: path === '', signal });
    await printFailures(invocation, failed);
    await print(
      { summary: { deleted, failed: failed.length } },
      `${deleted} deleted, ${failed.length} failed`,
    );
    return failed.length === 0;
  },
};

/** What is left of an address when the variable in it is not set. */
function isFileSystem(root: string): boolean {
  return resolve(root) === parse(resolve(root)).root;
}
