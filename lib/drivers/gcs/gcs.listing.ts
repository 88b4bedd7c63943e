import { notACursor } from '../../core/cursor.js';
import { RESERVED_FOLDER } from '../../core/key.js';
import { otherListing } from '../../core/other-listing.js';
import type { DriverListOptions, ListPage } from '../../core/storage-driver.js';
import { toText } from '../remote/answer-fields.js';
import { CursorTrail, cursorOf, tokenOf } from '../remote/cursor.js';
import { assertWellFormed } from '../remote/well-formed.js';
import type { GcsBucket } from './gcs.client.js';
import { unreadableAnswer } from './gcs.errors.js';
import { fileOf, type GcsObject, OBJECT_FIELDS, parseObject } from './gcs.metadata.js';
import { bucketPath, expectOk, jsonOf, missingBucket, send } from './gcs.requests.js';

/** Below it, at the root of the bucket, lie the parts of multipart uploads. No listing of files shows them. */
export const UPLOADS_FOLDER = `${RESERVED_FOLDER}/uploads/`;

const MAX_RESULTS = 1000;
const FIELDS: ReadonlySet<string> = new Set(['kind', 'items', 'prefixes', 'nextPageToken']);

/** What the service is asked for. */
interface Query {
  readonly prefix: string;
  readonly delimiter?: string | undefined;
  /** The first name that is listed, unlike `startAfter`. */
  readonly startOffset?: string | undefined;
  readonly pageToken?: string | undefined;
  readonly maxResults: number;
  readonly signal: AbortSignal;
}

/** What it answers. */
interface Answer {
  readonly objects: GcsObject[];
  readonly prefixes: string[];
  readonly pageToken: string | undefined;
}

export async function* list(
  bucket: GcsBucket,
  options: DriverListOptions,
): AsyncIterable<ListPage> {
  let pageToken = options.cursor === undefined ? undefined : tokenOf(options.cursor);
  const trail = new CursorTrail(pageToken);
  do {
    const page = await listPage(bucket, options, pageToken, trail);
    pageToken = page.pageToken;
    yield {
      files: page.objects.map(fileOf),
      prefixes: page.prefixes,
      ...(pageToken !== undefined && { cursor: cursorOf(pageToken) }),
    };
  } while (pageToken !== undefined);
}

/**
 * Objects of the prefix, page by page, those that files are made of included.
 *
 * @throws StorageConnectionError when the service lists others
 */
export async function* listObjects(
  bucket: GcsBucket,
  prefix: string,
  signal: AbortSignal,
): AsyncIterable<GcsObject[]> {
  const trail = new CursorTrail();
  let pageToken: string | undefined;
  do {
    const answer = await query(bucket, { prefix, pageToken, maxResults: MAX_RESULTS, signal });
    trail.follow(answer.pageToken);
    if (!answer.objects.every(({ name }) => name.startsWith(prefix))) throw otherListing();
    yield answer.objects;
    pageToken = answer.pageToken;
  } while (pageToken !== undefined);
}

/** Asks on until the page is full: the service may answer fewer than there are, and not all of it is shown. */
async function listPage(
  bucket: GcsBucket,
  options: DriverListOptions,
  pageToken: string | undefined,
  trail: CursorTrail,
): Promise<Answer> {
  const { prefix, delimiter, startAfter, signal } = options;
  const pageSize = Math.min(options.pageSize, MAX_RESULTS);
  assertWellFormed({ delimiter, startAfter });
  const page = { objects: [] as GcsObject[], prefixes: [] as string[], pageToken };
  for (;;) {
    const maxResults = pageSize - page.objects.length - page.prefixes.length;
    const answer = await query(bucket, {
      prefix,
      delimiter,
      startOffset: startAfter,
      pageToken: page.pageToken,
      maxResults,
      signal,
    });
    trail.follow(answer.pageToken);
    const objects = answer.objects.filter(
      ({ name }) => name !== startAfter && (isOfUpload(prefix) || !isOfUpload(name)),
    );
    page.objects.push(...objects);
    for (const each of answer.prefixes) {
      if (await isListed(bucket, each, options)) page.prefixes.push(each);
    }
    page.pageToken = answer.pageToken;
    const isFull = page.objects.length + page.prefixes.length >= pageSize;
    if (isFull || page.pageToken === undefined) return page;
  }
}

function isOfUpload(name: string): boolean {
  return name.startsWith(UPLOADS_FOLDER);
}

/**
 * Whether a common prefix has a key after `startAfter`: the service, which starts with that key, also lists the prefix
 * when it is the only one.
 */
async function isListed(
  bucket: GcsBucket,
  prefix: string,
  { startAfter, signal }: DriverListOptions,
): Promise<boolean> {
  if (!startAfter?.startsWith(prefix)) return true;
  const { objects } = await query(bucket, {
    prefix,
    startOffset: startAfter,
    maxResults: 2,
    signal,
  });
  return objects.some(({ name }) => name !== startAfter);
}

async function query(bucket: GcsBucket, { signal, ...asked }: Query): Promise<Answer> {
  const answer = await send(bucket, {
    method: 'GET',
    path: `${bucketPath(bucket)}/o`,
    query: {
      ...asked,
      prefix: asked.prefix || undefined,
      maxResults: String(asked.maxResults),
      fields: `nextPageToken,prefixes,items(${OBJECT_FIELDS})`,
    },
    signal,
  });
  if (answer.status === 400 && asked.pageToken !== undefined) throw notACursor();
  if (answer.status === 404) throw missingBucket(bucket, answer);
  const listed = jsonOf(await expectOk(bucket, answer, signal));
  // An empty listing has no field at all, or names its kind. What has others only is no listing.
  const names = Object.keys(listed);
  if (names.length > 0 && !names.some((name) => FIELDS.has(name))) throw unreadableAnswer(answer);
  const { items, prefixes } = listed;
  return {
    pageToken: toText(listed['nextPageToken']),
    objects: asArray(items).map(parseObject),
    prefixes: asArray(prefixes).map(String),
  };
}

function asArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
