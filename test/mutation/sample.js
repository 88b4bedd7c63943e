import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Instrumenter } from '@stryker-mutator/instrumenter';

/** One change of one place, the same from run to run as long as the file is. */
export function keyOf({ fileName, location: { start, end }, mutatorName, replacement }) {
  const file = fileName.replaceAll('\\', '/').replace(/^.*(?=\blib\/)/, '');
  const place = `${start.line}:${start.column}-${end.line}:${end.column}`;
  return `${file}:${place} ${mutatorName} ${replacement}`;
}

/** The same of a result, in which lines and columns count from 1. */
export function keyOfResult({ location: { start, end }, ...mutant }) {
  const fromZero = ({ line, column }) => ({ line: line - 1, column: column - 1 });
  return keyOf({ ...mutant, location: { start: fromZero(start), end: fromZero(end) } });
}

/** All mutants that Stryker makes of these files. */
export async function mutantsOf(paths) {
  const files = await Promise.all(
    paths.map(async (name) => ({ name, mutate: true, content: await readFile(name, 'utf8') })),
  );
  const quiet = { debug() {}, info() {}, isDebugEnabled: () => false };
  const options = { ignorers: [], plugins: null, excludedMutations: [], noHeader: true };
  return (await new Instrumenter(quiet).instrument(files, options)).mutants;
}

/** So many of them, each as likely as the others; the same for the same seed. */
export function sampleOf(mutants, size, seed) {
  const lot = (mutant) =>
    createHash('sha256')
      .update(`${seed} ${keyOf(mutant)}`)
      .digest('hex');
  return mutants
    .map((mutant) => [lot(mutant), mutant])
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .slice(0, size)
    .map(([, mutant]) => mutant);
}
