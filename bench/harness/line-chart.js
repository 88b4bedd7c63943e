import { text, writeDrawing } from './drawing.js';
import { curvesOf } from './growth.js';

const WIDTH = 760;
const PANEL = { width: 380, height: 250, left: 52, right: 14, top: 52, bottom: 44 };
const COLOURS = ['#c8321e', '#4a6fa5', '#3d8b57', '#8a5aa8'];
const DASHES = { S3: '5 4', 'bare Node': '1 4' };
const GRID = '#e3e5e8';

/** Draws how each operation grows, both ways logarithmic, into `<name>.svg` in the folder: a pair of panels for each curve. */
export function drawGrowth(result, folder) {
  const curves = curvesOf(result);
  let y = 30;
  const shapes = curves.flatMap((curve) => {
    const panels = curve.isFlat
      ? [
          ['processor, ms', ({ cpu }) => cpu],
          ['memory at the peak, MiB', ({ peak }) => peak],
        ]
      : [
          ['calls a second', ({ figures }) => figures.perSecond],
          ['p99 of a call, ms', ({ figures }) => figures.p99],
        ];
    const names = curve.operations.flatMap(({ name }, index) => keyTo(name, index, y));
    y += 20 * Math.ceil(curve.operations.length / 2);
    const drawn = panels.flatMap(([title, valueOf], column) =>
      drawPanel(curve, title, valueOf, { x: column * PANEL.width, y }),
    );
    y += PANEL.height + 12;
    return [...names, ...drawn];
  });
  const title = `${result.title}: local disk drawn through, S3 dashed, bare Node dotted, both axes logarithmic`;
  writeDrawing(new URL(`${result.name}.svg`, folder), {
    title,
    width: WIDTH,
    height: y,
    shapes: [text(10, 20, title, 'font-size="14"'), ...shapes],
  });
}

function keyTo(name, index, y) {
  const x = 16 + (index % 2) * PANEL.width;
  const line = y + 20 * Math.floor(index / 2) + 14;
  return [
    `<line x1="${x}" x2="${x + 28}" y1="${line}" y2="${line}" stroke="${COLOURS[index]}" stroke-width="2"/>`,
    text(x + 36, line + 4, name, ''),
  ];
}

function drawPanel({ axis, operations }, title, valueOf, { x, y }) {
  const points = operations.flatMap(({ lines }) => lines.flatMap(({ points }) => points));
  const from = { x: x + PANEL.left, y: y + PANEL.height - PANEL.bottom };
  const across = scale(
    points.map(({ at }) => at),
    from.x,
    x + PANEL.width - PANEL.right,
  );
  const up = scale(points.map(valueOf), from.y, y + PANEL.top - 24);
  const grid = [
    ...up.ticks.flatMap((tick) => {
      const line = up.at(tick).toFixed(1);
      return [
        `<line x1="${from.x}" x2="${x + PANEL.width - PANEL.right}" y1="${line}" y2="${line}" stroke="${GRID}"/>`,
        text(from.x - 6, Number(line) + 4, shown(tick), 'text-anchor="end"'),
      ];
    }),
    ...across.ticks.map((tick) =>
      text(across.at(tick), from.y + 16, shown(tick), 'text-anchor="middle"'),
    ),
    text(from.x, y + 16, title, 'font-weight="bold"'),
    text(x + PANEL.width - PANEL.right, from.y + 34, axis, 'text-anchor="end"'),
  ];
  const drawn = operations.flatMap(({ lines }, index) =>
    lines.flatMap(({ name, points }) => {
      const places = points.map((point) => [across.at(point.at), up.at(valueOf(point))]);
      const path = places
        .map((place) => place.map((value) => value.toFixed(1)).join(','))
        .join(' ');
      const dashes = DASHES[name] ? ` stroke-dasharray="${DASHES[name]}"` : '';
      return `<polyline points="${path}" fill="none" stroke="${COLOURS[index]}" stroke-width="2"${dashes}/>`;
    }),
  );
  return [...grid, ...drawn];
}

/** A logarithmic axis over whole powers of ten: where a value lies between two ends. */
function scale(values, start, end) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    at: (value) => start + ((Math.log10(value) - low) / (high - low)) * (end - start),
    ticks: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
  };
}

function shown(value) {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1000 ? `${value / 1000}k` : String(Number(value.toPrecision(3)));
}
