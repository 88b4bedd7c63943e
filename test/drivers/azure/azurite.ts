import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const ACCOUNT_NAME = 'devstoreaccount1';
/** The key that every emulator has: it opens nothing else. */
const ACCOUNT_KEY =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const MAIN = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');
/** The emulator ends with whoever started it, however that one ended. */
const END_WITH_PARENT =
  'data:text/javascript,process.once("disconnect",()=>process.kill(process.pid,"SIGKILL"))';

export interface Azurite extends AsyncDisposable {
  /** With the account in its path: `http://127.0.0.1:<port>/devstoreaccount1`. */
  readonly endpoint: string;
  readonly accountName: string;
  readonly accountKey: string;
  readonly connectionString: string;
}

export interface AzuriteOptions {
  /** PEM files with which it speaks TLS, and takes OAuth tokens. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Microsoft's emulator in a process of its own: in memory, on a port that the system picks. */
export async function startAzurite({ tls }: AzuriteOptions = {}): Promise<Azurite> {
  const child = fork(
    MAIN,
    [
      ['--blobHost', '127.0.0.1', '--blobPort', '0', '--blobKeepAliveTimeout', '60'],
      ['--inMemoryPersistence', '--silent', '--disableTelemetry', '--skipApiVersionCheck'],
      tls ? ['--oauth', 'basic', '--cert', tls.cert, '--key', tls.key] : [],
    ].flat(),
    { execArgv: ['--import', END_WITH_PARENT], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  );
  const closed = once(child, 'close');
  const said: string[] = [];
  child.stderr!.on('data', (chunk) => said.push(String(chunk)));
  let origin: string | undefined;
  for await (const line of createInterface(child.stdout!)) {
    said.push(line);
    origin = /listens? on (https?:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (origin) break;
  }
  if (!origin) throw new Error(`Azurite did not start: ${said.join('\n')}`);
  child.stdout!.resume();
  const endpoint = `${origin}/${ACCOUNT_NAME}`;
  return {
    endpoint,
    accountName: ACCOUNT_NAME,
    accountKey: ACCOUNT_KEY,
    connectionString: connectionString(endpoint),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

/** That of the emulator's account behind any address, such as a proxy's. */
export function connectionString(endpoint: string): string {
  return [
    `DefaultEndpointsProtocol=${new URL(endpoint).protocol.slice(0, -1)}`,
    `AccountName=${ACCOUNT_NAME}`,
    `AccountKey=${ACCOUNT_KEY}`,
    `BlobEndpoint=${endpoint}`,
  ].join(';');
}
