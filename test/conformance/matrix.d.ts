/** A group on one storage, as the kit writes it into the folder that STORAGE_CONFORMANCE_RESULTS names. */
export interface GroupResult {
  readonly storage: string;
  readonly run: string;
  readonly group: string;
  readonly kept: number;
  readonly refused: number;
  readonly broken: readonly string[];
  readonly milliseconds: number;
}

export function matrixTables(results: readonly GroupResult[]): string;
