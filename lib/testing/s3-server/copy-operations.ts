import { wholeSecond } from '../servers/conditional-reads.js';
import { JoinedBody, type BodySlice } from '../servers/stored-body.js';
import { element, xmlDocument } from '../servers/xml.js';
import { parseAttributes, refuseUnsupportedAttributes } from './attributes.js';
import { decodeOnce } from './addressing.js';
import type { Operation, S3Call, S3Service } from './call.js';
import {
  createDigest,
  parseChecksumAlgorithm,
  type Checksum,
  type ChecksumAlgorithm,
} from './checksums.js';
import { checkCopySource, writeCondition } from './conditions.js';
import { notImplemented, s3Error } from './errors.js';
import { partNumberOf, uploadIdOf } from './multipart-operations.js';
import { commitPart, existingUpload } from './multipart-uploads.js';
import type { StoredObject } from './object-store.js';

export const copyObject: Operation = async (call, service) => {
  refuseUnsupportedAttributes(call);
  const destination = service.store.bucket(call.bucket);
  const source = copySource(call, service);
  const condition = writeCondition(call.headers, service.provider);
  const replace = directive(call, 'x-amz-metadata-directive') === 'REPLACE';
  if (directive(call, 'x-amz-tagging-directive') === 'REPLACE') {
    throw notImplemented('x-amz-tagging-directive');
  }
  const given = parseAttributes(call.headers);
  const storageClass = call.headers.get('x-amz-storage-class');
  if (
    source.object.key === call.key &&
    source.bucket === call.bucket &&
    !replace &&
    storageClass === undefined &&
    !call.headers.has('x-amz-server-side-encryption')
  ) {
    throw s3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  checkCopySource(source.object, call.headers);
  if (source.object.body.size > service.maxCopySize) {
    throw s3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${service.maxCopySize}`,
    );
  }

  const body = source.object.body.retain();
  try {
    const object: StoredObject = {
      ...(replace ? given : source.object),
      storageClass: storageClass ?? 'STANDARD',
      key: call.key,
      body,
      ...(await wholeDigests(call, source.object)),
      lastModified: wholeSecond(call.now),
    };
    destination.commit(object, condition);
    return {
      status: 200,
      headers: { 'x-amz-server-side-encryption': 'AES256' },
      xml: xmlDocument('CopyObjectResult', [
        ...copyResult(object),
        ...(object.checksum
          ? [
              element(`Checksum${object.checksum.algorithm}`, object.checksum.value),
              element('ChecksumType', object.checksum.type),
            ]
          : []),
      ]),
    };
  } catch (error) {
    body.release();
    throw error;
  }
};

// A copy is one object whatever its source was: its ETag is the MD5 of the
// bytes, and its checksum covers all of them.
async function wholeDigests(
  call: S3Call,
  source: StoredObject,
): Promise<{ etag: string; checksum: Checksum | undefined }> {
  const name = call.headers.get('x-amz-checksum-algorithm');
  const algorithm = name === undefined ? source.checksum?.algorithm : parseChecksumAlgorithm(name);
  if (name !== undefined && !algorithm) {
    throw s3Error(
      'InvalidRequest',
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    );
  }
  if (
    !source.etag.includes('-') &&
    algorithm === source.checksum?.algorithm &&
    source.checksum?.type !== 'COMPOSITE'
  ) {
    return { etag: source.etag, checksum: source.checksum };
  }
  const { etag, checksum } = await digestSlice(
    { body: source.body, start: 0, end: source.body.size },
    algorithm,
  );
  return {
    etag,
    checksum:
      algorithm && checksum !== undefined
        ? { algorithm, value: checksum, type: 'FULL_OBJECT' }
        : undefined,
  };
}

export const uploadPartCopy: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const upload = existingUpload(bucket, call.key, uploadIdOf(call));
  const partNumber = partNumberOf(call, service.provider);
  const { object: source } = copySource(call, service);
  checkCopySource(source, call.headers);
  const slice = copyRange(call, source);
  if (slice.end - slice.start > service.maxUploadSize) {
    throw s3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${service.maxUploadSize}`,
    );
  }
  const body = new JoinedBody([slice]);
  const { etag, checksum } = await digestSlice(
    { body, start: 0, end: body.size },
    upload.checksumAlgorithm,
  );
  const part = {
    partNumber,
    body,
    etag,
    lastModified: wholeSecond(call.now),
    checksum,
  };
  commitPart(bucket, upload, part);
  return {
    status: 200,
    headers: { 'x-amz-server-side-encryption': 'AES256' },
    xml: xmlDocument('CopyPartResult', [
      ...copyResult(part),
      ...(upload.checksumAlgorithm
        ? [element(`Checksum${upload.checksumAlgorithm}`, checksum)]
        : []),
    ]),
  };
};

function copyResult(copy: { etag: string; lastModified: number }): string[] {
  return [
    element('LastModified', new Date(copy.lastModified).toISOString()),
    element('ETag', `"${copy.etag}"`),
  ];
}

function copySource(call: S3Call, service: S3Service): { bucket: string; object: StoredObject } {
  const header = call.headers.get('x-amz-copy-source') ?? '';
  if (/\?versionId=/.test(header)) throw notImplemented('versionId');
  const source = decodeOnce(header).replace(/^\//, '');
  const slash = source.indexOf('/');
  if (slash < 1 || slash === source.length - 1) {
    throw s3Error(
      'InvalidArgument',
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
      {
        details: {
          ArgumentName: 'x-amz-copy-source',
          ArgumentValue: header,
        },
      },
    );
  }
  const bucket = source.slice(0, slash);
  return {
    bucket,
    object: service.store.bucket(bucket).existing(source.slice(slash + 1)),
  };
}

function copyRange(call: S3Call, source: StoredObject): BodySlice {
  const header = call.headers.get('x-amz-copy-source-range');
  const { size } = source.body;
  if (header === undefined) return { body: source.body, start: 0, end: size };
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header);
  const [start, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || start > last) {
    throw s3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      {
        details: {
          ArgumentName: 'x-amz-copy-source-range',
          ArgumentValue: header,
        },
      },
    );
  }
  if (last >= size) {
    throw s3Error(
      'InvalidArgument',
      `Range specified is not valid for source object of size: ${size}`,
      {
        details: {
          ArgumentName: 'x-amz-copy-source-range',
          ArgumentValue: header,
        },
      },
    );
  }
  return { body: source.body, start, end: last + 1 };
}

async function digestSlice(
  { body, start, end }: BodySlice,
  algorithm: ChecksumAlgorithm | undefined,
): Promise<{ etag: string; checksum: string | undefined }> {
  const md5 = createDigest('MD5');
  const checksum = algorithm && createDigest(algorithm);
  for await (const chunk of body.read(start, end)) {
    md5.update(chunk);
    checksum?.update(chunk);
  }
  return {
    etag: md5.digest().toString('hex'),
    checksum: checksum?.digest().toString('base64'),
  };
}

function directive(call: S3Call, name: string): string {
  const value = call.headers.get(name)?.toUpperCase() ?? 'COPY';
  if (value !== 'COPY' && value !== 'REPLACE') {
    throw s3Error('InvalidArgument', `Unknown ${name}`, {
      details: { ArgumentName: name, ArgumentValue: value },
    });
  }
  return value;
}
