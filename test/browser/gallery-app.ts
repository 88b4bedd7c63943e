import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const MAIN = join(import.meta.dirname, '../../sample/gallery/dist/main.js');

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** The built sample app in a process of its own, with a folder of its own. */
export class GalleryApp {
  private constructor(
    readonly root: string,
    readonly url: string,
    /** The line that says where the photos go. */
    readonly greeting: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(environment: NodeJS.ProcessEnv = {}): Promise<GalleryApp> {
    const root = await mkdtemp(join(tmpdir(), 'gallery-'));
    const child = run({ STORAGE_ROOT: root, ...environment });
    let output = '';
    for await (const line of createInterface(child.stdout!)) {
      output += `${line}\n`;
      const url = /http:\/\/localhost:\d+/.exec(line)?.[0];
      if (!url) continue;
      child.stdout!.resume();
      return new GalleryApp(root, url, line, child);
    }
    throw new Error(`The gallery did not start: ${output}`);
  }

  /** Starts the app where it cannot, and answers what it says. */
  static async fail(environment: NodeJS.ProcessEnv): Promise<Ended> {
    const child = run(environment, 'pipe');
    let output = '';
    child.stdout!.on('data', (text) => (output += String(text)));
    child.stderr!.on('data', (text) => (output += String(text)));
    const [code, signal] = await once(child, 'close');
    return { code, signal, output };
  }

  /** Paths of all files below the root, whatever they are. */
  async files(): Promise<string[]> {
    const entries = await readdir(this.root, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  }

  async stop(): Promise<Pick<Ended, 'code' | 'signal'>> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await rm(this.root, { recursive: true, force: true });
    return { code: child.exitCode, signal: child.signalCode };
  }
}

function run(environment: NodeJS.ProcessEnv, stderr: 'inherit' | 'pipe' = 'inherit'): ChildProcess {
  return spawn(process.execPath, [MAIN], {
    env: { ...process.env, NODE_OPTIONS: '', PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', stderr],
  });
}
