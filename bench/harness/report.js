import { profileText } from './profile.js';
import { number, tableText } from './table.js';

/** By how much a ratio may miss what is wanted before the run fails: half as much again is a busy machine. */
const MARGIN = 1.5;

/**
 * Prints what was measured as Markdown, with what ours takes of the time (and of the processor) of the limit, which is bare
 * Node, and of the best peer. Judged by the better one of the two: time says what the disk and the neighbours do, the
 * processor does not.
 *
 * A row that is behind names the paragraph of docs/performance.md that says why.
 *
 * @returns whether no ratio misses its bound
 */
export function printSuite({ rows }) {
  let passed = true;
  for (const row of rows) {
    const verdict = judge(row);
    passed &&= verdict.passed;
    console.log(`\n**${row.name}**: ${verdict.text}\n`);
    printCases(row);
    if (row.profile) console.log(`\n${profileText(row.profile)}`);
  }
  return passed;
}

/** The ratios of a row: of ours to the limit, to the best of the peers, and to each of the others by its name. */
export function ratios({ cases }) {
  const ours = cases.find(({ name }) => name === 'ours');
  const peers = cases.filter(({ name }) => name !== 'limit' && !name.startsWith('ours'));
  const [best] = peers.toSorted((one, other) => one.cpu - other.cpu);
  const against = ({ name, ms, cpu }) => ({ name, time: ours.ms / ms, cpu: ours.cpu / cpu });
  return {
    ...Object.fromEntries(cases.map((other) => [other.name, against(other)])),
    best: best && against(best),
  };
}

/** Whether ours takes more than what is wanted of it. */
export function isBehind(row) {
  const found = ratios(row);
  return Object.entries(row.wanted ?? {}).some(([what, wanted]) => better(found[what]) > wanted);
}

/** To the hundredth that is shown: less is no difference. */
function better({ time, cpu }) {
  return Number(Math.min(time, cpu).toFixed(2));
}

function judge(row) {
  const found = ratios(row);
  let passed = true;
  const texts = [];
  for (const [what, wanted] of Object.entries(row.wanted ?? {})) {
    const ratio = found[what];
    if (!ratio) throw new Error(`${row.name} is judged by ${what}, which is none of its cases`);
    const taken = better(ratio);
    const bound = row.bounds?.[what] ?? wanted * MARGIN;
    const isReached = taken <= wanted;
    if (taken > bound) passed = false;
    const behind = row.why ? `behind: ${row.why}` : 'behind';
    const verdict = isReached ? 'reached' : taken > bound ? 'MISSED' : behind;
    const of = { limit: 'the limit', best: `the best peer (${ratio.name})` }[what] ?? what;
    texts.push(
      `${ratio.time.toFixed(2)} × ${of}, processor ${ratio.cpu.toFixed(2)} × (wanted ${wanted.toFixed(2)}: ${verdict})`,
    );
  }
  return { passed, text: texts.length > 0 ? texts.join('; ') : 'runs' };
}

function printCases({ cases, limit }) {
  const table = tableText([
    ['', 'time, ms', 'from', 'to', 'processor, ms', 'peak, MiB'],
    ...cases.map(({ name, ms, least, most, cpu, peak, note }) => [
      [name === 'limit' ? `limit: ${limit}` : name, ...(note === undefined ? [] : [note])].join(
        ', ',
      ),
      ...[ms, least, most, cpu].map(number),
      peak.toFixed(0),
    ]),
  ]);
  console.log(table);
}
