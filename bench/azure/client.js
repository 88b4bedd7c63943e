import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { chunks, SMALL } from '../bodies.js';
import { measure, ours } from '../row-client.js';

const connectionStringOf = ({ port }) =>
  `DefaultEndpointsProtocol=http;AccountName=bench;AccountKey=${Buffer.alloc(64, 1).toString('base64')};BlobEndpoint=http://127.0.0.1:${port}/bench;`;

/** What an app writes that has the SDK and nothing else. */
async function plain(server) {
  const { ContainerClient } = await import('@azure/storage-blob');
  const container = new ContainerClient(connectionStringOf(server), 'bench');
  const blob = (key) => container.getBlockBlobClient(key);
  return {
    put: (key) => blob(key).upload(SMALL, SMALL.length),
    get: async (key) => buffer((await blob(key).download()).readableStreamBody),
    info: (key) => blob(key).getProperties(),
    async list() {
      let keys = 0;
      for await (const _blob of container.listBlobsFlat()) keys++;
      return keys;
    },
    upload: () => blob('large').uploadStream(Readable.from(chunks())),
    async download() {
      const { readableStreamBody } = await blob('large').download();
      for await (const _chunk of readableStreamBody);
    },
    close() {},
  };
}

const engine = (name) => (server) =>
  ours({
    driver: 'azure',
    container: 'bench',
    connectionString: connectionStringOf(server),
    engine: name,
  });

await measure({ direct: engine('direct'), sdk: engine('sdk'), plain });
