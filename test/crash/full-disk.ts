// Fills the small file system of its root in every way that a storage writes, and tells what came of it:
// node full-disk.mjs <root> <bytes of the file system>
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openStorage } from '../../lib/drivers/open-storage.js';

const [root, size] = process.argv.slice(2) as [string, string];
const storage = await openStorage('files', { driver: 'local', root });
const half = randomBytes(Math.ceil(Number(size) / 2));
const old = randomBytes(100_000);
const attributes = { metadata: { version: 'old' } };
await storage.put('old', old, attributes);
const { etag } = await storage.info('old');

/** Every path that is not the storage's `old`, and should not be there when all that was tried has failed. */
async function left(): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !known.has(path));
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

async function* twice(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
  yield bytes;
}

async function isOldIntact(): Promise<boolean> {
  const download = await storage.get('old');
  return (
    download.file.etag === etag &&
    download.file.metadata['version'] === 'old' &&
    Buffer.compare(await download.bytes(), old) === 0
  );
}

const known = new Set<string>();
for (const path of await left()) known.add(path);

const whole = Buffer.concat([half, half]);
const tooLarge = {
  bytes: await codeOf(storage.put('old', whole, attributes)),
  stream: await codeOf(storage.put('old', twice(half), attributes)),
  'create-only': await codeOf(storage.put('new/file', twice(half), { ifNoneMatch: '*' })),
  'compare-and-set': await codeOf(storage.put('old', twice(half), { ifMatch: etag! })),
  part: await partTooLarge(),
};
// The record that locks are linked to stays as long as the storage is open.
const leftByTooLarge = (await left()).filter((path) => !path.endsWith('/owner'));

async function partTooLarge(): Promise<string> {
  const upload = await storage.startMultipartUpload('old');
  const code = await codeOf(storage.uploadPart(upload, 1, whole));
  await storage.abortMultipartUpload(upload);
  return code;
}

// Up to the last byte, so that what is as small as a record fails, too.
const fillers: string[] = [];
for (let bytes = 64 * 1024; bytes >= 1; bytes = Math.floor(bytes / 4)) {
  for (;;) {
    const filler = `filler/${fillers.length}`;
    if ((await codeOf(storage.put(filler, half.subarray(0, bytes)))) !== 'done') break;
    fillers.push(filler);
  }
}
for (const path of await left()) known.add(path);
const noRoom = {
  'with metadata': await codeOf(storage.put('new/file', '', { metadata: { version: 'new' } })),
  'compare-and-set': await codeOf(storage.put('old', '', { ifMatch: etag! })),
  copy: await codeOf(storage.copy('old', 'copy')),
  multipart: await codeOf(storage.startMultipartUpload('old')),
};
const leftByNoRoom = await left();
const intact = await isOldIntact();
const { failed } = await storage.deleteMany(fillers);
const afterwards = await codeOf(storage.put('old', 'new', attributes));

execFileSync('mount', ['-o', 'remount,ro', root]);
const readOnly = {
  put: await codeOf(storage.put('old', 'x')),
  delete: await codeOf(storage.delete('old')),
  copy: await codeOf(storage.copy('old', 'copy')),
  open: await codeOf(openStorage('files', { driver: 'local', root })),
  get: (await storage.getBytes('old')).toString(),
};
await storage.close();
console.log(
  JSON.stringify({
    tooLarge,
    leftByTooLarge,
    noRoom,
    leftByNoRoom,
    intact,
    notDeleted: failed.length,
    afterwards,
    readOnly,
  }),
);
