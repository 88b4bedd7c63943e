import type { CellResult } from './fault-case.js';

const SIGNS: Readonly<Record<string, string>> = {
  ok: '+',
  CONNECTION_FAILED: 'c',
  TIMEOUT: 't',
  RATE_LIMITED: 'r',
  PERMISSION_DENIED: 'p',
};

/** Operations by faults: what came of a call of which one request was struck, and of one of which all were. */
export function faultTable(name: string, results: readonly CellResult[]): string {
  const faults = [...new Set(results.map(({ fault }) => fault))];
  const operations = [...new Set(results.map(({ operation }) => operation))];
  const rows = operations.map((operation) => [
    operation,
    ...faults.map((fault) =>
      cellOf(results.find((cell) => cell.operation === operation && cell.fault === fault)),
    ),
  ]);
  const heads = faults.map((_, index) => String.fromCharCode(65 + index));
  const widths = [name, ...heads].map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((text, column) => text.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  return [
    line([name, ...heads]),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...rows.map(line),
    '',
    ...faults.map((fault, index) => `${heads[index]}  ${fault}`),
    '',
    'One request struck / every request from one on: + success, c connection failed, t timeout, r rate limited,',
    'p permission denied, ? another error, · not tried, ✗ broken promise',
  ].join('\n');
}

function cellOf(cell: CellResult | undefined): string {
  if (!cell) return '';
  const { once, always, problems } = cell;
  return `${signs(once) || '·'}/${signs(always)}${problems.length > 0 ? '✗' : ''}`;
}

function signs(outcomes: readonly string[]): string {
  return [...new Set(outcomes.map((outcome) => SIGNS[outcome] ?? '?'))].toSorted().join('');
}
