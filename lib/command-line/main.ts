#!/usr/bin/env node
import { run } from './run.js';

// The first signal undoes what is begun; Node's own handling of the second ends the process at once.
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interrupted.abort());
}

const { stdin, stdout, stderr } = process;
// What is still written when the run is over may find that nobody reads it any more.
for (const output of [stdout, stderr]) output.on('error', () => {});
void run(process.argv.slice(2), { stdin, stdout, stderr, signal: interrupted.signal }).then(
  (code) => {
    process.exitCode = code;
    // A terminal, or a pipe that nobody writes to, would keep the process.
    stdin.destroy();
  },
);
