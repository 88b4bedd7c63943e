import type { Command } from '../command.js';
import { SHARED_OPTIONS } from '../option-values.js';
import { printable } from '../printable.js';

export const ls: Command = {
  summary: 'Lists the files whose key starts with the prefix; without -r, like a folder.',
  synopsis: '<address> [-l] [-r]',
  operands: [1, 1],
  onlyPrints: true,
  options: {
    long: { type: 'boolean', short: 'l', description: 'with size in bytes and time' },
    recursive: SHARED_OPTIONS.recursive,
  },
  async run({ open, operands, values, print, stderr, signal }) {
    const { storage, path } = open(operands[0]!);
    let isEmpty = true;
    const show = async (file: {
      key: string;
      size: number;
      lastModified?: Date;
    }): Promise<void> => {
      isEmpty = false;
      const time = file.lastModified?.toISOString() ?? '-';
      await print(file, values['long'] ? `${file.size}\t${time}\t${file.key}` : file.key);
    };
    if (values['recursive']) {
      for await (const file of storage.list(path, { signal })) {
        await show(file);
        signal.throwIfAborted();
      }
    } else {
      let cursor: string | undefined;
      do {
        const page = await storage.listPage({
          prefix: path,
          delimiter: '/',
          signal,
          ...(cursor !== undefined && { cursor }),
        });
        if (page.prefixes.length > 0) isEmpty = false;
        for (const prefix of page.prefixes) await print({ prefix }, prefix);
        for (const file of page.files) await show(file);
        cursor = page.cursor;
        signal.throwIfAborted();
      } while (cursor !== undefined);
    }
    if (isEmpty) {
      const what = path === '' ? 'the storage has no files' : `no key begins with "${path}"`;
      stderr.write(`nothing to list: ${printable(what)}\n`);
    }
    return true;
  },
};
