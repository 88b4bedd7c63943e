import assert from 'node:assert/strict';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { describeStorageDriver, type OpenedStorage } from '../../lib/testing/conformance/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';

async function open(prefix: string): Promise<OpenedStorage> {
  const server = await startS3Server({ buckets: ['files'] });
  const storage = await openStorage('s3', {
    driver: 's3',
    bucket: 'files',
    endpoint: server.endpoint,
    region: server.region,
    ...server.credentials,
    prefix,
  });
  return {
    storage,
    async destroy() {
      await storage.close();
      const left = { inFlight: server.inFlight, uploads: server.multipartUploads('files') };
      await server.close();
      assert.deepEqual(left, { inFlight: 0, uploads: [] });
    },
  };
}

describeStorageDriver('s3', () => open(''), { servesUrls: true });
