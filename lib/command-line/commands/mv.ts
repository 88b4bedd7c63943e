import type { Command } from '../command.js';
import { isInside, isSamePlace } from '../common-place.js';
import { printStored } from '../file-lines.js';
import { assertFile } from '../place.js';
import { transfer } from '../transfer.js';
import { UsageError } from '../usage-error.js';

export const mv: Command = {
  promise: 'Moves one file: the source goes when the copy is confirmed.',
  synopsis: '<from> <to>',
  operands: [2, 2],
  async run(invocation) {
    const { open, operands, signal } = invocation;
    const from = open(operands[0]!);
    const to = open(operands[1]!, 'target');
    assertFile(from, operands[0]!, 'mv');
    assertFile(to, operands[1]!, 'mv');
    if (isInside(from, to)) {
      const file = await from.storage.move(from.path, to.path, { signal });
      await printStored(invocation, file);
      return true;
    }
    if (await isSamePlace(from, to, signal)) {
      throw new UsageError('mv: both addresses lead to the same file, which stays as it is');
    }
    const { target: file } = await transfer(from.storage, from.path, to.storage, to.path, {
      signal,
    });
    await from.storage.delete(from.path, { signal });
    await printStored(invocation, file);
    return true;
  },
};
