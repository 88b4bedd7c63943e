import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { openStorage } from '../../lib/drivers/open-storage.js';

const root = mkdtempSync(join(tmpdir(), 'cursors-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

// Nobody listens there: a cursor that is none is refused before anything is asked.
const endpoint = 'http://127.0.0.1:1';
const CONFIGURATIONS: Readonly<Record<string, StorageConfiguration>> = {
  memory: { driver: 'memory' },
  local: { driver: 'local', root },
  s3: {
    driver: 's3',
    bucket: 'files',
    region: 'eu-central-1',
    endpoint,
    accessKeyId: 'key',
    secretAccessKey: 'secret',
  },
  gcs: { driver: 'gcs', bucket: 'files', projectId: 'project', apiEndpoint: endpoint },
  azure: {
    driver: 'azure',
    container: 'files',
    accountUrl: `${endpoint}/account`,
    accountName: 'account',
    accountKey: Buffer.from('key').toString('base64'),
  },
};

test.each(Object.entries(CONFIGURATIONS))(
  'a cursor that is none is refused by the %s driver in the words of all of them',
  async (name, configuration) => {
    await using storage = await openStorage(name, configuration);
    for (const cursor of ['', '%']) {
      await expect(storage.listPage({ cursor })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('cursor must be what an earlier page of the same listing'),
      });
    }
  },
);
