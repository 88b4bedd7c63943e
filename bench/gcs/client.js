import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { chunks, SMALL } from '../bodies.js';
import { measure, ours } from '../row-client.js';

const apiEndpointOf = ({ port }) => `http://127.0.0.1:${port}`;

/** What an app writes that has the SDK and nothing else. */
async function plain(server) {
  const { Storage } = await import('@google-cloud/storage');
  const client = new Storage({ apiEndpoint: apiEndpointOf(server), projectId: 'bench' });
  const bucket = client.bucket('bench');
  return {
    put: (key) => bucket.file(key).save(SMALL, { resumable: false }),
    get: (key) => bucket.file(key).download(),
    info: (key) => bucket.file(key).getMetadata(),
    async list() {
      let keys = 0;
      for await (const _file of bucket.getFilesStream()) keys++;
      return keys;
    },
    upload: () => pipeline(Readable.from(chunks()), bucket.file('large').createWriteStream()),
    async download() {
      for await (const _chunk of bucket.file('large').createReadStream());
    },
    close() {},
  };
}

await measure({
  ours: (server) => ours({ driver: 'gcs', bucket: 'bench', apiEndpoint: apiEndpointOf(server) }),
  plain,
});
