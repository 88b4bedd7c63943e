import { randomBytes } from 'node:crypto';
import { checkObjectName } from './addressing.js';
import { isRecord, objectResource, parseAttributes, type ObjectAttributes } from './attributes.js';
import type { GcsCall, GcsService, Operation } from './call.js';
import { checkConditions, conditionsOf, parseInt64, sourceConditionsOf } from './conditions.js';
import { invalid, notImplemented } from './errors.js';
import type { StoredObject } from './object-store.js';
import { receiveJson } from './receive.js';

/** A rewrite that is not through yet. */
export interface RewriteProgress {
  /** Source and destination, which every further call has to name again. */
  readonly route: string;
  readonly generation: bigint;
  readonly rewritten: number;
}

const MEBIBYTE = 1024 * 1024;

/** Copies within the service, in as many calls as it takes. */
export const rewriteObject: Operation = async (call, service) => {
  const { destination, source, attributes } = await copyOf(call, service);
  const token = call.query.get('rewriteToken');
  const route = JSON.stringify([call.bucket, call.name, destination.bucket, destination.name]);
  const progress = token === undefined ? undefined : service.store.rewrites.get(token);
  if (
    token !== undefined &&
    (progress?.route !== route || progress.generation !== source.generation)
  ) {
    throw invalid('Invalid rewriteToken.');
  }
  const { size } = source.body;
  const rewritten = Math.min(size, (progress?.rewritten ?? 0) + bytesPerCall(call, service));
  if (token !== undefined) service.store.rewrites.delete(token);
  const answer = {
    kind: 'storage#rewriteResponse',
    totalBytesRewritten: String(rewritten),
    objectSize: String(size),
  };
  if (rewritten < size) {
    const rewriteToken = randomBytes(24).toString('base64url');
    service.store.rewrites.set(rewriteToken, { route, generation: source.generation, rewritten });
    return { status: 200, json: { ...answer, done: false, rewriteToken } };
  }
  const object = commitCopy(call, service, { destination, source, attributes });
  return {
    status: 200,
    json: { ...answer, done: true, resource: objectResource(object, service.endpoint) },
  };
};

/** The older way to copy, in one call whatever the size. */
export const copyObject: Operation = async (call, service) => {
  const object = commitCopy(call, service, await copyOf(call, service));
  return { status: 200, json: objectResource(object, service.endpoint) };
};

/** Renames within a bucket, in one step. */
export const moveObject: Operation = async (call, service) => {
  const copy = await copyOf(call, service);
  if (call.name === copy.destination.name) {
    throw invalid('The source and destination object names must not be the same.');
  }
  const object = commitCopy(call, service, copy);
  service.store.bucket(call.bucket).delete(call.name);
  return { status: 200, json: objectResource(object, service.endpoint) };
};

interface Copy {
  readonly destination: { readonly bucket: string; readonly name: string };
  readonly source: StoredObject;
  readonly attributes: ObjectAttributes;
}

async function copyOf(call: GcsCall, { store }: GcsService): Promise<Copy> {
  const { destination } = call;
  if (!destination) throw notImplemented(`${call.operation} without a destination`);
  checkObjectName(destination.name);
  const resource = await receiveJson(call);
  const replaced = store.bucket(destination.bucket).objects.get(destination.name);
  checkConditions(replaced, conditionsOf(call.query));
  const source = store
    .bucket(call.bucket)
    .existing(call.name, parseInt64(call.query.get('sourceGeneration')));
  checkConditions(source, sourceConditionsOf(call.query));
  // A resource replaces all that is said about the source, and none keeps it.
  const described = isRecord(resource) && Object.keys(resource).length > 0;
  return {
    destination,
    source,
    attributes: described ? parseAttributes(resource) : source.attributes,
  };
}

function commitCopy(
  call: GcsCall,
  { store }: GcsService,
  { destination, source, attributes }: Copy,
): StoredObject {
  const content = { ...source, body: source.body.retain() };
  try {
    return store
      .bucket(destination.bucket)
      .commit(destination.name, content, attributes, conditionsOf(call.query), call.now);
  } catch (error) {
    content.body.release();
    throw error;
  }
}

function bytesPerCall({ query }: GcsCall, { rewriteChunk }: GcsService): number {
  const text = query.get('maxBytesRewrittenPerCall');
  if (text === undefined) return rewriteChunk;
  const bytes = Number(text);
  if (!Number.isInteger(bytes) || bytes < MEBIBYTE || bytes % MEBIBYTE !== 0) {
    throw invalid('maxBytesRewrittenPerCall must be a positive multiple of 1 MiB.');
  }
  return Math.min(bytes, rewriteChunk);
}
