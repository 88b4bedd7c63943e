import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { describeStorageDriver } from '../../lib/testing/conformance/index.js';

const signing = {
  baseUrl: 'https://example.com/files',
  signingKeys: [{ id: 'one', secret: 'a secret of at least thirty-two bytes' }],
};

describeStorageDriver('local', async () => {
  const root = await mkdtemp(join(tmpdir(), 'conformance-'));
  const storage = await openStorage('local', {
    driver: 'local',
    root,
    durability: 'rename',
    ...signing,
  });
  return {
    storage,
    async destroy() {
      await storage.close();
      await rm(root, { recursive: true, force: true });
    },
  };
});
