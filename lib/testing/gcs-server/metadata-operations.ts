import { objectResource, parseAttributes, type ObjectAttributes } from './attributes.js';
import type { GcsCall, GcsService, Operation } from './call.js';
import { checkConditions, conditionsOf, headerConditions, parseInt64 } from './conditions.js';
import { invalid } from './errors.js';
import { receiveJson } from './receive.js';

/** Changes the attributes that are named, keeps the others. */
export const patchObject: Operation = (call, service) =>
  describe(call, service, (resource, present) => parseAttributes(resource, present));

/** Replaces all attributes. */
export const updateObject: Operation = (call, service) =>
  describe(call, service, (resource, { storageClass }) => ({
    ...parseAttributes(resource),
    storageClass,
  }));

async function describe(
  call: GcsCall,
  { store, endpoint }: GcsService,
  attributesOf: (resource: unknown, present: ObjectAttributes) => ObjectAttributes,
) {
  const resource = await receiveJson(call);
  const bucket = store.bucket(call.bucket);
  const object = bucket.existing(call.name, parseInt64(call.query.get('generation')));
  checkConditions(object, conditionsOf(call.query));
  const attributes = attributesOf(resource, object.attributes);
  if (attributes.storageClass !== object.attributes.storageClass) {
    throw invalid('The storage class of an object is changed by rewriting it.');
  }
  return {
    status: 200,
    json: objectResource(bucket.describe(object, attributes, call.now), endpoint),
  };
}

export const deleteObject: Operation = (call, { store }) => {
  const generation = parseInt64(call.query.get('generation'));
  store.bucket(call.bucket).delete(call.name, conditionsOf(call.query), generation);
  return { status: 204 };
};

export const deleteXmlObject: Operation = (call, { store }) => {
  const generation = parseInt64(call.query.get('generation'));
  store.bucket(call.bucket).delete(call.name, headerConditions(call.headers), generation);
  return { status: 204 };
};
