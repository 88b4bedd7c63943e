import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const SAMPLES = join(import.meta.dirname, '../../sample');

/** A built sample, in a process and with a folder of its own. */
export class SampleApp {
  private constructor(
    readonly url: string,
    private readonly root: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(sample: string, environment: NodeJS.ProcessEnv = {}): Promise<SampleApp> {
    const root = await mkdtemp(join(tmpdir(), `${sample}-`));
    const child = spawn(process.execPath, [join(SAMPLES, sample, 'dist/main.js')], {
      env: { ...process.env, NODE_OPTIONS: '', PORT: '0', STORAGE_ROOT: root, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface(child.stdout!)) {
      const url = /http:\/\/localhost:\d+/.exec(line)?.[0];
      if (!url) continue;
      child.stdout!.resume();
      return new SampleApp(url, root, child);
    }
    throw new Error(`The sample ${sample} did not start`);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
    await rm(this.root, { recursive: true, force: true });
  }
}
