import { build } from 'esbuild';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { text } from 'node:stream/consumers';

/** A program as plain JavaScript: it starts in a tenth of the time that its sources take. */
export class Program implements AsyncDisposable {
  private constructor(
    private readonly folder: string,
    readonly path: string,
  ) {}

  /** @param source of TypeScript, without its extension, as seen from this folder */
  static async of(source: string): Promise<Program> {
    // Inside the package, so that what it imports of others is found.
    const folder = await mkdtemp(join(import.meta.dirname, '../../node_modules/.crash-'));
    await build({
      entryPoints: [join(import.meta.dirname, `${source}.ts`)],
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      // What one driver imports, the others need not load.
      splitting: true,
      platform: 'node',
      format: 'esm',
      target: 'es2022',
      packages: 'external',
      logLevel: 'error',
    });
    return new Program(folder, join(folder, `${basename(source)}.mjs`));
  }

  /** Starts it; it ends with whoever started it, as it is told to stop when its standard input ends. */
  start(...args: string[]): ChildProcess {
    return spawn(process.execPath, [this.path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /** Runs it to its end below a command, which gets it as its last arguments. @returns what it printed, as JSON */
  async run<Result>(command: readonly string[], ...args: string[]): Promise<Result> {
    const [first, ...rest] = [...command, process.execPath, this.path, ...args];
    const child = spawn(first!, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    const [output, errors] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    if (child.exitCode !== 0) throw new Error(`It ended with ${child.exitCode}: ${errors}`);
    return JSON.parse(output) as Result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Runs what follows where a folder is a small file system of its own, which nobody else sees and which ends with it. */
export function onTmpfs(folder: string, options: string): string[] {
  const script = 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"';
  return ['unshare', '--map-root-user', '--mount', 'sh', '-c', script, 'sh', options, folder];
}

/** Runs what follows with so many descriptors at most. */
export function withDescriptors(limit: number): string[] {
  return ['sh', '-c', 'ulimit -n "$1" && shift && exec "$@"', 'sh', String(limit)];
}

/** Why no tmpfs can be mounted; `undefined` when one can. */
export function whyNoTmpfs(): string | undefined {
  const [command, ...args] = [...onTmpfs(tmpdir(), 'size=1m'), 'true'];
  const { status, error, stderr } = spawnSync(command!, args, { encoding: 'utf8' });
  if (status === 0) return undefined;
  return `no tmpfs can be mounted: ${error?.message ?? stderr.trim()}`;
}
