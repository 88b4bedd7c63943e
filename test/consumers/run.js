// `npm run test:consumers`: the packed tarball in the apps, on the releases of Node.js, under the test runners and the
// compilers that users have. `--small`: those that the other checks of the repository do not come near. `--tarball`: this one,
// instead of one that is packed now.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildApp, NEST_11_COMMONJS, NEST_12_ESM, running } from '../package/nest-apps.js';
import { pack } from '../package/pack.js';
import { resumableRoundTrip, uploadRoundTrip } from '../package/upload-round-trip.js';
import { installNodes } from './nodes.js';
import { prepareOldestPeers } from './oldest-peers.js';
import { prepareTestRunner, TEST_RUNNERS } from './test-runners.js';
import { checkTypes, prepareTypes, typeChecks } from './types.js';

const repository = join(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    tarball: { type: 'string' },
    outputFile: { type: 'string' },
  },
});
const { small } = values;

const work = await mkdtemp(join(tmpdir(), 'nestjs-storages-consumers-'));
const rows = [];
const failures = [];

/** A row of the table. What fails is told at the end, in full. */
async function check(consumer, platform, body) {
  const started = performance.now();
  const row = { consumer, platform, result: 'ok', seconds: 0, note: '' };
  let value;
  try {
    value = await body();
    row.note = value?.note ?? '';
  } catch (error) {
    row.result = 'FAIL';
    failures.push(
      `${consumer}, ${platform}:\n${error.stdout ?? ''}${error.stderr ?? ''}${error.stack}`,
    );
  }
  row.seconds = Number(((performance.now() - started) / 1000).toFixed(1));
  rows.push(row);
  console.log(`  ${row.result.padEnd(4)} ${consumer}, ${platform} (${row.seconds} s) ${row.note}`);
  return row.result === 'ok' ? value : undefined;
}

async function apps(place) {
  const nodes = await check('Node.js', 'the releases are installed', () => installNodes(place));
  for (const app of [NEST_11_COMMONJS, NEST_12_ESM]) {
    const consumer = await check(app.name, 'installs and compiles', () => buildApp(place, app));
    if (!consumer || !nodes) continue;
    for (const [name, node] of Object.entries(nodes)) {
      for (const httpFramework of ['express', 'fastify']) {
        await check(app.name, `${name}, ${httpFramework}`, async () => {
          await running(consumer, uploadRoundTrip, { node, httpFramework });
          await running(consumer, resumableRoundTrip, { node, httpFramework });
        });
      }
    }
  }
}

async function oldestPeers(place) {
  const name = 'The oldest peers';
  const consumer = await check(name, 'installs', () => prepareOldestPeers(place));
  if (!consumer) return;
  await check(name, `Node ${process.versions.node}`, async () => {
    await consumer.node('app.js');
  });
}

async function testRunners(place) {
  for (const runner of TEST_RUNNERS.filter((each) => !small || each.small)) {
    const consumer = await check(runner.name, 'installs', () => prepareTestRunner(place, runner));
    if (consumer) {
      await check(runner.name, `Node ${process.versions.node}`, async () => {
        await consumer.node(...runner.command);
      });
    }
  }
}

async function types(place) {
  for (const { name, checks, ...app } of typeChecks({ small })) {
    const consumer = await check(name, 'installs with the compilers', () =>
      prepareTypes(place, app),
    );
    if (!consumer) continue;
    for (const each of checks) await check(name, each.name, () => checkTypes(consumer, each));
  }
}

try {
  const tarball = values.tarball ?? (await check('npm', 'packs', () => pack(repository, work)));
  if (tarball) {
    const place = { tarball, repository, work };
    await testRunners(place);
    await types(place);
    await oldestPeers(place);
    if (!small) await apps(place);
  }
} finally {
  await rm(work, { recursive: true, force: true });
}

console.table(rows);
for (const failure of failures) console.error(`\n${failure}`);
const counts = {
  numPassedTests: rows.length - failures.length,
  numFailedTests: failures.length,
};
if (values.outputFile) await writeFile(values.outputFile, JSON.stringify(counts));
console.log(`Consumers: ${counts.numPassedTests} passed, ${counts.numFailedTests} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;
