const WIDTH = 160;
const GAP = '  ';

/**
 * Behaviours by storages, as tables that fit a line of 160 characters: a row per group of behaviours, a column per storage.
 * A cell tells how many behaviours the storage has of those that it was held to; those that it refused as it must are
 * counted as kept, and told in brackets.
 */
export function matrixTables(results) {
  const groups = [...new Set(results.toSorted(byGroups(results)).map(({ group }) => group))];
  const columns = runs(results).map(({ label, own }) => {
    const cells = groups.map((group) => cell(own.filter((result) => result.group === group)));
    const seconds = sum(own, ({ milliseconds }) => milliseconds) / 1000;
    return [label, ...cells, cell(own), seconds.toFixed(1)];
  });
  const head = ['', ...groups, 'all', 'seconds'];
  return sideBySide(head, columns).map(table).join('\n\n') + broken(results);
}

function cell(results) {
  const refused = sum(results, ({ refused }) => refused);
  const had = refused + sum(results, ({ kept }) => kept);
  const asked = had + sum(results, ({ broken }) => broken.length);
  if (asked === 0) return '–';
  return `${had}/${asked}${refused > 0 ? ` (${refused} refused)` : ''}${had < asked ? ' ✗' : ''}`;
}

/** The results of each run of the kit under a name of its own: a storage may have been run more than once. */
function runs(results) {
  const seen = new Map();
  return [...new Set(results.map(({ run }) => run))]
    .map((run) => results.filter((result) => result.run === run))
    .sort(([left], [right]) => left.storage.localeCompare(right.storage, 'en', { numeric: true }))
    .map((own) => {
      const [{ storage }] = own;
      const times = (seen.get(storage) ?? 0) + 1;
      seen.set(storage, times);
      return { label: times > 1 ? `${storage} #${times}` : storage, own };
    });
}

/** The groups in the order of whichever storage has most of them: the kit's own. */
function byGroups(results) {
  const orders = new Map();
  for (const { run, group } of results) {
    orders.set(run, [...(orders.get(run) ?? []), group]);
  }
  const [longest] = [...orders.values()].sort((left, right) => right.length - left.length);
  const place = (group) => (longest.includes(group) ? longest.indexOf(group) : longest.length);
  return (left, right) => place(left.group) - place(right.group);
}

/** Groups columns into tables, each with the head and as wide as a line allows. */
function sideBySide(head, columns) {
  const tables = [];
  let left = -1;
  for (const column of columns) {
    const width = widthOf(column) + GAP.length;
    if (width > left) {
      tables.push([head]);
      left = WIDTH - widthOf(head);
    }
    tables.at(-1).push(column);
    left -= width;
  }
  return tables;
}

function table(columns) {
  const widths = columns.map(widthOf);
  const line = (row) =>
    columns
      .map((column, index) => column[row].padEnd(widths[index]))
      .join(GAP)
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join(GAP);
  const rows = columns[0].map((_, row) => line(row));
  return [rows[0], rule, ...rows.slice(1, -2), rule, ...rows.slice(-2)].join('\n');
}

function broken(results) {
  const lines = results.flatMap(({ storage, group, broken }) =>
    broken.map((name) => `✗ ${storage} › ${group} › ${name}`),
  );
  return lines.length > 0 ? `\n\n${lines.join('\n')}` : '';
}

function widthOf(column) {
  return Math.max(...column.map((text) => text.length));
}

function sum(items, value) {
  return items.reduce((total, item) => total + value(item), 0);
}
