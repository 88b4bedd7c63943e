// Storages in a folder of the local disk, ours and others', brought to one shape.
import { createWriteStream } from 'node:fs';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

const MEBIBYTE = 1024 ** 2;
const writeFile = promisify(fs.writeFile);
const readFile = promisify(fs.readFile);
const rename = promisify(fs.rename);

/** @type {Record<string, (root: string) => Promise<object>>} */
export const STORAGES = {
  limit: async (root) => bare(root),
  ours: (root) => ours(root, 'rename'),
  'ours, durability full': (root) => ours(root, 'full'),
  FlyDrive: flydrive,
  Flystorage: flystorage,
  'files-sdk': filesSdk,
  unstorage,
  OpenDAL: opendal,
};

/** What Node can do when nothing is checked, and nothing comes on top. */
function bare(root) {
  const at = (key) => join(root, key);
  let drafts = 0;
  return {
    put: (key, bytes) => writeFile(at(key), bytes),
    async putStream(key, stream) {
      const draft = at(`draft-${drafts++}`);
      await pipeline(stream, createWriteStream(draft, { highWaterMark: MEBIBYTE }));
      await rename(draft, at(key));
    },
    read: (key) => readFile(at(key)),
    async readStream(key) {
      const descriptor = await promisify(fs.open)(at(key));
      const buffer = Buffer.allocUnsafeSlow(MEBIBYTE);
      const read = promisify(fs.read);
      let bytes = 0;
      for (;;) {
        const { bytesRead } = await read(descriptor, buffer, 0, MEBIBYTE, null);
        if (bytesRead === 0) break;
        bytes += bytesRead;
      }
      await promisify(fs.close)(descriptor);
      return bytes;
    },
    async list() {
      let files = 0;
      for (const folder of fs.readdirSync(root)) {
        if (folder.startsWith('.')) continue;
        for (const name of fs.readdirSync(at(folder))) {
          fs.statSync(join(root, folder, name));
          files++;
        }
      }
      return files;
    },
    copy: (from, to) => promisify(fs.copyFile)(at(from), at(to), fs.constants.COPYFILE_FICLONE),
    move: (from, to) => rename(at(from), at(to)),
  };
}

async function ours(root, durability) {
  const { openStorage } = await import('nestjs-storages');
  const storage = await openStorage('bench', { driver: 'local', root, durability });
  return {
    put: (key, bytes) => storage.put(key, bytes),
    putStream: (key, stream) => storage.put(key, stream),
    read: (key) => storage.getBytes(key),
    readStream: async (key) => drained((await storage.get(key)).stream),
    async list() {
      let files = 0;
      for await (const file of storage.list()) if (file.size >= 0) files++;
      return files;
    },
    copy: (from, to) => storage.copy(from, to),
    move: (from, to) => storage.move(from, to),
    close: () => storage.close(),
  };
}

async function flydrive(root) {
  const { Disk } = await import('flydrive');
  const { FSDriver } = await import('flydrive/drivers/fs');
  const disk = new Disk(new FSDriver({ location: root, visibility: 'private' }));
  return {
    put: (key, bytes) => disk.put(key, bytes),
    putStream: (key, stream) => disk.putStream(key, stream),
    read: (key) => disk.getBytes(key),
    readStream: async (key) => drained(await disk.getStream(key)),
    // Names alone: its listing has no sizes.
    async list() {
      const { objects } = await disk.listAll('', { recursive: true });
      let files = 0;
      for (const object of objects) if (object.isFile) files++;
      return files;
    },
    copy: (from, to) => disk.copy(from, to),
    move: (from, to) => disk.move(from, to),
  };
}

async function flystorage(root) {
  const { FileStorage } = await import('@flystorage/file-storage');
  const { LocalStorageAdapter } = await import('@flystorage/local-fs');
  const storage = new FileStorage(new LocalStorageAdapter(root));
  return {
    put: (key, bytes) => storage.write(key, bytes),
    putStream: (key, stream) => storage.write(key, stream),
    read: (key) => storage.readToBuffer(key),
    readStream: async (key) => drained(await storage.read(key)),
    // Names alone: its listing has no sizes.
    async list() {
      let files = 0;
      for await (const entry of storage.list('', { deep: true })) if (entry.isFile) files++;
      return files;
    },
    copy: (from, to) => storage.copyFile(from, to),
    move: (from, to) => storage.moveFile(from, to),
  };
}

async function filesSdk(root) {
  const { Files } = await import('files-sdk');
  const { fs: adapter } = await import('files-sdk/fs');
  const files = new Files({ adapter: adapter({ root }) });
  const { Readable } = await import('node:stream');
  return {
    put: (key, bytes) => files.upload(key, bytes),
    putStream: (key, stream) => files.upload(key, Readable.toWeb(stream)),
    read: async (key) => Buffer.from(await (await files.download(key)).arrayBuffer()),
    readStream: async (key) => drained((await files.download(key, { as: 'stream' })).stream()),
    async list() {
      let count = 0;
      for await (const file of files.listAll()) if (file.size >= 0) count++;
      return count;
    },
    copy: (from, to) => files.copy(from, to),
    move: (from, to) => files.move(from, to),
  };
}

async function unstorage(root) {
  const { createStorage } = await import('unstorage');
  const { default: driver } = await import('unstorage/drivers/fs');
  const storage = createStorage({ driver: driver({ base: root }) });
  return {
    put: (key, bytes) => storage.setItemRaw(key, bytes),
    read: (key) => storage.getItemRaw(key),
    // Names alone: its listing has no sizes.
    list: async () => (await storage.getKeys()).length,
  };
}

async function opendal(root) {
  const { Operator } = await import('opendal');
  const operator = new Operator('fs', { root });
  return {
    put: (key, bytes) => operator.write(key, bytes),
    async putStream(key, stream) {
      await pipeline(stream, (await operator.writer(key)).createWriteStream());
    },
    read: (key) => operator.read(key),
    readStream: async (key) => drained((await operator.reader(key)).createReadStream()),
    async list() {
      const entries = await operator.list('', { recursive: true });
      return entries.filter((entry) => !entry.path().endsWith('/')).length;
    },
    copy: (from, to) => operator.copy(from, to),
    move: (from, to) => operator.rename(from, to),
  };
}

async function drained(stream) {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}
