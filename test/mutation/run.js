// `npm run test:mutation [-- part…] [--sample 200] [--seed 1]`: changes the library in one place at a time (Stryker) and runs the
// tests that come by; a change that none notices is printed, and a part of which too few are noticed fails. A part is one of `parts.js`, and without one it is all of them. With
// `--sample`, so many changes of each part, chosen by the seed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parts } from './parts.js';

const repository = join(import.meta.dirname, '../..');
/** Of a hundred changes. */
const LEAST_NOTICED = 85;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { sample: { type: 'string' }, seed: { type: 'string', default: '1' } },
});
const unknown = positionals.filter((name) => !parts[name]);
if (unknown.length > 0) {
  console.error(
    `There is no part ${unknown.join(', ')}; there is ${Object.keys(parts).join(', ')}.`,
  );
  process.exit(2);
}
const size = values.sample === undefined ? Infinity : Number(values.sample);
if (!(size >= 1)) {
  console.error(`--sample ${values.sample}: how many changes of each part, 1 or more.`);
  process.exit(2);
}

// Npm's own note of what it has installed.
if (!existsSync(join(import.meta.dirname, 'node_modules/.package-lock.json'))) {
  console.log('Installing Stryker: npm ci --prefix test/mutation');
  const { status } = spawnSync(
    'npm',
    ['ci', '--prefix', import.meta.dirname, '--no-audit', '--loglevel=error'],
    { stdio: 'inherit', shell: process.platform === 'win32' },
  );
  if (status !== 0) process.exit(status ?? 1);
}
const { measure } = await import('./measure.js');

process.chdir(repository);
const rows = {};
for (const name of positionals.length > 0 ? positionals : Object.keys(parts)) {
  const { sources } = parts[name];
  const files = (await readdir(sources, { recursive: true }))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${sources}/${file.replaceAll('\\', '/')}`);
  console.log(`\n${name}: ${sources}`);
  rows[name] = await measure(files, parts[name], { size, seed: values.seed });
  console.table({ [name]: rows[name] });
}
if (Object.keys(rows).length > 1) console.table(rows);
const weak = Object.keys(rows).filter((name) => !(rows[name]['score %'] >= LEAST_NOTICED));
if (weak.length > 0) {
  console.error(`Less than ${LEAST_NOTICED} % of the changes were noticed: ${weak.join(', ')}`);
  process.exit(1);
}
