import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Storage } from '../core/storage.js';
import type { StorageConfiguration } from '../drivers/driver-options.js';
import { examine } from './doctor.js';
import { Journal } from './journal.js';
import { describeProgress, type ProgressLine, size as sizeOf } from './progress-line.js';
import { sync, type SyncEvent, transfer, verify, verifyChecksums } from './sync.js';
import { UsageError } from './usage-error.js';

interface Place {
  readonly storage: Storage;
  readonly configuration: StorageConfiguration;
  /** Key or prefix in it. */
  readonly path: string;
}

/** What a storage is opened for: an imagined target is that of a dry run. */
export type Purpose = 'source' | 'target' | 'imagined target';

/** What a command works with. */
export interface Invocation {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly operands: readonly string[];
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly signal: AbortSignal;
  /** @throws UsageError */
  readonly open: (address: string, options?: { as: Purpose }) => Place;
  /** Where the standard error is a terminal. */
  readonly progress: ProgressLine;
  /** One line: the record with `--json`, else the text. Resolves when whoever reads it is not behind. */
  readonly print: (record: object, text: string) => Promise<void>;
}

export interface CommandOption {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** With its default, if it has one, in brackets. */
  readonly description: string;
}

export interface Command {
  readonly promise: string;
  readonly synopsis: string;
  /** How many, at least and at most. */
  readonly operands: readonly [number, number];
  readonly options?: Readonly<Record<string, CommandOption>>;
  /** Resolves with false when it came to its end, but not all was done or alike. */
  readonly run: (invocation: Invocation) => Promise<boolean>;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  ls: {
    promise: 'Lists the files whose key starts with the prefix; without -r, like a folder.',
    synopsis: '<address> [-l] [-r]',
    operands: [1, 1],
    options: {
      long: { type: 'boolean', short: 'l', description: 'with size in bytes and time' },
      recursive: { type: 'boolean', short: 'r', description: 'everything below the prefix' },
    },
    run: list,
  },
  stat: {
    promise: 'Shows what a file is stored with.',
    synopsis: '<address>',
    operands: [1, 1],
    async run({ open, operands, print, signal }) {
      const { storage, path } = open(operands[0]!);
      const file = await storage.info(path, { signal });
      await print(file, JSON.stringify(file, null, 2));
      return true;
    },
  },
  cat: {
    promise: 'Writes a file to the standard output; --range first-last, counted from 0.',
    synopsis: '<address> [--range 0-99]',
    operands: [1, 1],
    options: {
      range: {
        type: 'string',
        description: 'first and last byte, counted from 0, such as 0-99 or 100-',
      },
    },
    async run({ open, operands, values, stdout, signal }) {
      const range = parseRange(values['range']);
      const { storage, path } = open(operands[0]!);
      const download = await storage.get(path, { signal, ...(range && { range }) });
      await pipeline(download.stream, stdout, { end: false, signal });
      return true;
    },
  },
  put: {
    promise: 'Stores a file of this machine, or the standard input (-): whole, or not at all.',
    synopsis: '<file|-> <address> [--content-type text/plain] [--create-only]',
    operands: [2, 2],
    options: {
      'content-type': { type: 'string', description: 'media type, such as text/plain' },
      'create-only': { type: 'boolean', description: 'fail when there is a file under the key' },
    },
    async run({ open, operands, values, stdin, print, progress, signal }) {
      const [source, address] = operands as [string, string];
      const { storage, path } = open(address, { as: 'target' });
      const contentType = values['content-type'];
      // Only for the display: a file may grow while it is read.
      const total = source === '-' ? undefined : (await stat(source)).size || undefined;
      const body = source === '-' ? stdin : createReadStream(source);
      const file = await storage.put(path, body, {
        signal,
        onProgress: (info) => progress.show(describeProgress(info, total)),
        ...(typeof contentType === 'string' && { contentType }),
        ...(values['create-only'] === true && { ifNoneMatch: '*' }),
      });
      await print(file, `${file.size}\t${file.key}`);
      return true;
    },
  },
  get: {
    promise: 'Writes a file to this machine: whole, or not at all.',
    synopsis: '<address> <file>',
    operands: [2, 2],
    run: fetch,
  },
  cp: {
    promise: 'Copies one file, with its metadata, inside a storage or to another one.',
    synopsis: '<from> <to>',
    operands: [2, 2],
    run: (invocation) => copy(invocation, false),
  },
  mv: {
    promise: 'Moves one file: the source goes when the copy is confirmed.',
    synopsis: '<from> <to>',
    operands: [2, 2],
    run: (invocation) => copy(invocation, true),
  },
  rm: {
    promise: 'Deletes a file; with --recursive, every file whose key starts with the prefix.',
    synopsis: '<address> [--recursive]',
    operands: [1, 1],
    options: {
      recursive: { type: 'boolean', short: 'r', description: 'everything below the prefix' },
    },
    run: remove,
  },
  sync: {
    promise: 'Makes the second storage hold what the first one holds.',
    synopsis: '<from> <to> [--dry-run] [--delete] [--journal file] [--prefix a/]',
    operands: [2, 2],
    options: {
      'dry-run': { type: 'boolean', description: 'only tell what would be done' },
      delete: { type: 'boolean', description: 'also delete what the source does not have' },
      checksum: { type: 'boolean', description: 'compare checksums or bytes instead of times' },
      concurrency: { type: 'string', description: 'files under way at once (8)' },
      journal: {
        type: 'string',
        description: 'file that is written to, and gone on from after a kill',
      },
      prefix: { type: 'string', description: 'only keys that start with it' },
    },
    run: synchronise,
  },
  verify: {
    promise: 'Reads all files of two storages, and tells which differ; of one, by their checksums.',
    synopsis: '<from> [<to>] [--prefix a/]',
    operands: [1, 2],
    options: {
      concurrency: { type: 'string', description: 'files under way at once (8)' },
      prefix: { type: 'string', description: 'only keys that start with it' },
    },
    async run(invocation) {
      const { open, operands, values, signal } = invocation;
      const from = folder(open(operands[0]!));
      const to = operands[1] === undefined ? undefined : folder(open(operands[1]));
      const counts = new Counts(invocation, ['same']);
      const options = {
        prefix: text(values['prefix']) ?? '',
        concurrency: count(values['concurrency']),
        signal,
        report: (event: SyncEvent) => counts.add(event),
      };
      const different = await (to ? verify(from, to, options) : verifyChecksums(from, options));
      counts.summary();
      return different === 0;
    },
  },
  sweep: {
    promise: 'Removes uploads that were begun and never ended.',
    synopsis: '<address> [--older-than 1d] [--dry-run]',
    operands: [1, 1],
    options: {
      'older-than': { type: 'string', description: 'age, such as 12h (1d)' },
      'dry-run': { type: 'boolean', description: 'only tell what would be done' },
    },
    async run({ open, operands, values, print, signal }) {
      const olderThan = text(values['older-than']) ?? '1d';
      const dryRun = values['dry-run'] === true;
      const swept = await folder(open(operands[0]!)).sweep({ olderThan, dryRun, signal });
      const action = dryRun ? 'would remove' : 'removed';
      for (const file of swept.staged)
        await print({ action, ...file }, `${action} staged ${file.name}`);
      for (const upload of swept.multipartUploads) {
        await print({ action, ...upload }, `${action} upload ${upload.key}`);
      }
      for (const { key, error } of swept.failed) {
        await print(
          { action: 'failed', key, reason: error.message },
          `failed ${key}: ${error.message}`,
        );
      }
      return swept.failed.length === 0;
    },
  },
  sign: {
    promise: 'Prints a URL that reads a file until it expires, or with --put one that stores it.',
    synopsis: '<address> [--expires 1h] [--put] [--content-type text/plain]',
    operands: [1, 1],
    options: {
      expires: { type: 'string', description: 'lifetime of the URL, such as 1h' },
      put: { type: 'boolean', description: 'a URL that stores a file' },
      'content-type': { type: 'string', description: 'media type, such as text/plain' },
    },
    async run({ open, operands, values, print, signal }) {
      const { storage, path } = open(operands[0]!);
      const contentType = text(values['content-type']);
      const expiresIn = text(values['expires']);
      const options = {
        signal,
        ...(expiresIn !== undefined && { expiresIn }),
        ...(contentType !== undefined && { contentType }),
      };
      if (values['put'] === true) {
        const target = await storage.uploadUrl(path, options);
        const headers = Object.entries(target.headers).map(([name, value]) => `${name}: ${value}`);
        await print(target, [target.url, ...headers].join('\n'));
      } else {
        const url = await storage.url(path, options);
        await print({ method: 'GET', url }, url);
      }
      return true;
    },
  },
  doctor: {
    promise: 'Tries what an app does with a storage, and says what to change.',
    synopsis: '<address> [--origin https://app.example.com]',
    operands: [1, 1],
    options: {
      origin: { type: 'string', description: 'whose pages are to upload: looks at CORS for them' },
    },
    async run({ open, operands, values, print, signal }) {
      const place = open(operands[0]!);
      const { configuration } = place;
      const findings = await examine({
        storage: folder(place),
        bucket: configuration.driver === 's3' ? configuration.bucket : undefined,
        origin: text(values['origin']),
        signal,
        report: async (observation) => {
          const { check, outcome, detail, advice } = observation;
          const line = `${outcome.padEnd(8)} ${check.padEnd(11)} ${detail}`;
          await print(observation, advice === undefined ? line : `${line}\n  -> ${advice}`);
        },
      });
      return findings === 0;
    },
  },
};

