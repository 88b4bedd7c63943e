// An S3 and a GCS server in a process of their own, of which something fails every now and then:
// node faulty-servers.mjs <folder>
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGcsServer, type GcsFaultEffect } from '../../lib/testing/gcs-server/index.js';
import { startS3Server, type S3FaultEffect } from '../../lib/testing/s3-server/index.js';
import type { Fault } from '../../lib/testing/servers/faults.js';

const folder = process.argv[2]!;
const s3 = await startS3Server({ buckets: ['files'], storeOnDisk: join(folder, 's3') });
const gcs = await startGcsServer({ buckets: ['files'], storeOnDisk: join(folder, 'gcs') });

const BOTH = [
  'reset',
  'reset-mid-body',
  'reset-after-commit',
  'stall',
  'stall-mid-body',
  { truncateBodyAt: 100 },
] as const;
const S3_FAULTS: readonly S3FaultEffect[] = [
  ...BOTH,
  '200-with-error',
  { status: 503, code: 'SlowDown', retryAfter: 1 },
  { status: 500, code: 'InternalError' },
];
const GCS_FAULTS: readonly GcsFaultEffect[] = [
  ...BOTH,
  { status: 429, reason: 'rateLimitExceeded', retryAfter: 1 },
  { status: 503, reason: 'backendError' },
];

process.send!({
  s3: { bucket: 'files', endpoint: s3.endpoint, region: s3.region, ...s3.credentials },
  gcs: {
    bucket: 'files',
    apiEndpoint: gcs.endpoint,
    projectId: gcs.projectId,
    credentials: gcs.workloadIdentity,
  },
});
process.once('disconnect', () => process.exit());
process.channel!.unref();
// One at a time: faults that come faster than calls can get over them would leave no call that succeeds.
const faults: { s3?: Fault; gcs?: Fault } = {};
for (;;) {
  await sleep(randomInt(400));
  const after = randomInt(5);
  if (faults.s3?.hits !== 0) {
    faults.s3?.clear();
    faults.s3 = s3.fail({ operation: '*', after, with: S3_FAULTS[randomInt(S3_FAULTS.length)]! });
  }
  if (faults.gcs?.hits !== 0) {
    faults.gcs?.clear();
    const effect = GCS_FAULTS[randomInt(GCS_FAULTS.length)]!;
    faults.gcs = gcs.fail({ operation: '*', after, with: effect });
  }
}
