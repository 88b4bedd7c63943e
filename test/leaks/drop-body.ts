// A program of its own: what Jest measures coverage with holds what nothing else does.
// node --expose-gc --import ./register.js drop-body.ts
import { setTimeout } from 'node:timers/promises';
import { createStorage } from '../../lib/index.js';
import { startS3Server } from '../../lib/testing/index.js';

await using server = await startS3Server({ buckets: ['photos'] });
await using storage = createStorage('dropped', {
  driver: 's3',
  provider: 'aws',
  bucket: 'photos',
  endpoint: server.endpoint,
  region: server.region,
  ...server.credentials,
});
await storage.put('a', Buffer.alloc(3 * 1024 ** 2));

const warnings: string[] = [];
process.on('warning', (warning: Error & { code?: string }) => {
  if (warning.code === 'STORAGE_BODY_NOT_READ') warnings.push(warning.message);
});
await (async () => void (await storage.get('a')))();
while (warnings.length === 0) {
  globalThis.gc!();
  await setTimeout(2);
}
console.log(JSON.stringify(warnings));
