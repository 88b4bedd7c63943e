import { compareKeys, listPage, type ListPosition } from '../servers/listing.js';
import { isRecord, objectResource } from './attributes.js';
import type { GcsCall, Operation } from './call.js';
import { invalid } from './errors.js';
import type { Bucket } from './object-store.js';

const MAX_RESULTS = 1000;

export const listObjects: Operation = (call, { store, endpoint }) => {
  const bucket = store.bucket(call.bucket);
  const { query } = call;
  const delimiter = query.get('delimiter') ?? '';
  const page = listPage(namesInRange(bucket, call), {
    prefix: query.get('prefix') ?? '',
    delimiter,
    after: parsePageToken(query.get('pageToken')),
    maxKeys: maxResults(query.get('maxResults')),
  });
  const withFolderObjects = query.get('includeTrailingDelimiter') === 'true';
  const names = page.entries.flatMap((entry) =>
    entry.kind === 'key' ? [entry.key] : withFolderObjects ? [entry.prefix] : [],
  );
  const items = names.flatMap((name) => {
    const object = bucket.objects.get(name);
    return object ? [objectResource(object, endpoint)] : [];
  });
  const prefixes = page.entries.flatMap((entry) => (entry.kind === 'prefix' ? [entry.prefix] : []));
  return {
    status: 200,
    json: {
      kind: 'storage#objects',
      ...(page.next ? { nextPageToken: pageToken(page.next) } : {}),
      ...(prefixes.length > 0 ? { prefixes } : {}),
      ...(items.length > 0 ? { items } : {}),
    },
  };
};

/** From `startOffset`, which is included, up to `endOffset`, which is not. */
function namesInRange({ sortedNames }: Bucket, { query }: GcsCall): readonly string[] {
  const start = query.get('startOffset');
  const end = query.get('endOffset');
  if (start === undefined && end === undefined) return sortedNames;
  return sortedNames.filter(
    (name) =>
      (start === undefined || compareKeys(name, start) >= 0) &&
      (end === undefined || end === '' || compareKeys(name, end) < 0),
  );
}

function maxResults(text: string | undefined): number {
  if (text === undefined) return MAX_RESULTS;
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1) throw invalid(`Invalid value for maxResults: ${text}`);
  return Math.min(count, MAX_RESULTS);
}

function pageToken(position: ListPosition): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

function parsePageToken(token: string | undefined): ListPosition | undefined {
  if (token === undefined || token === '') return undefined;
  try {
    const position: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (isRecord(position) && typeof position['text'] === 'string') {
      return { text: position['text'], wholePrefix: position['wholePrefix'] === true };
    }
  } catch {
    // Refused below, as every token that is not ours.
  }
  throw invalid('Invalid pageToken.');
}
