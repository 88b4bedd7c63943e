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
      await server.close();
    },
  };
}

describeStorageDriver('s3', () => open(''), { servesUrls: true });
