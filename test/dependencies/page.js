// What docs/dependencies.md says, and where it differs from what is measured.

/** How far a figure may be from what is measured, beside what its last digit leaves open. */
const TOLERANCE = 0.03;
const BYTES = { kB: 1e3, MB: 1e6 };

/** The rows of the page's tables, by the name of each package in them: a cell by the title of its column. */
export function rowsOf(page) {
  const rows = new Map();
  for (const [table] of page.matchAll(/(^\|.*\n)+/gm)) {
    const [titles, , ...lines] = table.trimEnd().split('\n').map(cellsOf);
    for (const cells of lines) {
      const row = Object.fromEntries(titles.map((title, at) => [title, cells[at]]));
      for (const [, name] of cells[0].matchAll(/`([^`]+)`/g)) rows.set(name, row);
    }
  }
  return rows;
}

function cellsOf(line) {
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim());
}

/**
 * What the row of a package says that is not so.
 *
 * @param {{ bytes: number, packages: number, licence: string }} measured with all that the package needs; `licence` is its own
 */
export function rowProblems(row, { bytes, packages, licence }) {
  const [weight, count] = row['weight, packages']?.split(', ') ?? ['', ''];
  return [
    ...(isAbout(weight, bytes) ? [] : [`weighs ${inMb(bytes)}, not ${weight}`]),
    ...(isAbout(count, packages) ? [] : [`is ${packages} packages, not ${count}`]),
    ...licenceProblems(row, licence),
  ];
}

export function licenceProblems(row, licence) {
  const named = row.licence?.split(', ') ?? [];
  return named.includes(licence) ? [] : [`has the licence ${licence}, not ${row.licence}`];
}

/** What the sentences say that is not so. */
export function sentenceProblems(page, { together, tarball, unpacked }) {
  const sentences = [
    [/brings (\d+) packages of/, together.packages],
    [/brings \d+ packages of ([\d.]+ MB)/, together.bytes],
    [/tarball has ([\d.]+ MB)/, tarball],
    [/unpacked ([\d.]+ MB)/, unpacked],
  ];
  return sentences.flatMap(([pattern, measured]) => {
    const said = pattern.exec(page)?.[1];
    if (said !== undefined && isAbout(said, measured)) return [];
    return [`${measured.toLocaleString('en')} where the page says ${said} (${pattern.source})`];
  });
}

/** Whether a figure such as `0.7 MB` or `12` is what is measured, as closely as it is written. */
function isAbout(figure, measured) {
  const [, digits, decimals = '', unit] = /^(\d+(?:\.(\d+))?)(?: (kB|MB))?$/.exec(figure) ?? [];
  if (digits === undefined) return false;
  const factor = BYTES[unit] ?? 1;
  const leftOpen = (factor / 10 ** decimals.length) * 0.5;
  return Math.abs(Number(digits) * factor - measured) <= measured * TOLERANCE + leftOpen;
}

function inMb(bytes) {
  return `${(bytes / BYTES.MB).toFixed(3)} MB`;
}
