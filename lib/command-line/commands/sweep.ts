import { parseMilliseconds } from '../../core/units.js';
import type { Command } from '../command.js';
import { printFailures } from '../file-lines.js';
import { SHARED_OPTIONS, textOf } from '../option-values.js';

export const sweep: Command = {
  promise: 'Removes uploads that were begun and never ended.',
  synopsis: '<address> [--older-than 1d] [--dry-run]',
  operands: [1, 1],
  options: {
    'older-than': { type: 'string', description: 'age, such as 12h (1d)' },
    'dry-run': SHARED_OPTIONS['dry-run'],
  },
  async run(invocation) {
    const { openFolder, operands, values, print, signal } = invocation;
    const olderThan = parseMilliseconds(
      textOf(values, 'older-than') ?? '1d',
      '--older-than',
      Infinity,
    );
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
    return swept.failed.length === 0;
  },
};
