import { resolve } from 'node:path';
import bytes from 'bytes';
import type { StorageConfiguration } from 'nestjs-storages';

type Environment = Readonly<Record<string, string | undefined>>;

interface Place {
  readonly storage: StorageConfiguration;
  /** The same for people to read. */
  readonly description: string;
}

const places: Readonly<Record<string, (environment: Environment) => Place>> = {
  local({ STORAGE_ROOT }) {
    const root = resolve(STORAGE_ROOT || 'var/gallery');
    return { storage: { driver: 'local', root }, description: root };
  },

  // Credentials come from where the AWS SDK looks for them: AWS_ACCESS_KEY_ID, ~/.aws, the machine's role, …
  s3({ S3_BUCKET: bucket, S3_REGION: region, S3_ENDPOINT: endpoint }) {
    if (!bucket) return fail('STORAGE_DRIVER=s3 needs the name of a bucket in S3_BUCKET.');
    if (endpoint && !URL.canParse(endpoint)) return fail('S3_ENDPOINT must be a URL.');
    return {
      storage: { driver: 's3', bucket, ...(region && { region }), ...(endpoint && { endpoint }) },
      description: `the bucket ${bucket} at ${endpoint ? new URL(endpoint).host : 'Amazon S3'}`,
    };
  },

  // Credentials come from where Google's SDK looks for them: GOOGLE_APPLICATION_CREDENTIALS, gcloud, the machine's role, …
  gcs({
    GCS_BUCKET: bucket,
    GCS_ENDPOINT: apiEndpoint,
    GOOGLE_APPLICATION_CREDENTIALS: keyFilename,
  }) {
    if (!bucket) return fail('STORAGE_DRIVER=gcs needs the name of a bucket in GCS_BUCKET.');
    return {
      // Another endpoint gets credentials only when they are meant for it.
      storage: {
        driver: 'gcs',
        bucket,
        ...(apiEndpoint && { apiEndpoint, ...(keyFilename && { keyFilename }) }),
      },
      description: `the bucket ${bucket} at Google Cloud Storage`,
    };
  },

  azure({
    AZURE_CONTAINER: container,
    AZURE_STORAGE_CONNECTION_STRING: connectionString,
    AZURE_STORAGE_ACCOUNT_URL: accountUrl,
  }) {
    if (!container) return fail('STORAGE_DRIVER=azure needs a container in AZURE_CONTAINER.');
    const description = `the container ${container} at Azure`;
    if (connectionString) {
      return { storage: { driver: 'azure', container, connectionString }, description };
    }
    // With the URL alone, credentials come from @azure/identity: environment, workload identity, managed identity, …
    if (accountUrl) return { storage: { driver: 'azure', container, accountUrl }, description };
    return fail(
      'STORAGE_DRIVER=azure needs AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT_URL.',
    );
  },

  memory() {
    return { storage: { driver: 'memory' }, description: 'memory, until the gallery ends' };
  },
};

function readConfig(environment: Environment) {
  const {
    STORAGE_DRIVER = 'local',
    MAX_SIZE = '50mb',
    ACCEPT = 'image/*',
    HOST = '127.0.0.1',
    PORT = '3000',
  } = environment;
  const place = Object.hasOwn(places, STORAGE_DRIVER) ? places[STORAGE_DRIVER] : undefined;
  if (!place) {
    return fail(
      `STORAGE_DRIVER must be ${Object.keys(places).join(', ')}, not "${STORAGE_DRIVER}".`,
    );
  }
  const maxSize = bytes.parse(MAX_SIZE);
  if (maxSize === null) return fail(`MAX_SIZE must be a size such as 50mb, not "${MAX_SIZE}".`);
  const port = Number(PORT);
  if (!(port >= 0 && port < 65536)) return fail(`PORT must be 0 to 65535, not "${PORT}".`);
  return {
    ...place(environment),
    /** Bytes. */
    maxSize,
    accept: ACCEPT.split(',').map((type) => type.trim()),
    /** Anybody who reaches it may add and delete photos. */
    host: HOST,
    port,
  };
}

function fail(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}

export const config = readConfig(process.env);
