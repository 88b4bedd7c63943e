import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { Test } from '@nestjs/testing';
import { StorageConfigurationError } from '../../../lib/core/errors.js';
import type { Storage } from '../../../lib/core/storage.js';
import { UploadMemory } from '../../../lib/core/upload-memory.js';
import type { StorageConfiguration } from '../../../lib/drivers/driver-options.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import { poolOf } from '../../../lib/drivers/remote/buffer-pool.js';
import { StorageModule } from '../../../lib/storage.module.js';
import { getStorageToken } from '../../../lib/storage.tokens.js';
import { type S3TestServer, startS3Server } from '../../../lib/testing/s3-server/index.js';

const MIB = 1024 ** 2;
const BODY = randomBytes(6 * MIB);

function chunks(): Readable {
  return Readable.from(
    Array.from({ length: 24 }, (_, n) => BODY.subarray((n * MIB) / 4, ((n + 1) * MIB) / 4)),
  );
}

describe('uploadMemory that storages share', () => {
  let server: S3TestServer;
  let memory: UploadMemory;
  let most: number;

  beforeEach(async () => {
    memory = new UploadMemory('20mb');
    most = 0;
    server = await startS3Server({
      buckets: ['one', 'two'],
      latency() {
        most = Math.max(most, poolOf(memory).held);
        return 1;
      },
    });
  });
  afterEach(() => server.close());

  const configuration = (bucket: string): StorageConfiguration => ({
    driver: 's3',
    bucket,
    endpoint: server.endpoint,
    region: server.region,
    ...server.credentials,
  });

  async function uploadAtOnce(storages: readonly Storage[]): Promise<void> {
    const keys = Array.from({ length: 6 }, (_, n) => `key-${n}`);
    await Promise.all(storages.flatMap((storage) => keys.map((key) => storage.put(key, chunks()))));
    for (const storage of storages) {
      for (const key of keys) expect(BODY.equals(await storage.getBytes(key))).toBe(true);
    }
  }

  it('is what the uploads of all of them take together', async () => {
    await using one = await openStorage('one', { ...configuration('one'), uploadMemory: memory });
    await using two = await openStorage('two', { ...configuration('two'), uploadMemory: memory });
    await uploadAtOnce([one, two]);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(memory.limit);
    expect(poolOf(memory).held).toBe(0);
  });

  it('is that of the module, for storages that say nothing of their own', async () => {
    const own = new UploadMemory('30mb');
    const app = await Test.createTestingModule({
      imports: [
        StorageModule.forRoot({
          uploadMemory: memory,
          storages: {
            one: configuration('one'),
            two: configuration('two'),
            apart: { ...configuration('two'), prefix: 'apart/', uploadMemory: own },
          },
        }),
      ],
    }).compile();
    await app.init();
    const [one, two, apart] = ['one', 'two', 'apart'].map((name) =>
      app.get<Storage>(getStorageToken(name)),
    );
    await uploadAtOnce([one!, two!]);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(memory.limit);
    most = 0;
    await uploadAtOnce([apart!]);
    expect(most).toBe(0);
    await app.close();
  });

  it('must be a size', () => {
    const storages = { one: configuration('one') };
    for (const uploadMemory of ['5 apples', -1, null]) {
      expect(() => StorageModule.forRoot({ storages, uploadMemory } as never)).toThrow(
        StorageConfigurationError,
      );
    }
  });
});
