import { JoinedBody } from '../servers/stored-body.js';
import { checkObjectName } from './addressing.js';
import { isRecord, objectResource, parseAttributes } from './attributes.js';
import type { Operation } from './call.js';
import { checkConditions, conditionsOf, parseInt64 } from './conditions.js';
import { invalid } from './errors.js';
import type { Bucket, StoredObject } from './object-store.js';
import { receiveJson, RunningDigests } from './receive.js';

const MAX_SOURCES = 32;

/** Joins objects of the bucket into one, which then has no MD5. */
export const composeObject: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  checkObjectName(call.name);
  const request = await receiveJson(call);
  const named = isRecord(request) ? request['sourceObjects'] : undefined;
  if (!isRecord(request) || !Array.isArray(named) || named.length === 0) {
    throw invalid('You must provide at least one source component.');
  }
  if (named.length > MAX_SOURCES) {
    throw invalid(
      `The number of source components provided (${named.length}) exceeds the maximum (${MAX_SOURCES}).`,
    );
  }
  const sources = named.map((source) => component(bucket, source));
  const attributes = parseAttributes(request['destination'] ?? {});
  const body = new JoinedBody(
    sources.map((source) => ({ body: source.body, start: 0, end: source.body.size })),
  );
  try {
    const digests = new RunningDigests();
    for await (const chunk of body.read(0, body.size)) digests.update(chunk);
    const object = bucket.commit(
      call.name,
      {
        body,
        crc32c: digests.finish().crc32c,
        md5: undefined,
        componentCount: sources.reduce((sum, source) => sum + (source.componentCount ?? 1), 0),
      },
      attributes,
      conditionsOf(call.query),
      call.now,
    );
    return { status: 200, json: objectResource(object, service.endpoint) };
  } catch (error) {
    body.release();
    throw error;
  }
};

function component(bucket: Bucket, source: unknown): StoredObject {
  if (!isRecord(source) || typeof source['name'] !== 'string') {
    throw invalid('A source component must have a name.');
  }
  const object = bucket.existing(source['name'], int64Of(source['generation']));
  const conditions = source['objectPreconditions'];
  if (isRecord(conditions)) {
    checkConditions(object, { ifGenerationMatch: int64Of(conditions['ifGenerationMatch']) });
  }
  return object;
}

/** JSON has them as text, some clients as numbers. */
function int64Of(value: unknown): bigint | undefined {
  return typeof value === 'string' || typeof value === 'number'
    ? parseInt64(String(value))
    : undefined;
}
