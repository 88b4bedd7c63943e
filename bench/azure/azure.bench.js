// What calls to Azure Blob Storage take: of this library by its own requests and through the SDK's pipeline, and of the SDK alone.
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { SMALL } from '../bodies.js';
import { counted, drained, serviceRows, storageClient } from '../service-rows.js';

export const title = 'an Azure Blob Storage that answers at once';

const CONTAINER = 'bench';

const judged = { wanted: { best: 1 } };

/** @param {boolean} quick whether less is to be done, for ratios that are less sure */
export function rows(quick) {
  return serviceRows({
    clients: {
      ours: (server) => ours(server, 'direct'),
      "ours, by the SDK's engine": (server) => ours(server, 'sdk'),
      'the SDK': sdk,
    },
    operations: {
      put: judged,
      get: judged,
      info: judged,
      list: { wanted: { best: 0.34 } },
      // Over plain HTTP it carries an MD5 of each block, which the SDK alone does not send: more than half of what it takes.
      upload: { wanted: { best: 1 }, bounds: { best: 2.5 }, why: 'Uploads to Azure' },
      download: judged,
    },
    keys: 20_000,
    base: import.meta.url,
    quick,
  });
}

function ours(server, engine) {
  const connectionString = connectionStringOf(server);
  return storageClient({ driver: 'azure', container: CONTAINER, connectionString, engine });
}

/** What an app writes that has the SDK and nothing else. */
async function sdk(server) {
  const { ContainerClient } = await import('@azure/storage-blob');
  const container = new ContainerClient(connectionStringOf(server), CONTAINER);
  const blob = (key) => container.getBlockBlobClient(key);
  return {
    put: (key) => blob(key).upload(SMALL, SMALL.length),
    get: async (key) => buffer((await blob(key).download()).readableStreamBody),
    info: (key) => blob(key).getProperties(),
    list: () => counted(container.listBlobsFlat()),
    upload: (key, chunks) => blob(key).uploadStream(Readable.from(chunks)),
    download: async (key) => drained((await blob(key).download()).readableStreamBody),
  };
}

function connectionStringOf({ port }) {
  return `DefaultEndpointsProtocol=http;AccountName=bench;AccountKey=${Buffer.alloc(64, 1).toString('base64')};BlobEndpoint=http://127.0.0.1:${port}/bench;`;
}
