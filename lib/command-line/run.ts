import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { StorageInvalidArgumentError, StorageInvalidKeyError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import { createStorage } from '../drivers/open-storage.js';
import { type Address, type NamedStorages, parseAddress } from './address.js';
import type { Command, CommandOption, Invocation, OptionValues } from './command.js';
import { COMMANDS } from './commands.js';
import { readConfigFile } from './config-file.js';
import { describeFailure } from './failure.js';
import type { Purpose } from './place.js';
import { printable } from './printable.js';
import { type Output, ProgressLine } from './progress-line.js';
import { nearest, UsageError } from './usage-error.js';

const EXIT = { ok: 0, failed: 1, usage: 2, differences: 3, interrupted: 130 } as const;

/** What a run reads and writes, and what ends it. */
export interface Surroundings {
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Shows progress where it is a terminal. */
  readonly stderr: Output;
  readonly signal: AbortSignal;
}

const COMMON: Readonly<Record<string, CommandOption>> = {
  config: { type: 'string', description: 'file with storages by name: .json, .js, .mjs or .cjs' },
  json: { type: 'boolean', description: 'every line is one JSON object' },
  help: { type: 'boolean', short: 'h', description: 'this text' },
};

/** Runs one command to its end, and closes what it has opened. Never rejects: the exit code says how it went. */
export async function run(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const { stdout, stderr, signal } = surroundings;
  // Whoever reads the output may have enough of it: `ls | head`.
  const closed = new AbortController();
  const onError = (error: NodeJS.ErrnoException): void => closed.abort(error);
  stdout.on('error', onError);
  const opened: Storage[] = [];
  let command: Command | undefined;
  const progress = new ProgressLine(stderr);
  try {
    const [name, ...rest] = argv;
    if (name === undefined || name === '--help' || name === '-h') {
      (name ? stdout : stderr).write(overview());
      return name ? EXIT.ok : EXIT.usage;
    }
    if (name === '--version') {
      stdout.write(`${await readVersion()}\n`);
      return EXIT.ok;
    }
    command = commandOf(name);
    const { values, positionals } = parse(command, rest);
    if (values['help']) {
      stdout.write(usage(name, command));
      return EXIT.ok;
    }
    const [least, most] = command.operands;
    if (positionals.length < least || positionals.length > most) {
      throw new UsageError(
        `Usage: nestjs-storages ${name} ${command.synopsis}; nestjs-storages ${name} --help says more`,
      );
    }
    const { config } = values;
    const storages = typeof config === 'string' ? await readConfigFile(config) : {};
    const stopped = AbortSignal.any([signal, closed.signal]);
    const complete = await command.run({
      ...surroundings,
      signal: stopped,
      values,
      operands: positionals,
      print: printer(stdout, progress, { asJson: values['json'] === true, signal: stopped }),
      progress,
      ...opener(storages, opened),
    });
    stopped.throwIfAborted();
    return complete ? EXIT.ok : EXIT.differences;
  } catch (error) {
    progress.clear();
    if (signal.aborted) return EXIT.interrupted;
    const reason: unknown = closed.signal.aborted ? closed.signal.reason : error;
    if (closed.signal.aborted && command?.onlyPrints && isBrokenPipe(reason)) return EXIT.ok;
    stderr.write(`nestjs-storages: ${sentence(reason)}\n`);
    return isUsageError(reason) ? EXIT.usage : EXIT.failed;
  } finally {
    await Promise.all(opened.map((storage) => storage.close({ timeout: 0 })));
    stdout.off('error', onError);
  }
}

function printer(
  stdout: Writable,
  progress: ProgressLine,
  { asJson, signal }: { readonly asJson: boolean; readonly signal: AbortSignal },
): Invocation['print'] {
  let drained: Promise<unknown> | undefined;
  return async (record, ...lines) => {
    progress.clear();
    const text = (asJson ? [JSON.stringify(record)] : lines).map(printable).join('\n');
    if (stdout.write(`${text}\n`)) return;
    drained ??= once(stdout, 'drain', { signal }).finally(() => (drained = undefined));
    await drained;
  };
}

/** @param opened gets each storage, so that it is closed in the end */
function opener(
  storages: NamedStorages,
  opened: Storage[],
): Pick<Invocation, 'open' | 'openFolder'> {
  const open: Invocation['open'] = (text, purpose = 'source', options) => {
    const isCreated = purpose !== 'source';
    const address = parseAddress(text, storages, { ...options, isCreated });
    const storage = openAddress(address, purpose);
    opened.push(storage);
    return { storage, configuration: address.configuration, path: address.path };
  };
  const openFolder: Invocation['openFolder'] = (text, purpose) => {
    const place = open(text, purpose, { isFolder: true });
    const { storage, path } = place;
    if (path === '') return place;
    return { ...place, storage: storage.scope(path.endsWith('/') ? path : `${path}/`), path: '' };
  };
  return { open, openFolder };
}

function openAddress({ name, configuration }: Address, purpose: Purpose): Storage {
  if (configuration.driver !== 'local' || purpose === 'target') {
    return createStorage(name, configuration);
  }
  // What is not written to is not created, either: a folder that would be is an empty storage.
  return purpose === 'imagined target' && !existsSync(configuration.root)
    ? createStorage(name, { driver: 'memory', prefix: configuration.prefix ?? '' })
    : createStorage(name, { createRoot: false, ...configuration });
}

/** @throws UsageError when none is called so */
function commandOf(name: string): Command {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command) return command;
  if (name.startsWith('--') && Object.hasOwn(COMMON, name.slice(2))) {
    throw new UsageError(`Options come after the command: nestjs-storages <command> ${name}`);
  }
  // An address whose command was forgotten may hold a secret.
  const typed = /^[\w-]*:?/.exec(name)?.[0];
  if (typed !== name) {
    throw new UsageError(`The command comes before the addresses, and none is called ${typed}…`);
  }
  const hint = nearest(name, Object.keys(COMMANDS)) || '; nestjs-storages --help lists them';
  throw new UsageError(`No command is called ${name}${hint}`);
}

