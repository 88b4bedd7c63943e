import { notACursor } from '../../core/cursor.js';
import { compareKeys } from '../../core/key.js';
import type { DriverListOptions, ListPage } from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { toNumber, toRecord, toText } from '../remote/answer-fields.js';
import { CursorTrail } from '../remote/cursor.js';
import { assertWellFormed } from '../remote/well-formed.js';
import type { AzureContainer } from './azure.client.js';
import type { Segment } from './azure.engine.js';
import { codeOf } from './azure.errors.js';
import { listedFile } from './azure.metadata.js';
import { KeyOrder } from './azure.key-order.js';
import { send } from './azure.requests.js';

const MAX_RESULTS = 5000;

/** What a request has brought. */
interface Source {
  /** Counts the requests of this listing. */
  readonly number: number;
  readonly token: string | undefined;
  readonly segment: Segment;
}

/** A file or a common prefix, and what has brought it. */
interface Item {
  readonly name: string;
  readonly file?: StoredFile;
  readonly source: Source;
}

/** Pages are filled up: the service may answer with fewer than were asked for, or with none, and yet have more. */
export async function* list(
  container: AzureContainer,
  options: DriverListOptions,
): AsyncIterable<ListPage> {
  const { prefix, pageSize, cursor } = options;
  const place = cursor === undefined ? {} : placeOf(cursor);
  const items = new KeyOrder<Item>(prefix.length);
  const trail = new CursorTrail(place.token);
  let { after } = place;
  let next: Place | undefined = place;
  let count = place.passed ?? (startsBehind(options) ? MAX_RESULTS : pageSize);
  let number = 0;
  do {
    const page: Item[] = [];
    for (;;) {
      page.push(...items.take(pageSize - page.length, next === undefined));
      after = page.at(-1)?.name ?? after;
      if (page.length === pageSize || !next) break;
      const segment = await listSegment(container, { ...options, pageSize: count }, next.token);
      trail.follow(segment.next);
      const last = [segment.blobs.at(-1)?.name ?? [], segment.prefixes.at(-1) ?? []].flat();
      const source = { number: number++, token: next.token, segment };
      const found = await itemsOf(container, source, options, after);
      items.add(found, last);
      // Where all of it was to be passed over, so may be much of what follows.
      count = found.length === 0 && next.passed === undefined ? MAX_RESULTS : pageSize;
      next = segment.next === undefined ? undefined : { token: segment.next };
    }
    const rest = restOf(items.held, pageSize, after) ?? next;
    yield {
      files: page.flatMap(({ file }) => file ?? []),
      prefixes: page.flatMap(({ file, name }) => (file ? [] : name)),
      ...(rest && { cursor: cursorOf({ ...rest, after }) }),
    };
  } while (items.held.length > 0 || next);
}

/** Whether keys may come that lie before the first one that is wanted. */
function startsBehind({ cursor, startAfter, prefix }: DriverListOptions): boolean {
  return cursor === undefined && startAfter !== undefined && compareKeys(startAfter, prefix) > 0;
}

/** Where all that is held comes again: with the first of the segments that have brought it. */
function restOf(held: readonly Item[], pageSize: number, after = ''): Place | undefined {
  let first: Source | undefined;
  for (const { source } of held) if (!first || source.number < first.number) first = source;
  if (!first) return undefined;
  const { token, segment } = first;
  const names = [...segment.blobs.map(({ name }) => name), ...segment.prefixes];
  const passed = names.filter((name) => compareKeys(name, after) <= 0).length;
  return { token, ...(passed >= pageSize && { passed }) };
}

/** Those of a segment that are wanted, and not on an earlier page. */
async function itemsOf(
  container: AzureContainer,
  source: Source,
  options: DriverListOptions,
  after: string | undefined,
): Promise<Item[]> {
  const { prefix, delimiter, startAfter } = options;
  const { segment } = source;
  const items: Item[] = [];
  let last = after;
  for (const blob of segment.blobs) {
    if (startAfter !== undefined && compareKeys(blob.name, startAfter) <= 0) continue;
    const end = isLong(delimiter) ? blob.name.indexOf(delimiter, prefix.length) : -1;
    if (end < 0) {
      items.push({ name: blob.name, file: listedFile(blob), source });
      continue;
    }
    const group = blob.name.slice(0, end + delimiter!.length);
    if (group !== last) items.push({ name: group, source });
    last = group;
  }
  for (const name of segment.prefixes) {
    if (after !== undefined && compareKeys(name, after) <= 0) continue;
    if (await isPrefixListed(container, name, options)) items.push({ name, source });
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
  /** How many names of the segment come again, where they are more than a page. */
  readonly passed?: number | undefined;
}

function cursorOf(place: Place): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

function placeOf(cursor: string): Place {
  try {
    const place = toRecord(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    const token = toText(place['token']);
    const after = toText(place['after']);
    const count = toNumber(place['passed']);
    const passed = count !== undefined && Number.isInteger(count) && count > 0 ? count : undefined;
    if (token !== undefined || after !== undefined) return { token, after, passed };
  } catch {
    // Said below.
  }
  throw notACursor();
}
