import { parseMilliseconds } from '../../core/units.js';
import type { Command } from '../command.js';
import { printFailures } from '../file-lines.js';
import { SHARED_OPTIONS, textOf } from '../option-values.js';
import { UsageError } from '../usage-error.js';

export const sweep: Command = {
  summary: 'Removes uploads that were begun and never ended.',
  synopsis: '<address> [--older-than 1d] [--dry-run]',
  operands: [1, 1],
  options: {
    'older-than': { type: 'string', description: 'age, such as 12h (1d)' },
    'dry-run': SHARED_OPTIONS['dry-run'],
  },
  async run(invocation) {
    const { openFolder, operands, values, print, stderr, signal } = invocation;
    const age = textOf(values, 'older-than') ?? '1d';
    const olderThan = parseAge(age);
    const { storage } = openFolder(operands[0]!);
    const dryRun = values['dry-run'] === true;
    const swept = await storage.sweep({ olderThan, dryRun, signal });
    const action = dryRun ? 'would remove' : 'removed';
    for (const file of swept.staged) {
      await print({ action, ...file }, `${action} staged ${file.name}`);
    }
    for (const upload of swept.multipartUploads) {
      await print({ action, ...upload }, `${action} upload ${upload.key}`);
    }
    await printFailures(invocation, swept.failed);
    const { length: staged } = swept.staged;
    const { length: multipartUploads } = swept.multipartUploads;
    const { length: failed } = swept.failed;
    const removed = staged + multipartUploads;
    const text =
      removed + failed === 0
        ? `nothing to remove: no staged file or unfinished upload is older than ${age}`
        : `${removed} ${dryRun ? 'to remove' : 'removed'}, ${failed} failed`;
    // As the summary of a sync: in words, it is not for a program that reads the output.
    stderr.write(`${text}\n`);
    if (values['json']) await print({ summary: { staged, multipartUploads, failed } });
    return failed === 0;
  },
};

/** Milliseconds. @throws UsageError also for a number alone: of milliseconds it would take what is being written right now */
function parseAge(text: string): number {
  try {
    return parseMilliseconds(/[a-z]$/i.test(text) ? text : '', '--older-than', Infinity);
  } catch (cause) {
    throw new UsageError(
      `--older-than must be a time with its unit, such as 90m, 12h or 7d, not ${JSON.stringify(text)}`,
      { cause },
    );
  }
}
