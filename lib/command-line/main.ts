#!/usr/bin/env node
import { constants } from 'node:os';
import { run } from './run.js';

type Interruption = 'SIGINT' | 'SIGTERM';

// The first signal undoes what is begun; Node's own handling of the second, whichever it is, ends the process at once.
const interrupted = new AbortController();
let interruption: Interruption | undefined;
let isOver = false;
function interrupt(signal: Interruption): void {
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  interruption = signal;
  interrupted.abort();
  if (isOver) leave(signal);
}
process.on('SIGINT', interrupt).on('SIGTERM', interrupt);

/** With the exit code that shells give. Does not wait for what was printed: it may be that nobody reads it. */
function leave(signal: Interruption): never {
  process.exit(128 + constants.signals[signal]);
}

const { stdin, stdout, stderr } = process;
// What is still written when the run is over may find that nobody reads it any more.
for (const output of [stdout, stderr]) output.on('error', () => {});
void run(process.argv.slice(2), { stdin, stdout, stderr, signal: interrupted.signal }).then(
  (code) => {
    if (interruption) leave(interruption);
    isOver = true;
    process.exitCode = code;
    // A terminal, or a pipe that nobody writes to, would keep the process.
    stdin.destroy();
  },
);
