import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Storage } from '../../lib/core/storage.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { describeStorageDriver, type OpenedStorage } from '../../lib/testing/conformance/index.js';
import { namesOfFolders } from './folder-names.js';

const signing = {
  baseUrl: 'https://example.com/files',
  signingKeys: [{ id: 'one', secret: 'a secret of at least thirty-two bytes' }],
};

/** What a write, an upload or a lock has left behind. */
async function temporaryFiles(root: string): Promise<string[]> {
  const reserved = join(root, '.nestjs-storages');
  const folders = ['tmp', 'uploads', 'locks'].map((name) => join(reserved, name));
  const names = await Promise.all(
    folders.map((folder) => readdir(folder, { recursive: true }).catch(() => [])),
  );
  return names.flat();
}

async function open(): Promise<OpenedStorage> {
  const root = await mkdtemp(join(tmpdir(), 'conformance-'));
  const reopen = (): Promise<Storage> =>
    openStorage('local', { driver: 'local', root, durability: 'rename', ...signing });
  const storage = await reopen();
  return {
    storage,
    reopen,
    async destroy() {
      await storage.close();
      const left = await temporaryFiles(root);
      await rm(root, { recursive: true, force: true });
      assert.deepEqual(left, []);
    },
  };
}

describeStorageDriver('local', open, { names: await namesOfFolders() });
