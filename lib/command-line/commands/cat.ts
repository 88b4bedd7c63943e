import { pipeline } from 'node:stream/promises';
import type { Command } from '../command.js';
import { textOf } from '../option-values.js';
import { assertFile } from '../place.js';
import { UsageError } from '../usage-error.js';

export const cat: Command = {
  summary: 'Writes a file to the standard output; --range first-last, counted from 0.',
  synopsis: '<address> [--range 0-99]',
  operands: [1, 1],
  onlyPrints: true,
  options: {
    range: {
      type: 'string',
      description: 'first and last byte, counted from 0, such as 0-99 or 100-',
    },
  },
  async run({ open, operands, values, stdout, signal }) {
    const range = parseRange(textOf(values, 'range'));
    const source = open(operands[0]!);
    assertFile(source, operands[0]!, 'cat');
    const { storage, path } = source;
    const download = await storage.get(path, { signal, ...(range && { range }) });
    await pipeline(download.stream, stdout, { end: false, signal });
    return true;
  },
};

function parseRange(value: string | undefined): { start: number; end?: number } | undefined {
  if (value === undefined) return undefined;
  const [, start, end] = /^(\d+)-(\d*)$/.exec(value) ?? [];
  if (start === undefined) throw new UsageError('--range must be first-last, such as 0-99 or 100-');
  return { start: Number(start), ...(end && { end: Number(end) }) };
}
