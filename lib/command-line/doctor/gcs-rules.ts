import type { BucketMetadata, Storage as GcsClient } from '@google-cloud/storage';
import { RESERVED_FOLDER } from '../../core/key.js';
import { judgeCors } from './cors-rules.js';
import { type Observation, unread } from './observation.js';

/** Below it lie multipart uploads, whatever the prefix of the storage. */
const UPLOADS = `${RESERVED_FOLDER}/uploads/`;

const RIGHT = 'storage.buckets.get';

/** What the bucket's metadata tell of CORS and of the lifecycle. */
export async function observeGcs(
  client: GcsClient,
  bucket: string,
  origin: string | undefined,
): Promise<readonly Observation[]> {
  let metadata: BucketMetadata;
  try {
    [metadata] = await client.bucket(bucket).getMetadata();
  } catch (error) {
    const { code } = error as { code?: number | string };
    const answer = { name: String(code ?? (error as Error).name) };
    return [unread('cors', RIGHT, answer), unread('lifecycle', RIGHT, answer)];
  }
  const rules = (metadata.cors ?? []).map((rule) => ({
    origins: rule.origin ?? [],
    methods: rule.method ?? [],
    headers: rule.responseHeader ?? [],
    exposed: rule.responseHeader ?? [],
  }));
  const cors = judgeCors(rules, origin, {
    owner: 'the bucket',
    origins: 'origin',
    methods: 'method',
    headers: 'responseHeader',
    sent: ['Content-Type'],
    exposed: 'responseHeader',
    read: ['ETag'],
    example: 'method PUT, responseHeader ETag, Content-Type, Content-MD5 and x-goog-*',
  });
  return [cors, judgeLifecycle(metadata)];
}

/** Whether a rule removes the parts of uploads that nobody ends: they are files, and no listing of the storage shows them. */
function judgeLifecycle({ lifecycle }: BucketMetadata): Observation {
  const days = (lifecycle?.rule ?? [])
    .filter(({ action, condition: { matchesPrefix } }) => {
      const isDelete = (typeof action === 'string' ? action : action.type) === 'Delete';
      const prefixes = matchesPrefix as readonly string[] | undefined;
      return isDelete && (!prefixes || prefixes.some((each) => UPLOADS.startsWith(each)));
    })
    .map(({ condition }) => condition['age'])
    .find((age) => typeof age === 'number');
  if (days !== undefined) {
    const detail = `abandoned multipart uploads are removed after ${days} days`;
    return { check: 'lifecycle', outcome: 'ok', detail };
  }
  return {
    check: 'lifecycle',
    outcome: 'finding',
    detail:
      'no rule removes multipart uploads that were abandoned: their parts stay, and are paid for',
    advice: `Give the bucket a lifecycle rule with action Delete, age 7, matchesPrefix ${UPLOADS}, or run \`nestjs-storages sweep\` daily`,
  };
}
