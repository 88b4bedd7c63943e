// What calls to Google Cloud Storage take, of this library and of the SDK alone.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SMALL } from '../bodies.js';
import { counted, drained, serviceRows, storageClient } from '../service-rows.js';

export const title = 'a Google Cloud Storage that answers at once';

const judged = { wanted: { best: 1 } };

/** @param {boolean} quick whether less is to be done, for ratios that are less sure */
export function rows(quick) {
  return serviceRows({
    clients: {
      ours: (server) =>
        storageClient({ driver: 'gcs', bucket: 'bench', apiEndpoint: apiEndpointOf(server) }),
      'the SDK': sdk,
    },
    operations: {
      put: judged,
      get: judged,
      info: judged,
      list: judged,
      upload: judged,
      download: judged,
    },
    base: import.meta.url,
    quick,
  });
}

/** What an app writes that has the SDK and nothing else. */
async function sdk(server) {
  const { Storage } = await import('@google-cloud/storage');
  const client = new Storage({ apiEndpoint: apiEndpointOf(server), projectId: 'bench' });
  const bucket = client.bucket('bench');
  return {
    put: (key) => bucket.file(key).save(SMALL, { resumable: false }),
    get: async (key) => (await bucket.file(key).download())[0],
    info: (key) => bucket.file(key).getMetadata(),
    list: () => counted(bucket.getFilesStream()),
    upload: (key, chunks) => pipeline(Readable.from(chunks), bucket.file(key).createWriteStream()),
    download: (key) => drained(bucket.file(key).createReadStream()),
  };
}

function apiEndpointOf({ port }) {
  return `http://127.0.0.1:${port}`;
}
