import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atExit, temporaryFolder } from '../folders.js';
import { placesOf } from './profile.js';

const SUBJECT = fileURLToPath(new URL('subject.js', import.meta.url));
const CLIENT = fileURLToPath(new URL('client.js', import.meta.url));
const ROUNDS = 5;
const QUICK_ROUNDS = 3;

/**
 * Measures the rows of a suite. Each case of a row runs in a process of its own, in rounds: so what else the machine does
 * strikes all cases alike, and only ratios within a row say anything.
 *
 * @param {URL} url of the suite's module, which exports `title` and `rows(quick)`; a row may have `files(folder)`, which are
 *   there before its cases, or before each of them when that `usesUpFiles`
 */
export async function measureSuite(name, url, { quick, guard, profile, wanted = '' }) {
  const suite = await import(url);
  const rounds = Number(process.env.BENCH_ROUNDS ?? (quick ? QUICK_ROUNDS : ROUNDS));
  const all = suite.rows(quick).filter((row) => row.name.includes(wanted));
  const chosen = guard ? all.flatMap(guarded) : all;
  if (chosen.length === 0) return { name, title: suite.title, rounds, rows: [] };
  const temporary = temporaryFolder(name);
  const folder = temporary.path;
  console.log(
    `\n${name}: ${suite.title}; medians of ${rounds} interleaved rounds, Node ${process.version}`,
  );
  const rows = [];
  try {
    for (const row of chosen) {
      if (row.leftOut !== undefined) {
        console.log(`\n**${row.name}**: left out, ${row.leftOut}`);
        continue;
      }
      const files = join(folder, 'files');
      await mkdir(files);
      if (row.files && !row.usesUpFiles) await prepareFiles(url, row, files, quick);
      const measured = await measureRow(url, row, {
        folder,
        files,
        quick,
        rounds: row.rounds ?? rounds,
        profileOf: profile && ((which) => join(profile, profileName(name, row.name, which))),
      });
      rows.push(measured);
      await rm(files, { recursive: true });
    }
  } finally {
    temporary.remove();
  }
  return { name, title: suite.title, rounds, rows, ...(suite.curves && { curves: suite.curves }) };
}

/** A row that is to fail when ours takes more than so many times what bare Node does, or that is to run at all. */
function guarded(row) {
  if (row.guard === 'runs') {
    const { wanted: _wanted, bounds: _bounds, ...ours } = row;
    return [{ ...ours, cases: ['ours'], rounds: 1 }];
  }
  if (row.guard === undefined) return [];
  const bound = { limit: row.guard };
  return [{ ...row, cases: ['limit', 'ours'], wanted: bound, bounds: bound }];
}

async function measureRow(url, row, { folder, files, quick, rounds, profileOf }) {
  const measured = new Map(row.cases.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Another begins in each round: none is always the one after the largest.
    const order = row.cases.map((_, index) => row.cases[(index + round) % row.cases.length]);
    for (const name of order) {
      const own = join(folder, 'own');
      await mkdir(own);
      if (row.usesUpFiles) {
        await rm(files, { recursive: true });
        await mkdir(files);
        await prepareFiles(url, row, files, quick);
      }
      const places = { folder: own, files, quick, profile: profileOf?.(name) };
      measured.get(name).push(await measureCase(url, row, name, places));
      await rm(own, { recursive: true });
    }
  }
  const { cases: _, ...described } = row;
  if (profileOf) {
    // The file is that of the last round.
    described.profile = [...measured].map(([name, samples]) => ({
      name,
      cpu: samples.at(-1).cpu,
      places: placesOf(profileOf(name)),
    }));
  }
  const cases = [...measured].map(([name, samples]) => ({ name, ...summary(samples, row) }));
  return { ...described, cases };
}

function profileName(...names) {
  return `${names.join(' ').replaceAll(/[^\w]+/g, '-')}.cpuprofile`;
}

async function measureCase(url, row, name, places) {
  const subject = start(SUBJECT, { suite: url.href, row: row.name, name, ...places });
  const ready = await subject.answer();
  // What the client sends to warm up is none of what is measured.
  const client =
    row.load && start(CLIENT, { suite: url.href, row: row.name, quick: places.quick, ...ready });
  await client?.answer();
  subject.send('start');
  let usage = await subject.answer();
  if (client) {
    client.send('start');
    const { ms } = await client.answer();
    subject.send('stop');
    usage = { ...(await subject.answer()), ms };
    await client.ended();
  }
  await subject.ended();
  return usage;
}

/** In a process of its own, too: what it leaves behind in memory is nobody's. */
async function prepareFiles(url, row, files, quick) {
  const subject = start(SUBJECT, { suite: url.href, row: row.name, files, quick });
  await subject.answer();
  await subject.ended();
}

function start(script, options) {
  const child = fork(script, [JSON.stringify(options)], {
    execArgv: process.env.BENCH_EXEC_ARGV?.split(' ') ?? [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const forget = atExit(() => child.kill());
  const exited = once(child, 'exit').finally(forget);
  const failed = exited.then(([code]) => {
    throw new Error(`${options.row} of ${options.name ?? 'the client'} ended with ${code}`);
  });
  failed.catch(() => {});
  return {
    answer: async () => (await Promise.race([once(child, 'message'), failed]))[0],
    send: (message) => void child.send(message),
    async ended() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

function summary(samples, { calls }) {
  const median = (field) => medianOf(samples.map((sample) => sample[field]));
  const figures = Object.keys(samples[0].figures ?? {}).map((name) => [
    name,
    medianOf(samples.map((sample) => sample.figures[name])),
  ]);
  const times = samples.map(({ ms }) => ms);
  const ms = median('ms');
  const perCall = calls === undefined ? undefined : `${((ms / calls) * 1000).toFixed(1)} µs a call`;
  const note = perCall ?? samples[0].note;
  return {
    ms,
    least: Math.min(...times),
    most: Math.max(...times),
    cpu: median('cpu'),
    peak: median('peak'),
    ...(note !== undefined && { note }),
    ...(figures.length > 0 && { figures: Object.fromEntries(figures) }),
  };
}

function medianOf(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}