async function list({ open, operands, values, print, signal }: Invocation): Promise<boolean> {
  const { storage, path } = open(operands[0]!);
  const show = async (file: { key: string; size: number; lastModified?: Date }): Promise<void> => {
    const time = file.lastModified?.toISOString() ?? '-';
    await print(file, values['long'] ? `${file.size}\t${time}\t${file.key}` : file.key);
  };
  if (values['recursive']) {
    for await (const file of storage.list(path, { signal })) {
      await show(file);
      signal.throwIfAborted();
    }
    return true;
  }
  let cursor: string | undefined;
  do {
    const page = await storage.listPage({
      prefix: path,
      delimiter: '/',
      signal,
      ...(cursor !== undefined && { cursor }),
    });
    for (const prefix of page.prefixes) await print({ prefix }, prefix);
    for (const file of page.files) await show(file);
    cursor = page.cursor;
    signal.throwIfAborted();
  } while (cursor !== undefined);
  return true;
}

/** By way of a file beside it, so that whoever reads the file never sees half of it. */
async function fetch({ open, operands, print, progress, signal }: Invocation): Promise<boolean> {
  const [address, target] = operands as [string, string];
  const { storage, path } = open(address);
  const download = await storage.get(path, {
    signal,
    onProgress: (info) => progress.show(describeProgress(info)),
  });
  // A name that nobody else has: not another run, and not one that was killed.
  const part = `${target}.${randomUUID()}.part`;
  try {
    await pipeline(download.stream, createWriteStream(part, { flags: 'wx' }), { signal });
    await rename(part, target);
  } finally {
    await rm(part, { force: true });
  }
  await print(download.file, `${download.file.size}\t${target}`);
  return true;
}

