// `npm run test:sync`: `sync` moves 20,000 files (`-- --files 2000`) from one local storage to S3, to Azure and to another local
// storage, and is killed once on each way. Prints what came of it, and fails when a file was lost, changed or sent again.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createStorage } from '../../lib/drivers/open-storage.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { Program } from '../crash/programs.js';
import { startAzurite } from '../drivers/azure/azurite.js';
import { differences, store } from './files.js';
import { Leg } from './leg.js';

const { values } = parseArgs({ options: { files: { type: 'string', default: '20000' } } });
const files = Number(values.files);

const folder = await mkdtemp(join(tmpdir(), 'sync-'));
await using program = await Program.of('../../lib/command-line/main');
await using s3 = await startS3Server({ defaultChecksum: 'none' });
await using azurite = await startAzurite();
const disk = (name: string) => ({
  driver: 'local' as const,
  root: join(folder, name),
  durability: 'none' as const,
});
const storages = {
  first: disk('first'),
  s3: {
    driver: 's3' as const,
    provider: 'aws' as const,
    bucket: 'bucket',
    endpoint: s3.endpoint,
    region: s3.region,
    accessKeyId: s3.credentials.accessKeyId,
    secretAccessKey: s3.credentials.secretAccessKey,
    forcePathStyle: true,
  },
  azure: {
    driver: 'azure' as const,
    container: 'container',
    connectionString: azurite.connectionString,
  },
  last: disk('last'),
};
const config = join(folder, 'storages.json');
await writeFile(config, JSON.stringify(storages));
await using azure = createStorage('azure', storages.azure);
await azure.open();
await azure.client.create();

await using first = createStorage('first', storages.first);
await using last = createStorage('last', storages.last);
const started = performance.now();
const bytes = await store(first, files);
console.log(`${files} files of ${(bytes / 1024 ** 2).toFixed(0)} MiB in all`);

const ways = [
  ['first', 's3'],
  ['s3', 'azure'],
  ['azure', 'last'],
] as const;
for (const [from, to] of ways) {
  await using target = createStorage(to, storages[to]);
  const leg = new Leg(program, { from, to, config, folder, files, target });
  s3.clearRequests();
  await leg.killed();
  const sent = s3.requests.length;
  await leg.resumed();
  if (to === 's3') {
    const published = s3.requests
      .filter(({ operation }) => ['PutObject', 'CompleteMultipartUpload'].includes(operation ?? ''))
      .map(({ key }) => key);
    leg.assertSentOnce(published, s3.requests.slice(sent));
  }
  tell(`${from} → ${to}`, leg.figures, leg.problems);
}
const { compared, problems } = await differences(first, last);
tell('compared', `${compared} files by bytes, metadata and headers`, problems);
await rm(folder, { recursive: true, force: true });
console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`);

function tell(name: string, figures: string, faults: readonly string[]): void {
  console.log(`${faults.length === 0 ? 'ok  ' : 'FAIL'} ${name} · ${figures}`);
  for (const fault of faults.slice(0, 20)) console.log(`     ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
}
