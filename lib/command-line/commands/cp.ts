import type { Command } from '../command.js';
import { isSameStorage } from '../place-comparison.js';
import { printStored } from '../file-lines.js';
import { assertFile } from '../place.js';
import { transfer } from '../transfer.js';

export const cp: Command = {
  summary: 'Copies one file, with its metadata, inside a storage or to another one.',
  synopsis: '<from> <to>',
  operands: [2, 2],
  async run(invocation) {
    const { open, operands, signal } = invocation;
    const from = open(operands[0]!);
    const to = open(operands[1]!, 'target');
    assertFile(from, operands[0]!, 'cp');
    assertFile(to, operands[1]!, 'cp');
    const file = isSameStorage(from, to)
      ? await from.storage.copy(from.path, to.path, { signal })
      : (await transfer(from.storage, from.path, to.storage, to.path, { signal })).target;
    await printStored(invocation, file);
    return true;
  },
};
