import { PassThrough, Readable } from 'node:stream';
import { run } from '../../lib/command-line/run.js';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process. */
export async function command(
  argv: readonly string[],
  options: { stdin?: string; signal?: AbortSignal; terminal?: boolean } = {},
): Promise<Ended> {
  const { stdin = '', signal = new AbortController().signal, terminal = false } = options;
  const stdout = new PassThrough();
  const stderr = Object.assign(new PassThrough(), { isTTY: terminal });
  const texts = Promise.all([stdout.toArray(), stderr.toArray()]);
  const code = await run(argv, { stdin: Readable.from([stdin]), stdout, stderr, signal });
  stdout.end();
  stderr.end();
  const [out, err] = await texts;
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}
