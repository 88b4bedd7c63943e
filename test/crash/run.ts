// `npm run test:crash`: breaks local storages from outside, prints what came of it, and fails when anything was lost, torn,
// left or reached that must not be.
import { Program } from './programs.js';
import { kills } from './kills.js';
import { swaps } from './swaps.js';

/** What a trial has shown. */
export interface Finding {
  readonly figures: string;
  /** What must not be. */
  readonly problems: readonly string[];
}

const TRIALS = { kills: ['writer', kills], swaps: ['swapper', swaps] } as const;

for (const [name, [source, trial]] of Object.entries(TRIALS)) {
  await using program = await Program.of(source);
  const started = performance.now();
  const { figures, problems } = await trial(program);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${name} · ${figures} · ${seconds} s`);
  for (const problem of problems.slice(0, 20)) console.log(`     ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}
