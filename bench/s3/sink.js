// An S3 that answers at once, in a process of its own: what it takes is not the app's.
import { startProcess } from '../processes.js';

/** The options of a storage there. */
export function storageOn({ port }) {
  return {
    driver: 's3',
    provider: 'aws',
    bucket: 'bench',
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    accessKeyId: 'bench',
    secretAccessKey: 'bench',
  };
}

/** A client of the SDK for it. */
export async function sdkClientOn({ port }) {
  const { S3Client } = await import('@aws-sdk/client-s3');
  return new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
  });
}

/**
 * Starts something that needs an S3; it is stopped along with it.
 *
 * @param {object} options how many `keys` are listed there, and how many `mebibytes` the key `large` has
 */
export async function withSink(startOn, options = {}) {
  const sink = await startProcess('sink-server.js', options, import.meta.url);
  const { close, ...started } = await startOn(sink.ready);
  return {
    ...started,
    async close() {
      await close();
      await sink.stop();
    },
  };
}
