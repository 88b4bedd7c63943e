import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { chunks, SMALL } from '../bodies.js';
import { measure, ours } from '../row-client.js';
import { signedByHand } from './signed-by-hand.js';

const withEngine =
  (engine) =>
  ({ port }) =>
    ours({
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

/** What an app writes that has the SDK and nothing else. */
async function plain({ port }) {
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
      const Body = Readable.from(chunks());
      return new Upload({ client: s3, params: { Bucket, Key: 'large', Body } }).done();
    },
    async download() {
      const { Body } = await s3.send(new sdk.GetObjectCommand({ Bucket, Key: 'large' }));
      for await (const _chunk of Body);
    },
    close: () => s3.destroy(),
  };
}

await measure({
  direct: withEngine('direct'),
  sdk: withEngine('sdk'),
  plain,
  raw: ({ port }) => signedByHand(port),
});
