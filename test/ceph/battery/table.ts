/** What the servers answered to one request. */
export interface Answers {
  readonly strict: string;
  /** The strict server in the role of Ceph. */
  readonly asCeph: string;
  readonly radosgw: string;
}

export interface Row extends Answers {
  readonly request: string;
  readonly note: string;
}

const HEADER: Row = {
  request: 'request',
  strict: 'strict',
  asCeph: 'strict as ceph',
  radosgw: 'radosgw',
  note: 'note',
};
const WIDTHS = { request: 64, strict: 36, asCeph: 36, radosgw: 36 };

/** Prints the answers side by side; an answer like that of the strict server is a sign of repetition. */
export function printTable(rows: readonly Row[]): void {
  const lines = [HEADER, ...rows].map((row) => {
    const like = (answer: string): string => (answer === row.strict ? '〃' : answer);
    return [
      fitted(row.request, WIDTHS.request),
      fitted(row.strict, WIDTHS.strict),
      fitted(like(row.asCeph), WIDTHS.asCeph),
      fitted(like(row.radosgw), WIDTHS.radosgw),
      row.note,
    ]
      .join('  ')
      .trimEnd();
  });
  const different = rows.filter(({ strict, radosgw }) => strict !== radosgw).length;
  lines.push(`${rows.length} requests, ${different} of them answered otherwise by radosgw`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

function fitted(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}
