import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { matrixTables } from './matrix.js';

const RESULTS = 'STORAGE_CONFORMANCE_RESULTS';

/** A Jest reporter: prints what came of the conformance kit, groups of behaviours by storages, when it ran at all. */
export default class MatrixReporter {
  #folder;

  onRunStart() {
    // Before the workers start, which get the environment as it is then.
    this.#folder = mkdtempSync(join(tmpdir(), 'conformance-results-'));
    process.env[RESULTS] = this.#folder;
  }

  onRunComplete() {
    const results = readResults(this.#folder);
    rmSync(this.#folder, { recursive: true, force: true });
    delete process.env[RESULTS];
    // Where Jest itself reports, so that the output of --json stays JSON.
    if (results.length > 0) process.stderr.write(`\n${matrixTables(results)}\n`);
  }
}

/** The lines that the processes of a run have written. */
function readResults(folder) {
  return readdirSync(folder)
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
