import { randomUUID } from 'node:crypto';
import { ContainerClient } from '@azure/storage-blob';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { describeStorageDriver, type OpenedStorage } from '../../lib/testing/conformance/index.js';
import { onSdk } from './sdk.js';
import { TIMEOUT } from './timeout.js';
import { type Azurite, startAzurite } from '../drivers/azure/azurite.js';

let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
}, 60_000);
afterAll(() => azurite[Symbol.asyncDispose]());

async function open(): Promise<OpenedStorage> {
  const { connectionString } = azurite;
  const container = randomUUID();
  await new ContainerClient(connectionString, container).create();
  const openAgain = () => openStorage('azure', { driver: 'azure', container, connectionString });
  const storage = await openAgain();
  return { storage, reopen: openAgain, destroy: () => storage.close() };
}

describeStorageDriver(onSdk('azure 12.34'), open, { servesUrls: true, timeout: TIMEOUT });
