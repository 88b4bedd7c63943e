import {
  type CORSRule,
  GetBucketCorsCommand,
  GetBucketLifecycleConfigurationCommand,
  type LifecycleRule,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Observation } from './doctor.js';

interface Bucket {
  readonly client: S3Client;
  readonly bucket: string;
  readonly signal: AbortSignal;
}

/** Whether pages of an origin may send files to the bucket, whole and in parts. Without an origin, what is set up is only told. */
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
  if (origin === undefined) {
    const number = read.rules.length;
    const detail = `${number} rules of CORS; --origin https://… tells whether its pages may upload`;
    return { check: 'cors', outcome: number ? 'ok' : 'skipped', detail };
  }
  const wanting = read.rules
    .map((rule) => wantingOf(rule, origin))
    .sort((one, other) => one.length - other.length)[0] ?? [`AllowedOrigins ${origin}`];
  if (wanting.length === 0) {
    return { check: 'cors', outcome: 'ok', detail: `pages of ${origin} may upload` };
  }
  return {
    check: 'cors',
    outcome: 'finding',
    detail: `pages of ${origin} cannot upload to the bucket`,
    advice:
      `Give the bucket a CORS rule with AllowedOrigins ${origin}, AllowedMethods PUT, AllowedHeaders *, ExposeHeaders ETag; ` +
      `the nearest one lacks ${wanting.join(', ')}`,
  };
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

/** What the rule lacks for uploads from the origin. */
function wantingOf(rule: CORSRule, origin: string): string[] {
  const {
    AllowedOrigins = [],
    AllowedMethods = [],
    AllowedHeaders = [],
    ExposeHeaders = [],
  } = rule;
  return [
    !matchesAny(origin, AllowedOrigins) && `AllowedOrigins ${origin}`,
    !AllowedMethods.includes('PUT') && 'AllowedMethods PUT',
    !matchesAny('content-type', AllowedHeaders) && 'AllowedHeaders *',
    !matchesAny('etag', ExposeHeaders) && 'ExposeHeaders ETag',
  ].filter((each) => each !== false);
}

/** One `*` in a pattern stands for any text. */
function matchesAny(text: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const [start, end] = pattern.toLowerCase().split('*', 2) as [string, string?];
    const lower = text.toLowerCase();
    if (end === undefined) return lower === start;
    return (
      lower.length >= start.length + end.length && lower.startsWith(start) && lower.endsWith(end)
    );
  });
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

function unread(check: 'cors' | 'lifecycle', right: string, { name }: Error): Observation {
  const detail = `the service does not tell (${name}); it needs the right ${right}, where there is one`;
  return { check, outcome: 'skipped', detail };
}
