// Writes in every way until it is killed, and says what is stored for good: one line for each file of its own.
// node writer.mjs <root> <name> <n to go on from>
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { StorageError } from '../../lib/core/errors.js';

const [root, name, begin] = process.argv.slice(2) as [string, string, string];
const storage = await openStorage('files', { driver: 'local', root, createRoot: true });
const shared = (): string => `shared/${randomInt(2)}/${randomInt(4)}`;
// What the others may have done a moment before.
const EXPECTED = new Set(['FILE_NOT_FOUND', 'FILE_EXISTS', 'PRECONDITION_FAILED']);

function some(): { bytes: Buffer; options: { metadata: Record<string, string> } } {
  const bytes = randomBytes(randomInt(10) === 0 ? 1_000_000 : randomInt(50_000));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { bytes, options: { metadata: { sha256 } } };
}

async function* inChunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 30_000) {
    yield bytes.subarray(start, start + 30_000);
  }
}

const WRITES: readonly (() => Promise<unknown>)[] = [
  () => {
    const { bytes, options } = some();
    return storage.put(shared(), bytes, options);
  },
  () => {
    const { bytes, options } = some();
    return storage.put(shared(), inChunks(bytes), options);
  },
  () => {
    const { bytes, options } = some();
    return storage.put(shared(), bytes, { ...options, ifNoneMatch: '*' });
  },
  async () => {
    const key = shared();
    const { etag } = await storage.info(key);
    const { bytes, options } = some();
    await storage.put(key, bytes, { ...options, ifMatch: etag! });
  },
  async () => {
    const { bytes, options } = some();
    const upload = await storage.startMultipartUpload(shared(), options);
    const half = Math.ceil(bytes.length / 2);
    await storage.uploadPart(upload, 1, bytes.subarray(0, half));
    await storage.uploadPart(upload, 2, bytes.subarray(half));
    await storage.completeMultipartUpload(upload);
  },
  () => storage.copy(shared(), `${shared()}-copy`),
  () => storage.move(shared(), `${shared()}-moved`),
  () => storage.delete(shared()),
];

for (let n = Number(begin); ; n++) {
  const text = `${n} of ${name}`;
  await storage.put(`own/${name}`, text, {
    metadata: { sha256: createHash('sha256').update(text).digest('hex') },
  });
  writeSync(1, `${n}\n`);
  try {
    await WRITES[randomInt(WRITES.length)]!();
  } catch (error) {
    if (error instanceof StorageError && EXPECTED.has(error.code)) continue;
    writeSync(1, `${String(error)}\n`);
  }
}