async function copy(invocation: Invocation, move: boolean): Promise<boolean> {
  const { open, operands, print, signal } = invocation;
  const from = open(operands[0]!, { as: move ? 'target' : 'source' });
  const to = open(operands[1]!, { as: 'target' });
  const inside = isSameStorage(operands[0]!, from.path, operands[1]!, to.path);
  if (move && !inside && (await isSamePlace(from, to, signal))) {
    throw new UsageError('mv: both addresses lead to the same file, which stays as it is');
  }
  const file = inside
    ? await from.storage[move ? 'move' : 'copy'](from.path, to.path, { signal })
    : await transfer(from.storage, from.path, to.storage, to.path, { signal });
  if (move && !inside) await from.storage.delete(from.path, { signal });
  await print(file, `${file.size}\t${file.key}`);
  return true;
}

/**
 * Whether what is stored at the one place is found at the other: addresses of one place can be spelled in many ways, and a file that
 * is moved onto itself would be deleted.
 */
async function isSamePlace(from: Place, to: Place, signal: AbortSignal): Promise<boolean> {
  if (from.storage.driver !== to.storage.driver) return false;
  const probe = `.${randomUUID()}`;
  await to.storage.put(`${to.path}${probe}`, '', { signal });
  try {
    return await from.storage.exists(`${from.path}${probe}`, { signal });
  } finally {
    await to.storage.delete(`${to.path}${probe}`);
  }
}

/** Whether two addresses differ in nothing but the key. */
function isSameStorage(one: string, onePath: string, other: string, otherPath: string): boolean {
  const place = (address: string, path: string): string => {
    const [location, query = ''] = address.split('?', 2) as [string, string?];
    const key = [path, encodeURI(path)].find((each) => location.endsWith(each)) ?? '';
    return `${location.slice(0, location.length - key.length)}?${query}`;
  };
  return place(one, onePath) === place(other, otherPath);
}

