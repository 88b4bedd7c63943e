// A GCS server of its own, so that its memory is not the app's.
import { mkdir } from 'node:fs/promises';
import { startGcsServer } from 'nestjs-storages/testing';

const { folder } = JSON.parse(process.argv[2]);
await mkdir(folder, { recursive: true });
const server = await startGcsServer({ buckets: ['bench'], storeOnDisk: folder });
process.send({
  bucket: 'bench',
  apiEndpoint: server.endpoint,
  projectId: server.projectId,
  credentials: server.workloadIdentity,
});
process.once('disconnect', () => void server.close());
