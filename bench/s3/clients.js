// Clients of one S3, ours and others', brought to one shape.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { buffer } from 'node:stream/consumers';
import { LARGE, MEBIBYTE, SMALL } from '../bodies.js';
import { counted, drained, storageClient } from '../service-rows.js';
import { signedByHand } from './signed-by-hand.js';
import { sdkClientOn, storageOn } from './sink.js';

const BUCKET = 'bench';

/** @type {Record<string, (sink: { port: number }) => Promise<object>>} */
export const CLIENTS = {
  limit: async ({ port }) => signedByHand(port),
  ours: (sink) => storageClient({ ...storageOn(sink), engine: 'direct' }),
  "ours, by the SDK's engine": (sink) => storageClient({ ...storageOn(sink), engine: 'sdk' }),
  'the SDK': sdk,
  FlyDrive: flydrive,
  Flystorage: flystorage,
  'files-sdk': filesSdk,
  OpenDAL: opendal,
};

/** What an app writes that has the SDK and nothing else. */
async function sdk(sink) {
  const aws = await import('@aws-sdk/client-s3');
  const { Upload } = await import('@aws-sdk/lib-storage');
  const client = await sdkClientOn(sink);
  const Bucket = BUCKET;
  return {
    put: (Key) => client.send(new aws.PutObjectCommand({ Bucket, Key, Body: SMALL })),
    get: async (Key) => buffer((await client.send(new aws.GetObjectCommand({ Bucket, Key }))).Body),
    info: (Key) => client.send(new aws.HeadObjectCommand({ Bucket, Key })),
    async list() {
      let keys = 0;
      for await (const { Contents } of aws.paginateListObjectsV2({ client }, { Bucket })) {
        keys += Contents.length;
      }
      return keys;
    },
    upload: (Key, chunks) =>
      new Upload({ client, params: { Bucket, Key, Body: Readable.from(chunks) } }).done(),
    download: async (Key) =>
      drained((await client.send(new aws.GetObjectCommand({ Bucket, Key }))).Body),
    close: () => client.destroy(),
  };
}

async function flydrive(sink) {
  const { Disk } = await import('flydrive');
  const { S3Driver } = await import('flydrive/drivers/s3');
  const client = await sdkClientOn(sink);
  const disk = new Disk(new S3Driver({ client, bucket: BUCKET, visibility: 'private' }));
  return {
    put: (key) => disk.put(key, SMALL),
    get: (key) => disk.getBytes(key),
    info: (key) => disk.getMetaData(key),
    async list() {
      let keys = 0;
      let paginationToken;
      do {
        const page = await disk.listAll('', { recursive: true, paginationToken });
        for (const object of page.objects) if (object.isFile) keys++;
        ({ paginationToken } = page);
      } while (paginationToken !== undefined);
      return keys;
    },
    upload: (key, chunks) =>
      disk.putStream(key, Readable.from(chunks), { contentLength: LARGE * MEBIBYTE.length }),
    download: async (key) => drained(await disk.getStream(key)),
    close: () => client.destroy(),
  };
}

async function flystorage(sink) {
  const { FileStorage } = await import('@flystorage/file-storage');
  const { AwsS3StorageAdapter } = await import('@flystorage/aws-s3');
  const client = await sdkClientOn(sink);
  const storage = new FileStorage(new AwsS3StorageAdapter(client, { bucket: BUCKET }));
  return {
    put: (key) => storage.write(key, SMALL),
    get: (key) => storage.readToBuffer(key),
    info: (key) => storage.stat(key),
    list: () => counted(storage.list('', { deep: true })),
    upload: (key, chunks) => storage.write(key, Readable.from(chunks)),
    download: async (key) => drained(await storage.read(key)),
    close: () => client.destroy(),
  };
}

async function filesSdk(sink) {
  const { Files } = await import('files-sdk');
  const { s3 } = await import('files-sdk/s3');
  const { bucket, endpoint, region, accessKeyId, secretAccessKey } = storageOn(sink);
  const credentials = { accessKeyId, secretAccessKey };
  const files = new Files({
    adapter: s3({ bucket, endpoint, region, credentials, forcePathStyle: true }),
  });
  return {
    put: (key) => files.upload(key, SMALL),
    get: async (key) => Buffer.from(await (await files.download(key)).arrayBuffer()),
    info: (key) => files.head(key),
    list: () => counted(files.listAll()),
    upload: (key, chunks) => files.upload(key, Readable.toWeb(Readable.from(chunks))),
    download: async (key) => drained((await files.download(key, { as: 'stream' })).stream()),
  };
}

async function opendal(sink) {
  const { Operator } = await import('opendal');
  const { bucket, endpoint, region, accessKeyId, secretAccessKey } = storageOn(sink);
  const operator = new Operator('s3', {
    bucket,
    endpoint,
    region,
    access_key_id: accessKeyId,
    secret_access_key: secretAccessKey,
    disable_config_load: 'true',
    disable_ec2_metadata: 'true',
  });
  return {
    put: (key) => operator.write(key, SMALL),
    get: (key) => operator.read(key),
    info: (key) => operator.stat(key),
    list: async () => (await operator.list('', { recursive: true })).length,
    async upload(key, chunks) {
      await pipeline(Readable.from(chunks), (await operator.writer(key)).createWriteStream());
    },
    download: async (key) => drained((await operator.reader(key)).createReadStream()),
  };
}