/** That of the package whose program runs, which npm starts by a link. */
async function readVersion(): Promise<string> {
  const program = await realpath(process.argv[1]!);
  const manifest = await readFile(join(dirname(program), '../../package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function parse(
  command: Command,
  argv: readonly string[],
): { values: OptionValues; positionals: readonly string[] } {
  const options = { ...COMMON, ...command.options };
  for (const argument of argv) {
    if (argument === '--') break;
    const long = /^--([^=]+)/.exec(argument)?.[1];
    if (long === undefined || Object.hasOwn(options, long)) continue;
    const known = Object.keys(options).map((each) => `--${each}`);
    throw new UsageError(`Unknown option --${long}${nearest(`--${long}`, known)}`);
  }
  try {
    const parsed = parseArgs({ args: [...argv], options, allowPositionals: true });
    return { values: parsed.values as OptionValues, positionals: parsed.positionals };
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function overview(): string {
  const lines = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ${name.padEnd(8)}${summary}`,
  );
  return `Usage: nestjs-storages <command> …\n\n${lines.join('\n')}\n\nnestjs-storages <command> --help says more, --version which release this is.\n`;
}

function usage(name: string, command: Command): string {
  const options = Object.entries({ ...command.options, ...COMMON }).map(
    ([option, { type, short, description }]) => {
      const written = `${short ? `-${short}, ` : ''}--${option}${type === 'string' ? ' <value>' : ''}`;
      return `  ${written.padEnd(24)}  ${description}`;
    },
  );
  return `Usage: nestjs-storages ${name} ${command.synopsis}\n\n${command.summary}\n\n${options.join('\n')}\n`;
}

function isBrokenPipe(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'EPIPE';
}

/** Keys and options that no storage takes are found out before it is asked. */
function isUsageError(error: unknown): boolean {
  return (
    error instanceof UsageError ||
    error instanceof StorageInvalidKeyError ||
    error instanceof StorageInvalidArgumentError
  );
}

function sentence(error: unknown): string {
  if (isBrokenPipe(error)) return 'Nobody reads the output any more: stopped before all was done';
  return describeFailure(error);
}
