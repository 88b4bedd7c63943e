// An S3 server of its own, so that its memory is not the app's.
import { mkdir } from 'node:fs/promises';
import { startS3Server } from 'nestjs-storages/testing';

const { folder } = JSON.parse(process.argv[2]);
await mkdir(folder, { recursive: true });
const server = await startS3Server({
  buckets: ['bench'],
  storeOnDisk: folder,
  defaultChecksum: 'none',
});
process.send({
  bucket: 'bench',
  endpoint: server.endpoint,
  region: server.region,
  accessKeyId: server.credentials.accessKeyId,
  secretAccessKey: server.credentials.secretAccessKey,
});
process.once('disconnect', () => void server.close());
