// One client's way through all rows, in a process of its own: milliseconds of the processor for each.
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { openStorage } from 'nestjs-storages';

const { client, port, count } = JSON.parse(process.argv[2]);
const MEBIBYTE = Buffer.alloc(1024 ** 2, 3);
const SMALL = Buffer.alloc(4096, 1);
const AT_ONCE = 64;

const CLIENTS = { direct: () => ours('direct'), sdk: () => ours('sdk'), plain };

async function ours(engine) {
  const storage = await openStorage('bench', {
    driver: 's3',
    provider: 'aws',
    bucket: 'bench',
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    accessKeyId: 'bench',
    secretAccessKey: 'bench',
    engine,
  });
  return {
    put: (key) => storage.put(key, SMALL),
    get: (key) => storage.getBytes(key),
    info: (key) => storage.info(key),
    async list() {
      let keys = 0;
      for await (const _file of storage.list()) keys++;
      return keys;
    },
    upload: () => storage.put('large', mebibytes(256)),
    async download() {
      const { stream } = await storage.get('large');
      for await (const _chunk of stream);
    },
    close: () => storage.close(),
  };
}

/** What an app writes that has the SDK and nothing else. */
async function plain() {
  const sdk = await import('@aws-sdk/client-s3');
  const { Upload } = await import('@aws-sdk/lib-storage');
  const s3 = new sdk.S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
  });
  const Bucket = 'bench';
  return {
    put: (Key) => s3.send(new sdk.PutObjectCommand({ Bucket, Key, Body: SMALL })),
    get: async (Key) => buffer((await s3.send(new sdk.GetObjectCommand({ Bucket, Key }))).Body),
    info: (Key) => s3.send(new sdk.HeadObjectCommand({ Bucket, Key })),
    async list() {
      let keys = 0;
      for await (const { Contents } of sdk.paginateListObjectsV2({ client: s3 }, { Bucket })) {
        keys += Contents.length;
      }
      return keys;
    },
    upload() {
      const Body = Readable.from(mebibytes(256));
      return new Upload({ client: s3, params: { Bucket, Key: 'large', Body } }).done();
    },
    async download() {
      const { Body } = await s3.send(new sdk.GetObjectCommand({ Bucket, Key: 'large' }));
      for await (const _chunk of Body);
    },
    close: () => s3.destroy(),
  };
}

async function* mebibytes(number) {
  for (let index = 0; index < number; index++) yield Buffer.from(MEBIBYTE);
}

async function each(call, calls = count) {
  let next = 0;
  const worker = async () => {
    while (next < calls) await call(`file-${next++}`);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function cpuOf(call) {
  const start = process.cpuUsage();
  await call();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

const tried = await CLIENTS[client]();
const keys = await tried.list();
if (keys !== 100_000) throw new Error(`${client} lists ${keys} keys of 100,000`);
for (const call of [tried.put, tried.get, tried.info]) await each(call, 300);
const rows = {
  'small put': await cpuOf(() => each(tried.put)),
  'small get': await cpuOf(() => each(tried.get)),
  info: await cpuOf(() => each(tried.info)),
  'list 100,000': await cpuOf(tried.list),
  'upload 256 MiB': await cpuOf(tried.upload),
  'download 256 MiB': await cpuOf(tried.download),
};
await tried.close();
process.send(rows);
process.once('disconnect', () => {});
