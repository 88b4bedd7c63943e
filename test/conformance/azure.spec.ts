import { randomUUID } from 'node:crypto';
import { ContainerClient } from '@azure/storage-blob';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { describeStorageDriver, type OpenedStorage } from '../../lib/testing/conformance/index.js';
import { isNewestSdk, onSdk } from './sdk.js';
import { TIMEOUT } from './timeout.js';
import { type Azurite, startAzurite } from '../drivers/azure/azurite.js';

let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite[Symbol.asyncDispose]());

async function open(engine: 'direct' | 'sdk'): Promise<OpenedStorage> {
  const { connectionString } = azurite;
  const container = randomUUID();
  const client = new ContainerClient(connectionString, container);
  await client.create();
  const openAgain = () =>
    openStorage('azure', { driver: 'azure', container, connectionString, engine });
  const storage = await openAgain();
  return {
    storage,
    reopen: openAgain,
    async destroy() {
      await storage.close();
      // Azurite deletes a blob the more slowly the more there are, of whatever container.
      await client.delete();
    },
  };
}

// The older release is there for its pipeline, which the engine "direct" does not use.
for (const engine of isNewestSdk() ? (['direct', 'sdk'] as const) : (['sdk'] as const)) {
  const name = onSdk(engine === 'sdk' ? 'azure 12.34, engine sdk' : 'azure 12.34');
  describeStorageDriver(name, () => open(engine), { servesUrls: true, timeout: TIMEOUT });
}
