// `npm run bench [-- suite…] [--quick] [--row text] [--json file] [--profile folder]`: runs the suites with these names, or all, and
// fails when one misses what it has to show. With `--row` only the rows with that in their names, which then take their places in the
// file, if there is one. With `--profile` each case leaves its CPU profile there, and where its time went is printed. A
// suite is any `<folder>/<name>.bench.js`. With `--guard`, the rows that have a bound for it, against bare Node alone, and one round
// of ours in those of services: three minutes, and no peers to install. From the environment: BENCH_ROUNDS, and BENCH_FOLDER for the
// files instead of the system's folder.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { drawSuite } from './harness/chart.js';
import { printGrowth } from './harness/growth.js';
import { drawGrowth } from './harness/line-chart.js';
import { measureSuite } from './harness/measure.js';
import { printSuite } from './harness/report.js';
import { installPeers, linkLibrary } from './install-peers.js';

const suites = new Map(
  readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules')
    .flatMap(({ name }) =>
      readdirSync(`${import.meta.dirname}/${name}`).map((file) => `./${name}/${file}`),
    )
    .filter((path) => path.endsWith('.bench.js'))
    .map((path) => [basename(path, '.bench.js'), new URL(path, import.meta.url)]),
);

const { values, positionals } = askedFor();
const unknown = positionals.filter((name) => !suites.has(name));
if (unknown.length > 0) {
  refuse(`There is no bench ${unknown.join(', ')}; there is ${[...suites.keys()].join(', ')}.`);
}
if (!/^[1-9]\d*$/.test(process.env.BENCH_ROUNDS ?? '1')) {
  refuse(`BENCH_ROUNDS is to be a number from 1 on, not ${process.env.BENCH_ROUNDS}.`);
}
const { guard, json, profile, row: wanted } = values;
if (profile !== undefined) mkdirSync(profile, { recursive: true });
if (json !== undefined) mkdirSync(dirname(json), { recursive: true });
const quick = values.quick || guard;
// Of the AWS SDK, in each of hundreds of processes.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
if (!guard) installPeers();
linkLibrary();

const measured = [];
let passed = true;
for (const name of positionals.length > 0 ? positionals : suites.keys()) {
  const suite = await import(suites.get(name));
  if (suite.run) {
    if (guard || wanted !== undefined) continue;
    passed = (await suite.run()) && passed;
    continue;
  }
  const made = await measureSuite(name, suites.get(name), { quick, guard, profile, wanted });
  if (made.rows.length === 0) continue;
  const result = wanted === undefined ? made : amongFormer(made, suite.rows(quick));
  measured.push(result);
  // After each suite: what fails later takes nothing of it away.
  if (json !== undefined) {
    const written = { node: process.version, quick, suites: measured };
    writeFileSync(json, `${JSON.stringify(written, undefined, 2)}\n`);
  }
  const [print, draw] = suite.curves ? [printGrowth, drawGrowth] : [printSuite, drawSuite];
  // How it grows shows among the others alone.
  passed = print(suite.curves ? result : made) && passed;
  // A quick run is too short to show, and a part of the rows too little.
  if (!quick && (wanted === undefined || result !== made))
    draw(result, new URL('../docs/images/performance/', import.meta.url));
}
if (wanted !== undefined && measured.length === 0) refuse(`No row has ${wanted} in its name.`);
if (guard && measured.length === 0) {
  refuse(`Nothing that CI bounds is in ${positionals.join(', ')}.`);
}
process.exitCode = passed ? 0 : 1;

/** The suite as the file has it, with the rows that were measured now in their places. */
function amongFormer(result, all) {
  if (json === undefined || !existsSync(json)) return result;
  const former = JSON.parse(readFileSync(json, 'utf8')).suites.find(
    ({ name }) => name === result.name,
  );
  if (!former) return result;
  const known = new Map([...former.rows, ...result.rows].map((row) => [row.name, row]));
  return { ...result, rows: all.flatMap(({ name }) => known.get(name) ?? []) };
}

function askedFor() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        guard: { type: 'boolean', default: false },
        row: { type: 'string' },
        json: { type: 'string' },
        profile: { type: 'string' },
      },
    });
  } catch (error) {
    return refuse(error.message);
  }
}

function refuse(message) {
  console.error(message);
  process.exit(2);
}
