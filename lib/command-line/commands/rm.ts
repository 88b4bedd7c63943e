import { parse, resolve } from 'node:path';
import { StoragePermissionError } from '../../core/errors.js';
import type { Storage } from '../../core/storage.js';
import type { Command } from '../command.js';
import { printFailures } from '../file-lines.js';
import { SHARED_OPTIONS } from '../option-values.js';
import { UsageError } from '../usage-error.js';

export const rm: Command = {
  summary: 'Deletes a file; with --recursive, every file whose key starts with the prefix.',
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
      const isThere = await mayBeThere(storage, path, signal);
      await storage.delete(path, { signal });
      await print({ deleted: isThere ? 1 : 0 }, isThere ? path : `${path}: not there`);
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

/** False only where it is known: who may delete may not be allowed to look. */
async function mayBeThere(storage: Storage, key: string, signal: AbortSignal): Promise<boolean> {
  try {
    return await storage.exists(key, { signal });
  } catch (error) {
    if (error instanceof StoragePermissionError) return true;
    throw error;
  }
}

/** What is left of an address when the variable in it is not set. */
function isFileSystem(root: string): boolean {
  return resolve(root) === parse(resolve(root)).root;
}
