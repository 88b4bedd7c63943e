import { TIMEOUT } from './timeout.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeStorageDriver, type OpenedStorage } from '../../lib/testing/conformance/index.js';
import { namesOfFolders } from './folder-names.js';
import { openServed } from './routes.js';

async function open(adapter: string): Promise<OpenedStorage> {
  const root = await mkdtemp(join(tmpdir(), 'conformance-'));
  const { storage, destroy } = await openServed(adapter, {
    driver: 'local',
    root,
    durability: 'none',
  });
  return {
    storage,
    async destroy() {
      await destroy();
      await rm(root, { recursive: true, force: true });
    },
  };
}

const names = await namesOfFolders();

describeStorageDriver('local, served by Express', () => open('Express'), {
  servesUrls: true,
  timeout: TIMEOUT,
  names,
});

describeStorageDriver('local, served by Fastify', () => open('Fastify'), {
  servesUrls: true,
  timeout: TIMEOUT,
  names,
});
