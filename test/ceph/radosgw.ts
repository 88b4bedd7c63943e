import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { S3Endpoint } from './battery/request.js';

declare const RADOSGW_INSTALLED: boolean;

/** `describe` where radosgw is installed; where it is not, the configuration of the run has said so. */
export const describeRadosgw = RADOSGW_INSTALLED ? describe : describe.skip;

/** A gateway, with a cluster of its own behind it. */
export interface Radosgw extends S3Endpoint {
  /** Resolves when every process is gone, and the folder with all that they stored. */
  close(): Promise<void>;
}

export const START_SCRIPT = join(import.meta.dirname, 'start-radosgw.sh');
const MAX_ATTEMPTS = 3;

interface StartOptions {
  /** Below which everything is stored. Default: that of the system for temporary files. */
  readonly folder?: string;
  /** Of the gateway and of its monitor. Default: free ones. */
  readonly ports?: readonly [number, number];
}

/** Starts a gateway. Its processes end together with this one, whatever that dies of. */
export async function startRadosgw(options: StartOptions = {}): Promise<Radosgw> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options);
    } catch (error) {
      // Between the look for free ports and the start, somebody else can take one.
      if (options.ports || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

async function start({ folder = tmpdir(), ports }: StartOptions): Promise<Radosgw> {
  const [port, monitorPort] = ports ?? (await freePorts());
  const credentials = {
    accessKeyId: 'radosgw-access-key',
    secretAccessKey: randomBytes(20).toString('base64url'),
  };
  const { accessKeyId, secretAccessKey } = credentials;
  const script = spawn(
    START_SCRIPT,
    [String(port), String(monitorPort), accessKeyId, secretAccessKey],
    // In a group of its own: Ctrl-C ends the run, and only then, by the end of its input, the script.
    { stdio: 'pipe', detached: true, env: { ...process.env, TMPDIR: folder } },
  );
  const ended = once(script, 'close');
  const complaints = text(script.stderr);
  const lines = createInterface(script.stdout)[Symbol.asyncIterator]();
  const { value } = await lines.next();
  if (value !== 'ready') {
    await ended;
    throw new Error(`radosgw did not start:\n${await complaints}`);
  }
  return {
    port,
    region: 'us-east-1',
    credentials,
    async close() {
      script.stdin.end();
      await ended;
    },
  };
}

export async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()] as const;
  const [first, second] = servers;
  try {
    return [await listen(first), await listen(second)];
  } finally {
    for (const server of servers) server.close();
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
