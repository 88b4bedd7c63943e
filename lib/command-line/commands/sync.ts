import type { Command } from '../command.js';
import { Journal } from '../journal.js';
import { concurrencyOf, SHARED_OPTIONS, textOf } from '../option-values.js';
import { folder } from '../place.js';
import { sync as synchronise } from '../sync.js';
import { Tally } from '../tally.js';

export const sync: Command = {
  promise: 'Makes the second storage hold what the first one holds.',
  synopsis: '<from> <to> [--dry-run] [--delete] [--journal file] [--prefix a/]',
  operands: [2, 2],
  options: {
    'dry-run': SHARED_OPTIONS['dry-run'],
    delete: { type: 'boolean', description: 'also delete what the source does not have' },
    checksum: { type: 'boolean', description: 'compare checksums or bytes instead of times' },
    concurrency: SHARED_OPTIONS.concurrency,
    journal: {
      type: 'string',
      description: 'file that is written to, and gone on from after a kill',
    },
    prefix: SHARED_OPTIONS.prefix,
  },
  async run(invocation) {
    const { open, operands, values, signal } = invocation;
    const [fromAddress, toAddress] = operands as [string, string];
    const dryRun = values['dry-run'] === true;
    const prefix = textOf(values, 'prefix') ?? '';
    const concurrency = concurrencyOf(values);
    const from = folder(open(fromAddress));
    const to = folder(open(toAddress, { as: dryRun ? 'imagined target' : 'target' }));
    const deletes = values['delete'] === true;
    const path = dryRun ? undefined : textOf(values, 'journal');
    const task = JSON.stringify([fromAddress, toAddress, prefix, deletes]);
    const journal = path === undefined ? undefined : await Journal.open(path, task);
    const tally = new Tally(invocation);
    let complete = false;
    try {
      const failed = await synchronise(from, to, {
        prefix,
        concurrency,
        dryRun,
        delete: deletes,
        checksum: values['checksum'] === true,
        journal,
        signal,
        report: (event) => tally.add(event),
      });
      complete = failed === 0;
    } finally {
      journal?.close(complete);
    }
    tally.summary();
    return complete;
  },
};
