import { Storage } from '../../lib/core/storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

const MiB = 1024 ** 2;

test.each([
  ['takes no parts as large as usual', { minPartSize: 1, maxPartSize: 4 * MiB }, 4 * MiB],
  ['takes no parts as small as usual', { minPartSize: 16 * MiB, maxPartSize: 64 * MiB }, 16 * MiB],
  ['takes both', { minPartSize: 1, maxPartSize: 64 * MiB }, 8 * MiB],
])('a backend that %s gets parts that it takes', async (_what, limits, expected) => {
  const { driver } = await recordingDriver((memory) => ({
    capabilities: {
      ...memory.capabilities,
      limits: { ...memory.capabilities.limits, ...limits },
    },
  }));
  const storage = new Storage(driver, {});
  const upload = await storage.startMultipartUpload('key');
  expect(upload.partSize).toBe(expected);
  const listed = [];
  for await (const { partSize } of storage.listMultipartUploads()) listed.push(partSize);
  expect(listed).toEqual([expected]);
});
