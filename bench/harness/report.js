/** By how much a ratio may miss what is wanted before the run fails: half as much again is a busy machine. */
const MARGIN = 1.5;

/**
 * Prints what was measured as Markdown, with what ours takes of the time (and of the processor) of the limit, which is bare
 * Node, and of the best peer. Judged by the better one of the two: time says what the disk and the neighbours do, the
 * processor does not.
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
  }
  return passed;
}

/** The ratios of a row: of ours to the limit, and to the best of the peers. */
export function ratios({ cases, unit = 'ms' }) {
  const ours = cases.find(({ name }) => name === 'ours');
  const limit = cases.find(({ name }) => name === 'limit');
  const peers = cases.filter(({ name }) => name !== 'limit' && !name.startsWith('ours'));
  const against = (other) => ({
    name: other.name,
    time: ours[unit] / other[unit],
    cpu: ours.cpu / other.cpu,
  });
  const best = peers.reduce(
    (least, peer) => (least && least[unit] <= peer[unit] ? least : peer),
    undefined,
  );
  return { limit: limit && against(limit), best: best && against(best) };
}

function judge(row) {
  const found = ratios(row);
  let passed = true;
  const texts = [];
  for (const [what, wanted] of Object.entries(row.wanted ?? {})) {
    const ratio = found[what];
    if (!ratio) continue;
    const better = Math.min(ratio.time, ratio.cpu);
    const bound = row.bounds?.[what] ?? wanted * MARGIN;
    const isReached = better <= wanted;
    if (better > bound) passed = false;
    const verdict = isReached ? 'reached' : better > bound ? 'MISSED' : 'behind';
    const of = what === 'limit' ? 'the limit' : `the best peer (${ratio.name})`;
    texts.push(
      `${ratio.time.toFixed(2)} × ${of}, processor ${ratio.cpu.toFixed(2)} × (wanted ${wanted.toFixed(2)}: ${verdict})`,
    );
  }
  return { passed, text: texts.join('; ') };
}

function printCases({ cases, limit }) {
  printTable([
    ['', 'time, ms', 'from', 'to', 'processor, ms', 'peak, MiB'],
    ...cases.map(({ name, ms, least, most, cpu, peak, note }) => [
      [name === 'limit' ? `limit: ${limit}` : name, ...(note === undefined ? [] : [note])].join(
        ', ',
      ),
      ...[ms, least, most, cpu].map(number),
      peak.toFixed(0),
    ]),
  ]);
}

/** As Markdown, the first column to the left and all others to the right. */
export function printTable(lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const printed = lines.map(
    (line) =>
      `| ${line.map((text, column) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]))).join(' | ')} |`,
  );
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  console.log([printed[0], rule, ...printed.slice(1)].join('\n'));
}

/** With three digits. */
export function number(value) {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
