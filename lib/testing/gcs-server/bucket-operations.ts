import { isRecord } from './attributes.js';
import type { GcsService, Operation } from './call.js';
import { GcsError, invalid } from './errors.js';
import type { Bucket } from './object-store.js';
import { receiveJson } from './receive.js';

export const getBucket: Operation = (call, service) => ({
  status: 200,
  json: bucketResource(service.store.bucket(call.bucket), service),
});

export const listBuckets: Operation = (call, service) => {
  const prefix = call.query.get('prefix') ?? '';
  const items = [...service.store.buckets.values()]
    .filter(({ name }) => name.startsWith(prefix))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((bucket) => bucketResource(bucket, service));
  return {
    status: 200,
    json: { kind: 'storage#buckets', ...(items.length > 0 ? { items } : {}) },
  };
};

export const insertBucket: Operation = async (call, service) => {
  const resource = await receiveJson(call);
  const name = isRecord(resource) ? resource['name'] : undefined;
  if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/.test(name)) {
    throw invalid(`Invalid bucket name: '${String(name)}'`, 'InvalidBucketName');
  }
  if (service.store.buckets.has(name)) {
    throw new GcsError(
      409,
      'conflict',
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
    );
  }
  return { status: 200, json: bucketResource(service.store.create(name, call.now), service) };
};

function bucketResource({ name, timeCreated }: Bucket, { endpoint }: GcsService): object {
  const created = new Date(timeCreated).toISOString();
  return {
    kind: 'storage#bucket',
    id: name,
    selfLink: `${endpoint}/storage/v1/b/${name}`,
    name,
    projectNumber: '1',
    metageneration: '1',
    location: 'US',
    locationType: 'multi-region',
    storageClass: 'STANDARD',
    etag: 'CAE=',
    timeCreated: created,
    updated: created,
    iamConfiguration: {
      uniformBucketLevelAccess: { enabled: true },
      publicAccessPrevention: 'inherited',
    },
  };
}
