import assert from 'node:assert/strict';
import type { Storage } from '../../lib/core/storage.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { describeStorageDriver, type OpenedStorage } from '../../lib/testing/conformance/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { TIMEOUT } from './timeout.js';

// The profiles have specs of their own; this one shares its bucket with others.
const PREFIX = 'tenants/ü/';

async function open(engine: 'direct' | 'sdk'): Promise<OpenedStorage> {
  const server = await startS3Server({ buckets: ['files'] });
  const reopen = (): Promise<Storage> =>
    openStorage('s3', {
      driver: 's3',
      provider: 'aws',
      bucket: 'files',
      endpoint: server.endpoint,
      region: server.region,
      forcePathStyle: true,
      prefix: PREFIX,
      engine,
      ...server.credentials,
    });
  const storage = await reopen();
  return {
    storage,
    reopen,
    async destroy() {
      await storage.close();
      // The server learns of a connection that was cut a little after the one who cut it.
      await server.until(({ inFlight }) => inFlight === 0);
      const left = {
        uploads: server.multipartUploads('files'),
        elsewhere: [...server.objects('files').keys()].filter((key) => !key.startsWith(PREFIX)),
      };
      await server.close();
      assert.deepEqual(left, { uploads: [], elsewhere: [] });
    },
  };
}

for (const engine of ['direct', 'sdk'] as const) {
  describeStorageDriver(engine === 'sdk' ? 's3, engine sdk' : 's3', () => open(engine), {
    servesUrls: true,
    timeout: TIMEOUT,
    prefixBytes: Buffer.byteLength(PREFIX),
  });
}
