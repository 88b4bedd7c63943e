import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A folder of its own for the files of a suite, in that of `BENCH_FOLDER` or of the system.
 *
 * @returns its path, and how to remove it, which is done in any case when the process ends or is interrupted
 */
export function temporaryFolder(name) {
  const path = mkdtempSync(join(process.env.BENCH_FOLDER ?? tmpdir(), `bench-${name}-`));
  const forget = atExit(() => rmSync(path, { recursive: true, force: true, maxRetries: 3 }));
  return {
    path,
    remove() {
      forget();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/**
 * Does something when this process ends, by itself or by a signal.
 *
 * @returns how to forget about it
 */
export function atExit(task) {
  // The latest first: what works in a folder ends before that is removed.
  process.prependListener('exit', task);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    if (process.listenerCount(signal) === 0) process.once(signal, () => process.exit(1));
  }
  return () => process.off('exit', task);
}
