// `node bench/page.js [--check]`: writes the figures into docs/performance.md, each between the two comments that name it, from what
// `npm run bench -- <suite> --json bench/results/<suite>.json` has written. With `--check` it changes nothing, and fails when
// the page says something else.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { growthText } from './harness/growth.js';
import { profileText } from './harness/profile.js';
import { isBehind, ratios } from './harness/report.js';
import { number, tableText } from './harness/table.js';

const PAGE = new URL('../docs/performance.md', import.meta.url);
const BLOCK = /(<!-- figures: (\S+) -->\n)[^]*?(<!-- end -->)/g;
/** Suites of which the page shows the whole table of each row, and those of which it shows one of all rows. */
const BY_ROW = ['local', 'serving', 'upload', 'cold-start', 'facade', 'checksums'];
const IN_ONE = ['s3', 'gcs', 'azure'];
const AT_A_GLANCE = ['local', 'serving', 'upload', ...IN_ONE, 'cold-start', 'facade'];
/** Of which rows the page shows where the time goes; `before` is what was measured of this library as it was before the gain. */
const PROFILES = [
  { suite: 's3', row: 'put of', cases: ['limit', 'ours', "ours, by the SDK's engine", 'the SDK'] },
  { suite: 's3', row: 'get of', cases: ['limit', 'ours', "ours, by the SDK's engine", 'the SDK'] },
  { suite: 's3', row: 'list', cases: ['limit', 'ours', "ours, by the SDK's engine", 'the SDK'] },
  { suite: 'gcs', row: 'put of', cases: ['ours', 'the SDK'] },
  { suite: 'gcs', row: 'list', cases: ['ours', 'the SDK'] },
  { suite: 'azure', row: 'get of', cases: ['ours', "ours, by the SDK's engine", 'the SDK'] },
  { suite: 'azure', row: 'list', cases: ['ours', "ours, by the SDK's engine", 'the SDK'] },
  { suite: 'local', row: 'put 2000', cases: ['limit', 'ours'], before: 'local-before' },
  { suite: 'local', row: 'read 2000', cases: ['limit', 'ours'], before: 'local-before' },
];
/** Places that take less than this share in every case are left out. */
const LEAST_SHARE = 0.04;
/** What rows are about whose names alone do not say it. */
const DOING = { serving: 'serve', upload: 'upload' };
const SERVICES = { s3: 'S3', gcs: 'Google Cloud Storage', azure: 'Azure' };

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const page = readFileSync(PAGE, 'utf8');
const asked = new Set([...page.matchAll(BLOCK)].map(([, , name]) => name));
for (const name of ['at-a-glance', 'growth', 'profiles', ...BY_ROW, ...IN_ONE]) {
  if (!asked.has(name))
    throw new Error(`docs/performance.md has no place for the figures ${name}.`);
}
for (const name of AT_A_GLANCE) await checkReasons(name);
const written = page.replace(BLOCK, (_, start, name, end) => `${start}\n${block(name)}\n\n${end}`);
if (!values.check) writeFileSync(PAGE, written);
else if (written !== page) {
  console.error('docs/performance.md differs from bench/results: node bench/page.js');
  process.exitCode = 1;
}

/** Each row that is behind has a paragraph of the page, which the suite names. */
async function checkReasons(name) {
  const { rows } = await import(`./${name}/${name}.bench.js`);
  const reasons = new Map(rows(false).map((row) => [row.name, row.why]));
  for (const row of suite(name).rows.filter(isBehind)) {
    if (!page.includes(`\n- **${reasons.get(row.name)}`))
      throw new Error(`docs/performance.md does not say why ${row.name} of ${name} is behind.`);
  }
}

function block(name) {
  if (name === 'at-a-glance') return glance();
  if (name === 'growth') return growthText(suite(name));
  if (name === 'profiles') return PROFILES.map(profileOf).join('\n\n');
  if (IN_ONE.includes(name)) return inOne(name);
  if (BY_ROW.includes(name)) return byRow(name);
  throw new Error(`docs/performance.md asks for the figures ${name}, which there are not.`);
}

function glance() {
  const lines = AT_A_GLANCE.flatMap((name) =>
    suite(name).rows.map((row) => {
      const { limit, OpenDAL: native } = ratios(row);
      const { best } = ratios({ cases: row.cases.filter((each) => each.name !== 'OpenDAL') });
      const where = name in SERVICES ? `, ${SERVICES[name]}` : '';
      const shown = [limit, best, native].map((ratio) => ratio?.cpu.toFixed(2) ?? '–');
      const title = [...(DOING[name] ? [DOING[name]] : []), row.name].join(' ') + where;
      return { title, shown, which: best?.name ?? '' };
    }),
  );
  return tableText(
    [
      ['', '÷ limit', '÷ OpenDAL', '÷ best other', 'which'],
      ...lines
        .filter(({ shown }) => shown.some((ratio) => ratio !== '–'))
        .map(({ title, shown: [limit, best, native], which }) => [
          title,
          limit,
          native,
          best,
          which,
        ]),
    ],
    'left',
  );
}

function byRow(name) {
  return suite(name)
    .rows.map((row) => `**${row.name}**\n\n${casesOf(row)}`)
    .join('\n\n');
}

function casesOf({ cases, limit }) {
  return tableText([
    ['', 'processor, ms', 'time, ms', 'from', 'to', 'peak, MiB'],
    ...cases.map(({ name, cpu, ms, least, most, peak, note }) => [
      [titleOf(name, limit), ...(note === undefined ? [] : [note])].join(', '),
      ...[cpu, ms, least, most].map(number),
      peak.toFixed(0),
    ]),
  ]);
}

/** Milliseconds of the processor, a column for each client, and how many connections it had open at most. */
function inOne(name) {
  const { rows } = suite(name);
  const clients = rows[0].cases.map((each) => each.name);
  const connectionsOf = (client) =>
    rows.map(({ cases }) => cases.find((each) => each.name === client)?.figures?.connections ?? 0);
  const most = clients.map((client) => Math.max(...connectionsOf(client)));
  return tableText([
    ['', ...clients.map((client) => titleOf(client, rows[0].limit))],
    ...rows.map((row) => [row.name, ...row.cases.map(({ cpu }) => number(cpu))]),
    ...(most.every(Boolean) ? [['connections at most', ...most.map(String)]] : []),
  ]);
}

function profileOf({ suite: name, row: beginning, cases, before }) {
  const rowIn = (file) => suite(name, file).rows.find((row) => row.name.includes(beginning));
  const row = rowIn(`profile-${name}`);
  const columnOf = ({ profile, limit }, wanted) => ({
    ...profile.find((each) => each.name === wanted),
    name: titleOf(wanted, limit),
  });
  const columns = cases.map((wanted) => columnOf(row, wanted));
  if (before !== undefined) {
    for (const wanted of cases) {
      const column = columnOf(rowIn(`profile-${before}`), wanted);
      columns.push({ ...column, name: `before: ${wanted}` });
    }
  }
  const where = SERVICES[name] ?? 'the local disk';
  return `**${row.name}, ${where}**\n\n${profileText(columns, LEAST_SHARE)}`;
}

function suite(name, result = name) {
  const file = new URL(`results/${result}.json`, import.meta.url);
  if (!existsSync(file)) throw new Error(`There is no bench/results/${result}.json.`);
  return JSON.parse(readFileSync(file, 'utf8')).suites.find((each) => each.name === name);
}

function titleOf(name, limit) {
  return name === 'limit' ? `limit: ${limit}` : name;
}
