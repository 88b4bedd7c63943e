import { createReadStream, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Command } from '../command.js';
import { printStored } from '../file-lines.js';
import { SHARED_OPTIONS, textOf } from '../option-values.js';
import { assertFile } from '../place.js';
import { describeProgress } from '../progress-line.js';
import { UsageError } from '../usage-error.js';

export const put: Command = {
  summary: 'Stores a file of this machine, or the standard input (-): whole, or not at all.',
  synopsis: '<file|-> <address> [--content-type text/plain] [--create-only]',
  operands: [2, 2],
  options: {
    'content-type': SHARED_OPTIONS['content-type'],
    'create-only': { type: 'boolean', description: 'fail when there is a file under the key' },
  },
  async run(invocation) {
    const { open, operands, values, stdin, progress, signal } = invocation;
    const [source, address] = operands as [string, string];
    const contentType = textOf(values, 'content-type');
    const found = source === '-' ? undefined : await statOf(source);
    if (found?.isDirectory()) {
      throw new UsageError(`put stores one file, and ${source} is a folder: take sync`);
    }
    // Only for the display: a file may grow while it is read.
    const total = found?.size || undefined;
    const place = open(address, 'target');
    assertFile(place, address, 'put');
    const { storage, path } = place;
    const body = source === '-' ? stdin : createReadStream(source);
    const file = await storage.put(path, body, {
      signal,
      onProgress: (info) => progress.show(() => describeProgress(info, total)),
      ...(contentType !== undefined && { contentType }),
      ...(values['create-only'] === true && { ifNoneMatch: '*' }),
    });
    await printStored(invocation, file);
    return true;
  },
};

async function statOf(source: string): Promise<Stats> {
  try {
    return await stat(source);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error(`There is no file ${source} on this machine`, { cause: error });
  }
}
