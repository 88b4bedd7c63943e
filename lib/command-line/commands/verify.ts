import type { Command } from '../command.js';
import { concurrencyOf, SHARED_OPTIONS, textOf } from '../option-values.js';
import { folder } from '../place.js';
import { type SyncEvent, verify as compare, verifyChecksums } from '../sync.js';
import { Tally } from '../tally.js';

export const verify: Command = {
  promise: 'Reads all files of two storages, and tells which differ; of one, by their checksums.',
  synopsis: '<from> [<to>] [--prefix a/]',
  operands: [1, 2],
  options: { concurrency: SHARED_OPTIONS.concurrency, prefix: SHARED_OPTIONS.prefix },
  async run(invocation) {
    const { open, operands, values, signal } = invocation;
    const from = folder(open(operands[0]!));
    const to = operands[1] === undefined ? undefined : folder(open(operands[1]));
    const tally = new Tally(invocation);
    const options = {
      prefix: textOf(values, 'prefix') ?? '',
      concurrency: concurrencyOf(values),
      signal,
      report: (event: SyncEvent) => tally.add(event),
    };
    const different = await (to ? compare(from, to, options) : verifyChecksums(from, options));
    tally.summary();
    return different === 0;
  },
};
