import { notACursor } from '../../core/cursor.js';
import { compareKeys } from '../../core/key.js';
import type { DriverListOptions, ListPage } from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { toRecord, toText } from '../remote/answer-fields.js';
import { CursorTrail } from '../remote/cursor.js';
import { assertWellFormed } from '../remote/well-formed.js';
import type { AzureContainer } from './azure.client.js';
import type { Segment } from './azure.engine.js';
import { codeOf } from './azure.errors.js';
import { listedFile } from './azure.metadata.js';
import { KeyOrder } from './azure.key-order.js';
import { send } from './azure.requests.js';

const MAX_RESULTS = 5000;

/** A file or a common prefix, and where the listing that brought it began. */
interface Item {
  readonly name: string;
  readonly file?: StoredFile;
  readonly token: string | undefined;
}

/** Pages are filled up: the service may answer with fewer than were asked for, or with none, and yet have more. */
export async function* list(
  container: AzureContainer,
  options: DriverListOptions,
): AsyncIterable<ListPage> {
  const { prefix, pageSize } = options;
  const place = options.cursor === undefined ? {} : placeOf(options.cursor);
  const items = new KeyOrder<Item>(prefix.length);
  const trail = new CursorTrail(place.token);
  let { after } = place;
  let next: Place | undefined = place;
  do {
    const page: Item[] = [];
    for (;;) {
      page.push(...items.take(pageSize - page.length, next === undefined));
      after = page.at(-1)?.name ?? after;
      if (page.length === pageSize || !next) break;
      const segment = await listSegment(container, options, next.token);
      trail.follow(segment.next);
      const last = [segment.blobs.at(-1)?.name ?? [], segment.prefixes.at(-1) ?? []].flat();
      items.add(await itemsOf(container, segment, options, next.token, after), last);
      next = segment.next === undefined ? undefined : { token: segment.next };
    }
    const rest = items.first ?? next;
    yield {
      files: page.flatMap(({ file }) => file ?? []),
      prefixes: page.flatMap(({ file, name }) => (file ? [] : name)),
      ...(rest && { cursor: cursorOf({ token: rest.token, after }) }),
    };
  } while (items.first || next);
}

/** Those of a segment that are wanted, and not on an earlier page. */
async function itemsOf(
  container: AzureContainer,
  segment: Segment,
  options: DriverListOptions,
  token: string | undefined,
  after: string | undefined,
): Promise<Item[]> {
  const { prefix, delimiter, startAfter } = options;
  const items: Item[] = [];
  let last = after;
  for (const blob of segment.blobs) {
    if (startAfter !== undefined && compareKeys(blob.name, startAfter) <= 0) continue;
    const end = isLong(delimiter) ? blob.name.indexOf(delimiter, prefix.length) : -1;
    if (end < 0) {
      items.push({ name: blob.name, file: listedFile(blob), token });
      continue;
    }
    const group = blob.name.slice(0, end + delimiter!.length);
    if (group !== last) items.push({ name: group, token });
    last = group;
  }
  for (const name of segment.prefixes) {
    if (await isPrefixListed(container, name, options)) items.push({ name, token });
  }
  return after === undefined ? items : items.filter(({ name }) => compareKeys(name, after) > 0);
}

/** Azurite knows only the first character of a delimiter, so those of several, which are rare, are applied here. */
function isLong(delimiter: string | undefined): delimiter is string {
  return delimiter !== undefined && Array.from(delimiter).length > 1;
}

/** A prefix is listed as long as one of its keys is. */
async function isPrefixListed(
  container: AzureContainer,
  prefix: string,
  { startAfter, signal }: DriverListOptions,
): Promise<boolean> {
  if (startAfter === undefined || compareKeys(prefix, startAfter) > 0) return true;
  if (!startAfter.startsWith(prefix)) return false;
  const below = list(container, { prefix, startAfter, pageSize: 1, signal });
  for await (const { files } of below) return files.length > 0;
  return false;
}

/** What one request lists. */
export async function listSegment(
  container: AzureContainer,
  { prefix, delimiter, startAfter, cursor, pageSize, signal }: DriverListOptions,
  token: string | undefined,
): Promise<Segment> {
  assertWellFormed({ delimiter, startAfter });
  const listing = {
    prefix,
    delimiter: isLong(delimiter) ? undefined : delimiter,
    maxResults: Math.min(pageSize, MAX_RESULTS),
    marker: token,
  };
  try {
    return await send(container, signal, (abortSignal) =>
      container.engine.listBlobs(listing, abortSignal),
    );
  } catch (error) {
    const code = codeOf(error);
    const refused = code === 'OutOfRangeInput' || code === 'InvalidQueryParameterValue';
    throw cursor !== undefined && refused ? notACursor() : error;
  }
}

/** Where a listing goes on. */
interface Place {
  /** The service's own, absent at the start. */
  readonly token?: string | undefined;
  /** What was on a page last: that, and what comes before it, may come again. */
  readonly after?: string | undefined;
}

function cursorOf(place: Place): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

function placeOf(cursor: string): Place {
  try {
    const place = toRecord(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    const token = toText(place['token']);
    const after = toText(place['after']);
    if (token !== undefined || after !== undefined) return { token, after };
  } catch {
    // Said below.
  }
  throw notACursor();
}
