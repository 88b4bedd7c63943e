import type { Command } from '../command.js';
import { Journal } from '../journal.js';
import { isNested } from '../place-comparison.js';
import { keyOfFile, locationOf } from '../location.js';
import { concurrencyOf, SHARED_OPTIONS, textOf } from '../option-values.js';
import { parseShare } from '../share.js';
import { hasFiles, sync as synchronise } from '../sync.js';
import { tally } from '../tally.js';
import { UsageError } from '../usage-error.js';

export const sync: Command = {
  summary: 'Makes the second storage hold what the first one holds.',
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
    const { openFolder, operands, values, signal } = invocation;
    const [fromAddress, toAddress] = operands as [string, string];
    const dryRun = values['dry-run'] === true;
    const prefix = textOf(values, 'prefix') ?? '';
    const worker = textOf(values, 'worker');
    const scope = { prefix, share: parseShare(worker), signal };
    const concurrency = concurrencyOf(values);
    const deletes = values['delete'] === true;
    const comparesBytes = values['checksum'] === true;
    const source = openFolder(fromAddress);
    const target = openFolder(toAddress, dryRun ? 'imagined target' : 'target');
    const [from, to] = [source.storage, target.storage];
    if (await isNested(source, target, { prefix, mayWrite: !dryRun, signal })) {
      throw new UsageError(
        'sync: one of the addresses leads to the other or into it, which would never end',
      );
    }
    const journalPath = textOf(values, 'journal');
    const ignored = new Set(
      journalPath === undefined
        ? []
        : [keyOfFile(journalPath, source), keyOfFile(journalPath, target)],
    );
    if (
      deletes &&
      !(await hasFiles(from, scope, ignored)) &&
      (await hasFiles(to, scope, ignored))
    ) {
      throw new UsageError(
        'sync --delete: there is no file at the first address, so all at the second one would be deleted; rm --recursive does that',
      );
    }
    // A source that is not there fails before anything is made for its files.
    await from.listPage({ prefix, limit: 1, signal });
    const task = [
      locationOf(source),
      locationOf(target),
      prefix,
      deletes,
      comparesBytes,
      ...(worker === undefined ? [] : [worker]),
    ];
    const writesJournal = journalPath !== undefined && !dryRun;
    const journal = writesJournal
      ? await Journal.open(journalPath, JSON.stringify(task))
      : undefined;
    if (journal?.isResumed) {
      invocation.stderr.write(`goes on where it was: ${journal.doneBefore} done before\n`);
    }
    let complete = false;
    try {
      const { startAfter, doneBefore } = journal ?? {};
      const counted = { ...scope, startAfter, doneBefore };
      const failed = await tally(
        invocation,
        from,
        counted,
        dryRun ? 'to copy' : 'copied',
        (report) =>
          synchronise(from, to, {
            ...scope,
            concurrency,
            dryRun,
            delete: deletes,
            checksum: comparesBytes,
            journal,
            ignored,
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
