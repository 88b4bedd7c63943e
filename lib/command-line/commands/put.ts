import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Command } from '../command.js';
import { printStored } from '../file-lines.js';
import { SHARED_OPTIONS, textOf } from '../option-values.js';
import { describeProgress } from '../progress-line.js';

export const put: Command = {
  promise: 'Stores a file of this machine, or the standard input (-): whole, or not at all.',
  synopsis: '<file|-> <address> [--content-type text/plain] [--create-only]',
  operands: [2, 2],
  options: {
    'content-type': SHARED_OPTIONS['content-type'],
    'create-only': { type: 'boolean', description: 'fail when there is a file under the key' },
  },
  async run(invocation) {
    const { open, operands, values, stdin, progress, signal } = invocation;
    const [source, address] = operands as [string, string];
    const { storage, path } = open(address, { as: 'target' });
    const contentType = textOf(values, 'content-type');
    // Only for the display: a file may grow while it is read.
    const total = source === '-' ? undefined : (await stat(source)).size || undefined;
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
