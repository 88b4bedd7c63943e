import type { Parameters } from 'fast-check';

/** Few and always the same ones with the other tests: what is found once is found again. */
const RUNS = 300;
const SEED = 20_261_129;

/**
 * How often a property is tried. `npm run fuzz` tries it longer, each time with other values; fast-check then prints the seed of
 * what it finds.
 *
 * @param share of the usual number, for a property that costs more than a function call
 */
export function runs(share = 1): Parameters<unknown> {
  const asked = Number(process.env['FUZZ_RUNS'] ?? 0);
  const count = (all: number): number => Math.max(1, Math.round(all * share));
  return asked > 0 ? { numRuns: count(asked) } : { numRuns: count(RUNS), seed: SEED };
}
