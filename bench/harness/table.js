/**
 * As Markdown, the first column to the left and all others to the right.
 *
 * @param {'left' | 'right'} last where the last column is to be
 */
export function tableText(lines, last = 'right') {
  const widths = lines[0].map((_, column) =>
    Math.max(3, ...lines.map((line) => line[column].length)),
  );
  const isLeft = (column) => column === 0 || (last === 'left' && column === widths.length - 1);
  const printed = lines.map((line) => {
    const cells = line.map((text, column) =>
      isLeft(column) ? text.padEnd(widths[column]) : text.padStart(widths[column]),
    );
    return `| ${cells.join(' | ')} |`;
  });
  const rules = widths.map((width, column) =>
    isLeft(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [printed[0], `| ${rules.join(' | ')} |`, ...printed.slice(1)].join('\n');
}

/** With three digits. */
export function number(value) {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
