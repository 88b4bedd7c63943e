import assert from 'node:assert/strict';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { describeStorageDriver, type OpenedStorage } from '../../lib/testing/conformance/index.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { onSdk } from './sdk.js';
import { TIMEOUT } from './timeout.js';
import { clientOf } from '../drivers/gcs/open-gcs.js';

async function open(): Promise<OpenedStorage> {
  const server = await startGcsServer({ buckets: ['files'] });
  const connect = () =>
    openStorage('gcs', { driver: 'gcs', bucket: 'files', client: clientOf(server) });
  const storage = await connect();
  return {
    storage,
    reopen: connect,
    async fill(keys) {
      for (const key of keys) await server.putObject('files', key, key);
    },
    async destroy() {
      await storage.close();
      // The server learns of a connection that was cut a little after the one who cut it.
      await server.until(({ inFlight }) => inFlight === 0);
      const left = {
        sessions: server.resumableSessions('files'),
        reserved: [...server.objects('files').keys()].filter((name) =>
          name.startsWith('.nestjs-storages/'),
        ),
      };
      await server.close();
      assert.deepEqual(left, { sessions: [], reserved: [] });
    },
  };
}

describeStorageDriver(onSdk('gcs 8'), open, { servesUrls: true, timeout: TIMEOUT });
