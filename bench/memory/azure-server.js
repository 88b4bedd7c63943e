// Azurite, the emulator of Azure Blob Storage, with its files on disk.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { BlobServiceClient } from '@azure/storage-blob';
import { atExit } from '../folders.js';

const { folder } = JSON.parse(process.argv[2]);
await mkdir(folder, { recursive: true });
const azurite = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');
const server = spawn(
  process.execPath,
  [
    [azurite, '--location', folder, '--blobHost', '127.0.0.1', '--blobPort', '0'],
    ['--disableTelemetry', '--skipApiVersionCheck', '--blobKeepAliveTimeout', '60'],
  ].flat(),
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
atExit(() => server.kill());
process.once('disconnect', () => server.kill());
const port = await listeningPort(server.stdout);

// The emulator's account, which everybody knows.
const name = 'devstoreaccount1';
const key =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const connectionString = `DefaultEndpointsProtocol=http;AccountName=${name};AccountKey=${key};BlobEndpoint=http://127.0.0.1:${port}/${name};`;
await BlobServiceClient.fromConnectionString(connectionString).createContainer('bench');
process.send({ container: 'bench', connectionString });
await once(server, 'exit');

async function listeningPort(output) {
  for await (const line of createInterface(output)) {
    const found = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (found) {
      output.resume();
      return found;
    }
  }
  throw new Error('Azurite ended before it listened');
}
