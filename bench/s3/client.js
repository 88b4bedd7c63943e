import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { chunks, SMALL } from '../bodies.js';
import { measure, ours } from '../row-client.js';
import { signedByHand } from './signed-by-hand.js';
import { sdkClientOn, storageOn } from './sink.js';

const withEngine = (engine) => (sink) => ours({ ...storageOn(sink), engine });

/** What an app writes that has the SDK and nothing else. */
async function plain(sink) {
  const sdk = await import('@aws-sdk/client-s3');
  const { Upload } = await import('@aws-sdk/lib-storage');
  const s3 = await sdkClientOn(sink);
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
