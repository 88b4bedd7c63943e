import { number, tableText } from './table.js';

/** By how much more than in proportion the processor's time may grow before the run fails. */
const STEEPEST = 1.5;
/** By how many MiB the peak of memory may grow where work grows by eight times or more. */
const HIGHEST = 64;
/** A place where throughput is this share of the best, or more, is where it has stopped growing. */
const NEARLY = 0.9;

/**
 * What the rows of one operation came to, for each of its cases in order.
 *
 * @returns for each curve its operations, and for each of them its lines of points
 */
export function curvesOf({ rows, curves }) {
  return Object.entries(curves).map(([curve, described]) => {
    const own = rows.filter((row) => row.curve === curve);
    const operations = [...new Set(own.map(({ operation }) => operation))].map((name) => {
      const points = own
        .filter(({ operation }) => operation === name)
        .flatMap(({ at, cases }) =>
          cases.map(({ name: line, ...rest }) => ({ line, at, ...rest })),
        );
      const lines = [...new Set(points.map(({ line }) => line))].map((line) => ({
        name: line,
        points: points.filter((point) => point.line === line),
      }));
      return { name, lines };
    });
    return { name: curve, ...described, operations };
  });
}

/** How each operation grows, as Markdown: a table under its name, without a verdict. */
export function growthText(result) {
  return curvesOf(result)
    .flatMap(({ axis, isFlat, operations }) =>
      operations.map(({ name, lines }) => `**${name}**\n\n${tableOf(axis, isFlat, lines)}`),
    )
    .join('\n\n');
}

/**
 * Prints as Markdown how each operation grows.
 *
 * @returns whether time grows no more than in proportion, and memory does not, where that is wanted
 */
export function printGrowth(result) {
  let passed = true;
  for (const { axis, isFlat, limits = {}, operations } of curvesOf(result)) {
    for (const { name, lines } of operations) {
      const limitFor = (line) => lines.find((other) => other.name === limits[line.name]);
      const verdicts = lines.map((line) => (isFlat ? judge(line, limitFor(line)) : furthest(line)));
      passed &&= verdicts.every((verdict) => verdict.passed);
      console.log(`\n**${name}**: ${verdicts.map(({ text }) => text).join('; ')}\n`);
      console.log(tableOf(axis, isFlat, lines));
    }
  }
  return passed;
}

function judge(line, limit) {
  const grown = growthOf(line);
  if (!grown) return { passed: true, text: line.name };
  const steepest = STEEPEST * Math.max(1, (limit && growthOf(limit)?.steep) ?? 1);
  const passed = grown.steep <= steepest && grown.more <= HIGHEST;
  return {
    passed,
    text: `${line.name}: ${grown.factor} times as much takes ${(grown.steep * grown.factor).toFixed(1)} times the processor and ${grown.more.toFixed(0)} MiB more${passed ? '' : ' (MISSED)'}`,
  };
}

/** From the last point before, where there was an eighth to do or less, to the last one. */
function growthOf({ points }) {
  const last = points.at(-1);
  const before = points.findLast(({ at }) => at * 8 <= last.at);
  if (!before) return undefined;
  const factor = last.at / before.at;
  return { factor, steep: last.cpu / before.cpu / factor, more: last.peak - before.peak };
}

/** Where more at once no longer means more in all. */
function furthest({ name, points }) {
  const best = Math.max(...points.map(({ figures }) => figures.perSecond));
  const { at, figures } = points.find(({ figures }) => figures.perSecond >= NEARLY * best);
  return {
    passed: true,
    text: `${name}: ${number(figures.perSecond)} a second from ${at} at once on`,
  };
}

/** What the lines of an operation came to, as Markdown. */
function tableOf(axis, isFlat, lines) {
  return tableText(isFlat ? costs(axis, lines) : latencies(axis, lines));
}

function costs(axis, lines) {
  return table(axis, lines, ['processor, ms', 'peak, MiB'], ({ cpu, peak }) => [
    number(cpu),
    peak.toFixed(0),
  ]);
}

function latencies(axis, lines) {
  const columns = ['a second', 'p50, ms', 'p95, ms', 'p99, ms'];
  return table(axis, lines, columns, ({ figures: { perSecond, p50, p95, p99 } }) =>
    [perSecond, p50, p95, p99].map(number),
  );
}

function table(axis, lines, columns, cellsOf) {
  return [
    [axis, ...lines.flatMap(({ name }) => columns.map((column) => `${name}: ${column}`))],
    ...lines[0].points.map(({ at }, index) => [
      String(at),
      ...lines.flatMap(({ points }) => cellsOf(points[index])),
    ]),
  ];
}
