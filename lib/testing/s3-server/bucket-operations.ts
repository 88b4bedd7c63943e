import { childText, element, elements, xmlDocument } from '../servers/xml.js';
import type { Operation } from './call.js';
import { s3Error } from './errors.js';
import { malformedXml, parseDocument, receiveText } from './payload.js';

export const headBucket: Operation = (call, service) => {
  service.store.bucket(call.bucket);
  return { status: 200, headers: { 'x-amz-bucket-region': service.region } };
};

const BUCKET_NAME = /^(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export const createBucket: Operation = async (call, service) => {
  const { text } = await receiveText(call);
  if (text.trim() !== '') {
    const document = parseDocument(text, 'CreateBucketConfiguration');
    const location = childText(document, 'LocationConstraint');
    if (location !== undefined && location !== service.region) {
      throw malformedXml();
    }
  }
  if (!BUCKET_NAME.test(call.bucket)) {
    throw s3Error('InvalidBucketName', 'The specified bucket is not valid.', {
      details: { BucketName: call.bucket },
    });
  }
  if (service.store.buckets.has(call.bucket)) {
    throw s3Error(
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
      { details: { BucketName: call.bucket } },
    );
  }
  service.store.create(call.bucket, call.now);
  return { status: 200, headers: { location: `/${call.bucket}` } };
};

export const listBuckets: Operation = (_call, service) => ({
  status: 200,
  xml: xmlDocument('ListAllMyBucketsResult', [
    elements('Owner', [element('ID', '0123456789abcdef')]),
    elements(
      'Buckets',
      [...service.store.buckets.values()]
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ name, createdAt }) =>
          elements('Bucket', [
            element('Name', name),
            element('CreationDate', new Date(createdAt).toISOString()),
          ]),
        ),
    ),
  ]),
});

export const getBucketLocation: Operation = (call, service) => {
  service.store.bucket(call.bucket);
  // The oldest region is told by saying nothing.
  const region = service.region === 'us-east-1' ? '' : service.region;
  return { status: 200, xml: xmlDocument('LocationConstraint', [region]) };
};