async function remove({ open, operands, values, print, signal }: Invocation): Promise<boolean> {
  const { storage, path } = open(operands[0]!, { as: 'target' });
  if (!values['recursive']) {
    if (path === '' || path.endsWith('/')) {
      throw new UsageError('rm of a folder or a whole storage needs --recursive');
    }
    await storage.delete(path, { signal });
    await print({ deleted: 1 }, path);
    return true;
  }
  const { deleted, failed } = await storage.deletePrefix(path, { all: path === '', signal });
  for (const { key, error } of failed) {
    await print(
      { action: 'failed', key, reason: error.message },
      `failed ${key}: ${error.message}`,
    );
  }
  await print({ deleted, failed: failed.length }, `${deleted} deleted, ${failed.length} failed`);
  return failed.length === 0;
}

async function synchronise(invocation: Invocation): Promise<boolean> {
  const { open, operands, values, signal } = invocation;
  const [fromAddress, toAddress] = operands as [string, string];
  const dryRun = values['dry-run'] === true;
  const prefix = text(values['prefix']) ?? '';
  const concurrency = count(values['concurrency']);
  const from = folder(open(fromAddress));
  const to = folder(open(toAddress, { as: dryRun ? 'imagined target' : 'target' }));
  const deletes = values['delete'] === true;
  const path = dryRun ? undefined : text(values['journal']);
  const task = JSON.stringify([fromAddress, toAddress, prefix, deletes]);
  const journal = path === undefined ? undefined : await Journal.open(path, task);
  const counts = new Counts(invocation, ['same']);
  let complete = false;
  try {
    const failed = await sync(from, to, {
      prefix,
      concurrency,
      dryRun,
      delete: deletes,
      checksum: values['checksum'] === true,
      journal,
      signal,
      report: (event) => counts.add(event),
    });
    complete = failed === 0;
  } finally {
    journal?.close(complete);
  }
  counts.summary();
  return complete;
}

/** Prints what happens, except the actions that are only counted. */
class Counts {
  readonly #counts: Partial<Record<SyncEvent['action'], number>> = {};
  readonly #started = performance.now();
  #bytes = 0;

  constructor(
    private readonly invocation: Invocation,
    private readonly silent: readonly SyncEvent['action'][],
  ) {}

  async add(event: SyncEvent): Promise<void> {
    const { action, key, size = 0, reason } = event;
    this.#counts[action] = (this.#counts[action] ?? 0) + 1;
    if (action === 'copy') this.#bytes += size;
    this.invocation.progress.show(this.#line(key));
    if (this.silent.includes(action)) return;
    await this.invocation.print(
      event,
      `${action} ${key}${reason === undefined ? '' : `: ${reason}`}`,
    );
  }

  /** On the standard error, which is not what a program reads. */
  summary(): void {
    this.invocation.progress.clear();
    this.invocation.stderr.write(`${this.#actions()}; ${this.#bytes} bytes copied\n`);
  }

  /** No time left: how much there is shows only when the listings end. */
  #line(key: string): string {
    const seconds = (performance.now() - this.#started) / 1000;
    return `${this.#actions()}  ${sizeOf(this.#bytes)}  ${sizeOf(this.#bytes / seconds)}/s  ${key}`;
  }

  #actions(): string {
    const parts = Object.entries(this.#counts).map(([action, number]) => `${number} ${action}`);
    return parts.join(', ') || 'nothing';
  }
}

/** What lies below the path, as below a folder. */
function folder({ storage, path }: Place): Storage {
  if (path === '') return storage;
  return storage.scope(path.endsWith('/') ? path : `${path}/`);
}

function text(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function count(value: string | boolean | undefined): number {
  const parsed = Number(value ?? 8);
  if (Number.isInteger(parsed) && parsed >= 1 && parsed <= 256) return parsed;
  throw new UsageError('--concurrency must be a whole number from 1 to 256');
}

function parseRange(
  value: string | boolean | undefined,
): { start: number; end?: number } | undefined {
  if (value === undefined) return undefined;
  const [, start, end] = /^(\d+)-(\d*)$/.exec(String(value)) ?? [];
  if (start === undefined) throw new UsageError('--range must be first-last, such as 0-99 or 100-');
  return { start: Number(start), ...(end && { end: Number(end) }) };
}
