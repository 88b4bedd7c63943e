import type { Command } from '../command.js';
import { assertFile } from '../place.js';

export const stat: Command = {
  summary: 'Shows what a file is stored with.',
  synopsis: '<address>',
  operands: [1, 1],
  onlyPrints: true,
  async run({ open, operands, print, signal }) {
    const source = open(operands[0]!);
    assertFile(source, operands[0]!, 'stat');
    const { storage, path } = source;
    const file = await storage.info(path, { signal });
    await print(file, ...JSON.stringify(file, null, 2).split('\n'));
    return true;
  },
};
