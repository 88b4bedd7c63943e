import type { Command } from '../command.js';
import { Journal } from '../journal.js';
import { concurrencyOf, SHARED_OPTIONS, textOf } from '../option-values.js';
import { folder } from '../place.js';
import { parseShare } from '../share.js';
import { sync as synchronise } from '../sync.js';
import { tally } from '../tally.js';

export const sync: Command = {
  promise: 'Makes the second storage hold what the first one holds.',
  synopsis: '<from> <to> [--dry-run] [--delete] [--journal file] [--prefix a/] [--worker 2/4]',
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
    worker: SHARED_OPTIONS.worker,
  },
  async run(invocation) {
    const { open, operands, values, signal } = invocation;
    const [fromAddress, toAddress] = operands as [string, string];
    const dryRun = values['dry-run'] === true;
    const prefix = textOf(values, 'prefix') ?? '';
    const worker = textOf(values, 'worker');
    const scope = { prefix, share: parseShare(worker), signal };
    const concurrency = concurrencyOf(values);
    const from = folder(open(fromAddress));
    const to = folder(open(toAddress, { as: dryRun ? 'imagined target' : 'target' }));
    const deletes = values['delete'] === true;
    const path = dryRun ? undefined : textOf(values, 'journal');
    const task = [
      fromAddress,
      toAddress,
      prefix,
      deletes,
      ...(worker === undefined ? [] : [worker]),
    ];
    const journal = path === undefined ? undefined : await Journal.open(path, JSON.stringify(task));
    let complete = false;
    try {
      const counted = { ...scope, startAfter: journal?.startAfter };
      const failed = await tally(invocation, from, counted, (report) =>
        synchronise(from, to, {
          ...scope,
          concurrency,
          dryRun,
          delete: deletes,
          checksum: values['checksum'] === true,
          journal,
          report,
        }),
      );
      complete = failed === 0;
    } finally {
      journal?.close(complete);
    }
    return complete;
  },
};
