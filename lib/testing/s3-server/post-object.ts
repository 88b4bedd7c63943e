import { wholeSecond } from '../servers/conditional-reads.js';
import { readForm } from '../servers/form-data.js';
import { element, xmlDocument } from '../servers/xml.js';
import { checkKeyLength } from './addressing.js';
import { parseAttributes, refuseUnsupportedAttributes } from './attributes.js';
import type { Operation, S3Response } from './call.js';
import {
  type ChecksumAlgorithm,
  CHECKSUM_ALGORITHMS,
  checksumHeader,
  isChecksumOf,
} from './checksums.js';
import { notImplemented, s3Error } from './errors.js';
import { fullObjectChecksum } from './object-operations.js';
import type { StoredObject } from './object-store.js';
import { type Received, store } from './payload.js';
import { verifyPolicy } from './post-policy.js';

/** An upload from an HTML form, allowed by the policy signed for it. */
export const postObject: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const contentType = call.headers.get('content-type') ?? '';
  const form = await readForm(call.body(), contentType);
  const limits = verifyPolicy(form.fields, call.bucket, {
    credentials: service.credentials,
    signingKey: service.signingKey,
    region: service.region,
    acceptsRegion: service.acceptsRegion,
    now: call.now,
  });
  const key = form.fields.get('key')?.replaceAll('${filename}', form.fileName);
  if (!key) {
    throw s3Error(
      'InvalidArgument',
      "Bucket POST must contain a field named 'key'. If it is specified, please check the order of the fields.",
      { details: { ArgumentName: 'key', ArgumentValue: '' } },
    );
  }
  checkKeyLength(key, service.provider.maxKeyBytes);
  refuseUnknownFields(form.fields);
  const fields = new Map(form.fields);
  const acl = fields.get('acl');
  if (acl !== undefined) fields.set('x-amz-acl', acl);
  refuseUnsupportedAttributes({ ...call, headers: fields });

  const algorithm = CHECKSUM_ALGORITHMS.find((candidate) => fields.has(checksumHeader(candidate)));
  const received = await store(form.file, service.storage, {
    algorithms: [algorithm ?? service.defaultChecksum],
    limit: Math.min(limits.max, service.maxUploadSize),
  });
  try {
    checkSize(received.body.size, limits.min);
    if (algorithm) verifyChecksum(algorithm, fields, received);
    const object: StoredObject = {
      ...parseAttributes(latin1(fields)),
      key,
      body: received.body,
      etag: received.md5,
      lastModified: wholeSecond(call.now),
      checksum: fullObjectChecksum(received),
    };
    bucket.commit(object);
    return answer(fields, call.bucket, object);
  } catch (error) {
    received.body.release();
    throw error;
  }
};

function checkSize(size: number, min: number): void {
  if (size >= min) return;
  throw s3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
    details: { ProposedSize: size, MinSizeAllowed: min },
  });
}

function verifyChecksum(
  algorithm: ChecksumAlgorithm,
  fields: ReadonlyMap<string, string>,
  { checksums }: Pick<Received, 'checksums'>,
): void {
  const given = fields.get(checksumHeader(algorithm));
  if (given === undefined) return;
  if (!isChecksumOf(algorithm, given)) {
    throw s3Error('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`);
  }
  if (given !== checksums.get(algorithm)) {
    throw s3Error(
      'BadDigest',
      `The ${algorithm} you specified did not match the calculated checksum.`,
    );
  }
}

const KNOWN_FIELDS =
  /^x-amz-(algorithm|credential|date|security-token|signature|acl|storage-class|server-side-encryption|checksum-(crc32|crc32c|crc64nvme|sha1|sha256)|meta-.+)$/;

function refuseUnknownFields(fields: ReadonlyMap<string, string>): void {
  for (const name of fields.keys()) {
    const unknown = name === 'tagging' || (name.startsWith('x-amz-') && !KNOWN_FIELDS.test(name));
    if (unknown) throw notImplemented(`the form field ${name}`);
  }
}

// Attributes are kept as header bytes, one character each; fields are text.
function latin1(fields: ReadonlyMap<string, string>): Map<string, string> {
  return new Map(
    [...fields].map(([name, value]) => [
      name,
      name.startsWith('x-amz-meta-') ? value : Buffer.from(value).toString('latin1'),
    ]),
  );
}

function answer(
  fields: ReadonlyMap<string, string>,
  bucket: string,
  { key, etag }: StoredObject,
): S3Response {
  const location = `/${bucket}/${encodeURIComponent(key)}`;
  const redirect = fields.get('success_action_redirect');
  if (redirect !== undefined && URL.canParse(redirect)) {
    const url = new URL(redirect);
    url.searchParams.set('bucket', bucket);
    url.searchParams.set('key', key);
    url.searchParams.set('etag', `"${etag}"`);
    return { status: 303, headers: { etag: `"${etag}"`, location: url.href } };
  }
  const status = Number(fields.get('success_action_status'));
  return {
    // Any other status than these three is ignored.
    status: status === 200 || status === 201 ? status : 204,
    headers: { etag: `"${etag}"`, location },
    ...(status === 201
      ? {
          xml: xmlDocument(
            'PostResponse',
            [
              element('Location', location),
              element('Bucket', bucket),
              element('Key', key),
              element('ETag', `"${etag}"`),
            ],
            { namespace: false },
          ),
        }
      : {}),
  };
}
