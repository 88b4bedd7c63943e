// An app with the lower end of every range in `peerDependencies`.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Consumer } from '../package/consumer.js';

/** Puts and gets within an app, opens a storage of each SDK, and stores by the one that has a server here. */
const APP = `import 'reflect-metadata';
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { getStorageToken, openStorage, StorageModule } from 'nestjs-storages';
import { instrumentStorages } from 'nestjs-storages/opentelemetry';
import { startS3Server } from 'nestjs-storages/testing';
import { TusModule } from 'nestjs-storages/tus';

instrumentStorages();
class AppModule {}
Module({
  imports: [
    StorageModule.forRoot({ storages: { files: { driver: 'local', root: './var/files' } } }),
    TusModule.forRoot({
      storage: 'files',
      signingKeys: [{ id: 'one', secret: 'a secret of at least thirty-two bytes' }],
      maxSize: '1gb',
    }),
  ],
})(AppModule);
const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
await app.listen(0, '127.0.0.1');
await storesAndReads(app.get(getStorageToken('files')));
await app.close();

const server = await startS3Server({ buckets: ['bucket'] });
const s3 = { driver: 's3', bucket: 'bucket', region: server.region, endpoint: server.endpoint, forcePathStyle: true, ...server.credentials };
for (const engine of ['direct', 'sdk']) {
  const images = await openStorage('images', { ...s3, engine });
  await storesAndReads(images);
  assert.equal(await (await fetch(await images.url('a.txt'))).text(), 'hello');
  await images.close();
}
await server.close();

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const media = await openStorage('media', {
  driver: 'gcs',
  bucket: 'bucket',
  credentials: {
    client_email: 'a@b.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  },
});
assert.match(await media.url('a.txt'), /X-Goog-Signature=/);
await media.close();

const accountKey = Buffer.alloc(64, 1).toString('base64');
const docs = await openStorage('docs', { driver: 'azure', container: 'docs', accountName: 'a', accountKey });
assert.match(await docs.url('a.txt'), /sig=/);
await docs.close();
// By DefaultAzureCredential of @azure/identity, which is asked for a token only by a request.
await (await openStorage('docs', { driver: 'azure', container: 'docs', accountName: 'a' })).close();

async function storesAndReads(storage) {
  await storage.put('a.txt', 'hello');
  assert.equal((await storage.getBytes('a.txt')).toString(), 'hello');
}
`;

/** Installs exactly the oldest releases. Resolves to the consumer, ready to run. */
export async function prepareOldestPeers({ tarball, repository, work }) {
  const manifest = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8'));
  const oldest = Object.entries(manifest.peerDependencies).map(([name, range]) => [
    name,
    range.split(' || ')[0].replace('^', ''),
  ]);
  const dependencies = Object.fromEntries(oldest);
  dependencies['@nestjs/platform-express'] = dependencies['@nestjs/core'];
  const consumer = await Consumer.create(work, 'oldest-peers', {
    type: 'module',
    tarball,
    dependencies,
  });
  await consumer.write('app.js', APP);
  await consumer.install();
  return consumer;
}
