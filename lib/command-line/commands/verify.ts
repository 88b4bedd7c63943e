import type { Command } from '../command.js';
import { concurrencyOf, SHARED_OPTIONS, textOf } from '../option-values.js';
import { parseShare } from '../share.js';
import { verify as compare, verifyChecksums } from '../sync.js';
import { tally } from '../tally.js';

export const verify: Command = {
  summary: 'Reads all files of two storages, and tells which differ; of one, by their checksums.',
  synopsis: '<from> [<to>] [--prefix a/] [--worker 2/4]',
  operands: [1, 2],
  options: {
    concurrency: SHARED_OPTIONS.concurrency,
    prefix: SHARED_OPTIONS.prefix,
    worker: SHARED_OPTIONS.worker,
  },
  async run(invocation) {
    const { openFolder, operands, values, signal } = invocation;
    const { storage: from } = openFolder(operands[0]!);
    const to = operands[1] === undefined ? undefined : openFolder(operands[1]).storage;
    const concurrency = concurrencyOf(values);
    const prefix = textOf(values, 'prefix') ?? '';
    const scope = { prefix, share: parseShare(textOf(values, 'worker')), signal };
    let hasChecksums = false;
    const different = await tally(invocation, from, scope, 'compared', (report) => {
      const options = { ...scope, concurrency, report };
      if (to) return compare(from, to, options);
      return verifyChecksums(from, {
        ...options,
        report: (event) => {
          hasChecksums ||= event.action === 'same' || event.action === 'different';
          return report(event);
        },
      });
    });
    if (!to && different > 0 && !hasChecksums) {
      invocation.stderr.write(
        'no file has a checksum: a storage with the option checksum keeps one of each that is stored from then on\n',
      );
    }
    return different === 0;
  },
};
