import {
  GetBucketCorsCommand,
  GetBucketLifecycleConfigurationCommand,
  type LifecycleRule,
  type S3Client,
} from '@aws-sdk/client-s3';
import { judgeCors } from './cors-rules.js';
import { type Observation, unread } from './observation.js';

interface Bucket {
  readonly client: S3Client;
  readonly bucket: string;
  readonly signal: AbortSignal;
}

/** Whether pages of an origin may send files to the bucket, whole and in parts. */
export async function observeCors(
  { client, bucket: Bucket, signal }: Bucket,
  origin: string | undefined,
): Promise<Observation> {
  const abortSignal = signal;
  const read = await orNone('NoSuchCORSConfiguration', async () => {
    const { CORSRules = [] } = await client.send(new GetBucketCorsCommand({ Bucket }), {
      abortSignal,
    });
    return CORSRules;
  });
  if ('unknown' in read) return unread('cors', 's3:GetBucketCORS', read.unknown);
  const rules = read.rules.map((rule) => ({
    origins: rule.AllowedOrigins ?? [],
    methods: rule.AllowedMethods ?? [],
    headers: rule.AllowedHeaders ?? [],
    exposed: rule.ExposeHeaders ?? [],
  }));
  return judgeCors(rules, origin, {
    owner: 'the bucket',
    origins: 'AllowedOrigins',
    methods: 'AllowedMethods',
    headers: 'AllowedHeaders',
    sent: ['content-type'],
    exposed: 'ExposeHeaders',
    read: ['ETag'],
    example: 'AllowedMethods PUT, AllowedHeaders *, ExposeHeaders ETag',
  });
}

/** Whether a rule of the bucket removes multipart uploads that nobody ends: their parts are paid for, and no listing shows them. */
export async function observeLifecycle(
  { client, bucket: Bucket, signal }: Bucket,
  prefix: string,
): Promise<Observation> {
  const abortSignal = signal;
  const read = await orNone('NoSuchLifecycleConfiguration', async () => {
    const command = new GetBucketLifecycleConfigurationCommand({ Bucket });
    return (await client.send(command, { abortSignal })).Rules ?? [];
  });
  if ('unknown' in read) return unread('lifecycle', 's3:GetLifecycleConfiguration', read.unknown);
  const days = read.rules
    .filter((rule) => rule.Status === 'Enabled' && prefix.startsWith(prefixOf(rule)))
    .map((rule) => rule.AbortIncompleteMultipartUpload?.DaysAfterInitiation)
    .find((each) => each !== undefined);
  if (days !== undefined) {
    const detail = `abandoned multipart uploads are removed after ${days} days`;
    return { check: 'lifecycle', outcome: 'ok', detail };
  }
  return {
    check: 'lifecycle',
    outcome: 'finding',
    detail:
      'no rule removes multipart uploads that were abandoned: their parts stay, and are paid for',
    advice:
      'Give the bucket a lifecycle rule with AbortIncompleteMultipartUpload, DaysAfterInitiation 7, or run `nestjs-storages sweep` daily',
  };
}

/** Of either place where rules have had it. */
function prefixOf({ Filter, Prefix }: LifecycleRule): string {
  return Filter?.Prefix ?? Filter?.And?.Prefix ?? Prefix ?? '';
}

/** Services that do not know the question answer it with anything between 400 and 501. */
async function orNone<Rule>(
  none: string,
  read: () => Promise<readonly Rule[]>,
): Promise<{ rules: readonly Rule[] } | { unknown: Error }> {
  try {
    return { rules: await read() };
  } catch (error) {
    if (!(error instanceof Error) || error.name === 'AbortError') throw error;
    return error.name === none ? { rules: [] } : { unknown: error };
  }
}
