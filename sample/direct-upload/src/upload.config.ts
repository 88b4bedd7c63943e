import { resolve } from 'node:path';
import type { StorageConfiguration } from 'nestjs-storages';

const {
  STORAGE_DRIVER = 'local',
  STORAGE_ROOT,
  S3_BUCKET,
  S3_REGION,
  S3_ENDPOINT,
  MAX_SIZE = '2gb',
  PORT = '3000',
  UPLOAD_SECRET,
} = process.env;

function place(): { storage: StorageConfiguration; description: string } {
  if (STORAGE_DRIVER === 'local') {
    const root = resolve(STORAGE_ROOT || 'var/direct-upload');
    return { storage: { driver: 'local', root }, description: root };
  }
  if (STORAGE_DRIVER !== 's3') fail(`STORAGE_DRIVER must be local or s3, not "${STORAGE_DRIVER}".`);
  if (!S3_BUCKET) fail('STORAGE_DRIVER=s3 needs the name of a bucket in S3_BUCKET.');
  return {
    // Credentials come from where the AWS SDK looks for them: AWS_ACCESS_KEY_ID, ~/.aws, the machine's role, …
    storage: {
      driver: 's3',
      bucket: S3_BUCKET,
      ...(S3_REGION && { region: S3_REGION }),
      ...(S3_ENDPOINT && { endpoint: S3_ENDPOINT }),
    },
    description: `the bucket ${S3_BUCKET}`,
  };
}

function fail(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}

export const config = {
  ...place(),
  maxSize: MAX_SIZE,
  port: Number(PORT),
  /** Without a secret, uploads under way end with the process. */
  signing: UPLOAD_SECRET ? { signingKeys: [{ id: 'one', secret: UPLOAD_SECRET }] } : {},
};
