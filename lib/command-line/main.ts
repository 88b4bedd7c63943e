#!/usr/bin/env node
import { constants } from 'node:os';
import type { Writable } from 'node:stream';
import { run } from './run.js';

// Not SIGHUP: whoever starts a long run by nohup wants it ignored.
const INTERRUPTIONS = ['SIGINT', 'SIGTERM'] as const;
type Interruption = (typeof INTERRUPTIONS)[number];

// The first signal undoes what is begun; Node's own handling of the second, whichever it is, ends the process at once.
const interrupted = new AbortController();
let interruption: Interruption | undefined;
let isOver = false;
function interrupt(signal: Interruption): void {
  for (const each of INTERRUPTIONS) process.off(each, interrupt);
  interruption = signal;
  interrupted.abort();
  if (isOver) leave(signal);
}
for (const each of INTERRUPTIONS) process.on(each, interrupt);

/** With the exit code that shells give. Does not wait for what was printed: it may be that nobody reads it. */
function leave(signal: Interruption): never {
  process.exit(128 + constants.signals[signal]);
}

/** Resolves when everything that was printed has left the process, or when nobody reads it any more. */
function flushed(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    output.write('', () => resolve());
  });
}

const { stdin, stdout, stderr } = process;
// What is still written when the run is over may find that nobody reads it any more.
for (const output of [stdout, stderr]) output.on('error', () => {});
// What a --config module does may never end, and keep nothing open that Node would wait for.
process.exitCode = 1;
process.once('beforeExit', () => {
  stderr.write('nestjs-storages: Stopped before all was done: what it waits for can never come\n');
});
void run(process.argv.slice(2), { stdin, stdout, stderr, signal: interrupted.signal }).then(
  async (code) => {
    if (interruption) leave(interruption);
    isOver = true;
    await Promise.all([flushed(stdout), flushed(stderr)]);
    // A terminal, a pipe that nobody writes to, or what a --config module has opened would keep the process.
    process.exit(code);
  },
);
