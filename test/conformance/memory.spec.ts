import { Storage } from '../../lib/core/storage.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { describeStorageDriver, type OpenedStorage } from '../../lib/testing/conformance/index.js';

const signingKeys = [{ id: 'one', secret: 'a secret of at least thirty-two bytes' }];

const opened = (storage: Storage): OpenedStorage => ({ storage, destroy: () => storage.close() });

describeStorageDriver('memory', async () =>
  opened(await openStorage('memory', { driver: 'memory' })),
);

describeStorageDriver(
  'memory with a prefix, and URLs',
  async () =>
    opened(
      await openStorage('prefixed', {
        driver: 'memory',
        prefix: 'tenant 1/ü-',
        baseUrl: 'https://example.com/files',
        signingKeys,
        publicUrl: 'https://cdn.example.com/',
      }),
    ),
  { prefixBytes: Buffer.byteLength('tenant 1/ü-') },
);

describeStorageDriver(
  'a scope in a memory storage',
  async () => {
    const whole = await openStorage('whole', { driver: 'memory' });
    // Beside what the scope has there are other files, which it must never see.
    await whole.put('neighbour', 'a');
    await whole.put('scope', 'b');
    return { storage: whole.scope('scope/'), destroy: () => whole.close() };
  },
  { prefixBytes: 'scope/'.length, isView: true },
);
