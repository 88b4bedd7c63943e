import { FAULTED_BACKENDS, type FaultedBackend } from './backends.js';
import { type CellResult, contentsFor, countRequests, tryCell } from './fault-case.js';
import { FAULTS, type TriedFault } from './faults.js';
import { faultTable } from './fault-table.js';
import { type FaultedOperation, OPERATIONS } from './operations.js';

/** Cells that are tried at once: most of the time of one is waiting. */
const CONCURRENCY = 8;

export interface MatrixOptions {
  /** Names of operations and of faults. Default all. */
  readonly operations?: readonly string[];
  readonly faults?: readonly string[];
}

/** Registers a test for each operation under each fault, and prints what came of them. */
export function describeFaults(
  name: keyof typeof FAULTED_BACKENDS,
  options: MatrixOptions = {},
): void {
  const operations = chosen(OPERATIONS, options.operations);
  const faults = chosen(FAULTS, options.faults);
  describe(`${name} under faults`, () => {
    const results: CellResult[] = [];
    const cells = operations.flatMap((operation) => faults.map((fault) => ({ operation, fault })));
    const running: Promise<CellResult>[] = [];
    let backend: FaultedBackend;

    beforeAll(async () => {
      backend = await FAULTED_BACKENDS[name]();
      const contents = contentsFor(backend);
      const counts = new Map<FaultedOperation, number>();
      for (const operation of operations) {
        counts.set(operation, await countRequests(backend, contents, operation));
      }
      const lanes = Array.from({ length: CONCURRENCY }, () => Promise.resolve());
      for (const [index, { operation, fault }] of cells.entries()) {
        const lane = index % CONCURRENCY;
        const result = lanes[lane]!.then(() =>
          tryCell(backend, contents, operation, fault, counts.get(operation)!),
        );
        // Its own test tells of a failure; the next of the lane goes on.
        lanes[lane] = result.then(
          () => {},
          () => {},
        );
        running.push(result);
      }
    });

    afterAll(async () => {
      await Promise.allSettled(running);
      await backend[Symbol.asyncDispose]();
      if (!options.operations) process.stderr.write(`\n${faultTable(name, results)}\n`);
    });

    test.each(cells.map((cell, index) => [cell.operation.name, cell.fault.name, index] as const))(
      '%s, %s: ends in time, with the old or the new file, and leaves nothing',
      async (_operation, _fault, index) => {
        const result = await running[index]!;
        results.push(result);
        expect(result.problems).toEqual([]);
      },
    );
  });
}

function chosen<Row extends FaultedOperation | TriedFault>(
  rows: readonly Row[],
  names: readonly string[] | undefined,
): readonly Row[] {
  return names ? names.map((name) => rows.find((row) => row.name === name)!) : rows;
}
