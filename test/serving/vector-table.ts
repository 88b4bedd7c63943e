import { type Vector, VECTORS } from './vectors.js';

/** What each request got from each app, as a table of statuses. */
export class VectorTable {
  readonly #columns: string[] = [];
  readonly #cells = new Map<string, number>();

  add(column: string, { it }: Vector, status: number): void {
    if (!this.#columns.includes(column)) this.#columns.push(column);
    this.#cells.set(`${it}\n${column}`, status);
  }

  toString(): string {
    const columns = this.#columns;
    const line = (title: string, cells: string[]): string =>
      [title.slice(0, 60).padEnd(60), ...cells.map((cell, at) => cell.padEnd(columns[at]!.length))]
        .join('  ')
        .trimEnd();
    const rows = VECTORS.map((vector) =>
      line(
        `${vector.method ?? 'GET'} ${vector.it}`,
        columns.map((column) => {
          const status = this.#cells.get(`${vector.it}\n${column}`);
          return status === vector.status ? String(status) : `not ${vector.status}: ${status}`;
        }),
      ),
    );
    const right = VECTORS.length * columns.length - this.#wrong(columns);
    return [
      line('RFC 9110', columns),
      ...rows,
      `${right} of ${VECTORS.length * columns.length} answers have the status of RFC 9110`,
    ].join('\n');
  }

  #wrong(columns: readonly string[]): number {
    return VECTORS.flatMap(({ it, status }) =>
      columns.filter((column) => this.#cells.get(`${it}\n${column}`) !== status),
    ).length;
  }
}
