// A program of its own, to be killed in the midst of an upload:
// node --import ../leaks/register.js begin-upload.ts '<storage options>' <file> <bytes of a part>
import { createReadStream, statSync } from 'node:fs';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { openStorage } from '../../lib/drivers/open-storage.js';

const [options, path, partSize] = process.argv.slice(2) as [string, string, string];
const storage = await openStorage('uploads', JSON.parse(options) as StorageConfiguration);
const { size } = statSync(path);
const upload = await storage.startMultipartUpload('a/video.mp4', {
  size,
  partSize: Number(partSize),
});
for (const partNumber of [1, 3]) {
  const start = (partNumber - 1) * upload.partSize;
  const body = createReadStream(path, { start, end: start + upload.partSize - 1 });
  await storage.uploadPart(upload, partNumber, body);
}
console.log(JSON.stringify(upload));
// Half of a part, of which the rest never comes.
async function* half(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1000);
  await new Promise(() => setInterval(() => {}, 1000));
}
await storage.uploadPart(upload, 2, half());
