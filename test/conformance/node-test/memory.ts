import { after, before, describe, it } from 'node:test';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import { describeStorageDriver } from '../../../lib/testing/conformance/index.js';

describeStorageDriver(
  'memory, by node:test',
  async () => {
    const storage = await openStorage('memory', { driver: 'memory' });
    return { storage, destroy: () => storage.close() };
  },
  {
    runner: {
      describe,
      it,
      beforeAll: (body) => before(body),
      afterAll: (body) => after(body),
    },
  },
);
