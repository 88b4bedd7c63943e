import { text, writeDrawing } from './drawing.js';

const WIDTH = 760;
const NAMES = 300;
const BARS = 370;
const BAR = 18;
const COLOURS = { ours: '#c8321e', limit: '#8a8f98', peer: '#4a6fa5' };

/**
 * Draws the processor's time of each row as bars, into `<name>.svg` in the folder: it is what the neighbours of a process change
 * least. A bar is as long as its share of the row's longest.
 */
export function drawSuite({ name, title, rows }, folder) {
  let y = 40;
  const shapes = rows.flatMap((row) => {
    const longest = Math.max(...row.cases.map(({ cpu }) => cpu));
    const heading = text(10, (y += 22), row.name, 'font-weight="bold"');
    y += 8;
    const bars = row.cases.flatMap((each) => {
      const length = Math.max(1, (each.cpu / longest) * BARS);
      const label = each.name === 'limit' ? `limit: ${row.limit}` : each.name;
      const bar = `<rect x="${NAMES}" y="${y}" width="${length.toFixed(1)}" height="${BAR - 4}" fill="${colourOf(each.name)}"/>`;
      const drawn = [
        text(NAMES - 8, y + 11, label, 'text-anchor="end"'),
        bar,
        text(NAMES + length + 6, y + 11, shown(each.cpu), ''),
      ];
      y += BAR;
      return drawn;
    });
    return [heading, ...bars];
  });
  const heading = `${title}: milliseconds of the processor, shorter is better`;
  writeDrawing(new URL(`${name}.svg`, folder), {
    title,
    width: WIDTH,
    height: y + 16,
    shapes: [text(10, 24, heading, 'font-size="14"'), ...shapes],
  });
}

function colourOf(name) {
  if (name === 'limit') return COLOURS.limit;
  return name.startsWith('ours') ? COLOURS.ours : COLOURS.peer;
}

function shown(ms) {
  return `${ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3)} ms`;
}
