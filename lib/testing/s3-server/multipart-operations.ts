import { randomBytes } from 'node:crypto';
import { wholeSecond } from '../servers/conditional-reads.js';
import { childText, element, xmlDocument } from '../servers/xml.js';
import { parseAttributes, refuseUnsupportedAttributes } from './attributes.js';
import type { Operation, S3Call, S3Service } from './call.js';
import {
  CHECKSUM_ALGORITHMS,
  checksumHeader,
  parseChecksumAlgorithm,
  type ChecksumAlgorithm,
  type ChecksumType,
} from './checksums.js';
import { writeCondition } from './conditions.js';
import { s3Error } from './errors.js';
import {
  chooseParts,
  commitPart,
  endUpload,
  existingUpload,
  joinParts,
  multipartChecksum,
  multipartEtag,
  type MultipartUpload,
  type NamedPart,
} from './multipart-uploads.js';
import type { StoredObject } from './object-store.js';
import { malformedXml, parseDocument, receive, receiveText } from './payload.js';
import type { ProviderBehaviour } from './provider-behaviour.js';

export const createMultipartUpload: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  refuseUnsupportedAttributes(call);
  await receiveText(call);
  const checksum = chosenChecksum(call, service);
  const upload: MultipartUpload = {
    key: call.key,
    uploadId: randomBytes(24).toString('base64url'),
    initiated: wholeSecond(call.now),
    attributes: parseAttributes(call.headers),
    parts: new Map(),
    ...checksum,
  };
  bucket.uploads.set(upload.uploadId, upload);
  return {
    status: 200,
    headers: {
      'x-amz-server-side-encryption': 'AES256',
      ...(checksum.checksumDeclared
        ? {
            'x-amz-checksum-algorithm': checksum.checksumAlgorithm,
            'x-amz-checksum-type': checksum.checksumType,
          }
        : {}),
    },
    xml: xmlDocument('InitiateMultipartUploadResult', [
      element('Bucket', call.bucket),
      element('Key', call.key),
      element('UploadId', upload.uploadId),
    ]),
  };
};

function chosenChecksum(
  call: S3Call,
  service: S3Service,
): Pick<MultipartUpload, 'checksumAlgorithm' | 'checksumType' | 'checksumDeclared'> {
  const name = call.headers.get('x-amz-checksum-algorithm');
  const type = call.headers.get('x-amz-checksum-type')?.toUpperCase();
  if (name === undefined) {
    if (type !== undefined) {
      throw s3Error(
        'InvalidRequest',
        'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
      );
    }
    return {
      checksumAlgorithm: service.defaultChecksum,
      checksumType: 'FULL_OBJECT',
      checksumDeclared: false,
    };
  }
  const algorithm = parseChecksumAlgorithm(name);
  if (!algorithm) {
    throw s3Error(
      'InvalidRequest',
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    );
  }
  const byDefault: ChecksumType = algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';
  const chosen = type ?? byDefault;
  const fits =
    chosen === 'FULL_OBJECT'
      ? service.provider.checksums.ofWholeUploads.includes(algorithm)
      : chosen === 'COMPOSITE' && algorithm !== 'CRC64NVME';
  if (!fits) {
    throw s3Error(
      'InvalidRequest',
      `The ${chosen} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return {
    checksumAlgorithm: algorithm,
    checksumType: chosen === 'COMPOSITE' ? 'COMPOSITE' : 'FULL_OBJECT',
    checksumDeclared: true,
  };
}

export const uploadPart: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const upload = existingUpload(bucket, call.key, uploadIdOf(call));
  const partNumber = partNumberOf(call, service.provider);
  const received = await receive(call, service.storage, {
    always: upload.checksumAlgorithm,
    limit: service.maxUploadSize,
  });
  const mismatch = checksumMismatch(upload, received.declared);
  if (mismatch) {
    received.body.release();
    throw mismatch;
  }
  const answered = received.declared ?? upload.checksumAlgorithm;
  commitPart(bucket, upload, {
    partNumber,
    body: received.body,
    etag: received.md5,
    lastModified: wholeSecond(call.now),
    checksum: upload.checksumAlgorithm && received.checksums.get(upload.checksumAlgorithm),
  });
  return {
    status: 200,
    headers: {
      etag: `"${received.md5}"`,
      'x-amz-server-side-encryption': 'AES256',
      ...(answered && { [checksumHeader(answered)]: received.checksums.get(answered) }),
    },
  };
};

// A part must carry the checksum its upload was created with. When that was
// none, any is verified and told, but not kept: naming it in the completion is
// an InvalidPart. https://github.com/transloadit/uppy/pull/6180
function checksumMismatch(
  upload: MultipartUpload,
  given: ChecksumAlgorithm | undefined,
): Error | undefined {
  const expected = upload.checksumAlgorithm;
  if (!upload.checksumDeclared || given === expected) return undefined;
  if (given === undefined && upload.checksumType === 'FULL_OBJECT') return undefined;
  return s3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${expected?.toLowerCase() ?? 'null'}, actual checksum Type: ${given?.toLowerCase() ?? 'null'}`,
  );
}

export const completeMultipartUpload: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const condition = writeCondition(call.headers, service.provider);
  const { text } = await receiveText(call);
  // From here on nothing waits, so no part, abort or rival can come between.
  const upload = existingUpload(bucket, call.key, uploadIdOf(call));
  const parts = chooseParts(upload, parseCompletion(text, upload, service.provider), {
    minPartSize: service.minPartSize,
    equalParts: service.provider.equalParts,
  });
  const size = parts.reduce((sum, { body }) => sum + body.size, 0);
  const checksum = multipartChecksum(upload, parts);
  checkPromises(call, upload, size, checksum?.value);

  const object: StoredObject = {
    ...upload.attributes,
    key: call.key,
    body: joinParts(parts),
    etag: multipartEtag(parts, service.provider.multipartEtags),
    lastModified: wholeSecond(call.now),
    // The one computed unasked is told in this answer, and not kept.
    checksum: upload.checksumDeclared ? checksum : undefined,
  };
  try {
    bucket.commit(object, condition);
  } catch (error) {
    object.body.release();
    throw error;
  }
  endUpload(bucket, upload);
  return {
    status: 200,
    headers: { 'x-amz-server-side-encryption': 'AES256' },
    xml: xmlDocument('CompleteMultipartUploadResult', [
      element('Location', `/${call.bucket}/${call.key}`),
      element('Bucket', call.bucket),
      element('Key', call.key),
      element('ETag', `"${object.etag}"`),
      ...(checksum
        ? [
            element(`Checksum${checksum.algorithm}`, checksum.value),
            element('ChecksumType', checksum.type),
          ]
        : []),
    ]),
  };
};

function parseCompletion(
  text: string,
  upload: MultipartUpload,
  { maxParts }: ProviderBehaviour,
): NamedPart[] {
  const document = parseDocument(text, 'CompleteMultipartUpload');
  const nodes = document.children.filter(({ name }) => name === 'Part');
  if (nodes.length === 0 || nodes.length > maxParts) throw malformedXml();
  return nodes.map((node) => {
    const partNumber = childText(node, 'PartNumber') ?? '';
    const etag = childText(node, 'ETag');
    if (!/^\d+$/.test(partNumber) || etag === undefined) throw malformedXml();
    for (const algorithm of CHECKSUM_ALGORITHMS) {
      if (
        algorithm !== upload.checksumAlgorithm &&
        childText(node, `Checksum${algorithm}`) !== undefined
      ) {
        throw s3Error(
          'InvalidPart',
          `The checksum of part ${partNumber} is not of the upload's type.`,
        );
      }
    }
    return {
      partNumber: parsePartNumber(partNumber, maxParts),
      etag: etag.trim().replace(/^"(.*)"$/, '$1'),
      checksum: upload.checksumAlgorithm && childText(node, `Checksum${upload.checksumAlgorithm}`),
    };
  });
}

function checkPromises(
  call: S3Call,
  upload: MultipartUpload,
  size: number,
  checksum: string | undefined,
): void {
  const type = call.headers.get('x-amz-checksum-type')?.toUpperCase();
  if (type !== undefined && type !== upload.checksumType) {
    throw s3Error(
      'InvalidRequest',
      `The upload was created using the ${upload.checksumType} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  const promised = call.headers.get('x-amz-mp-object-size');
  if (promised !== undefined && Number(promised) !== size) {
    throw s3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${promised} does not match what was computed: ${size}`,
    );
  }
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = call.headers.get(checksumHeader(algorithm));
    if (value === undefined) continue;
    if (
      algorithm !== upload.checksumAlgorithm ||
      // A composite may be given with or without its number of parts.
      (value !== checksum && value !== checksum?.replace(/-\d+$/, ''))
    ) {
      throw s3Error(
        'BadDigest',
        `The ${algorithm} you specified did not match the calculated checksum.`,
      );
    }
  }
}

export const abortMultipartUpload: Operation = (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  endUpload(bucket, existingUpload(bucket, call.key, uploadIdOf(call)));
  return { status: 204 };
};

export function uploadIdOf(call: S3Call): string {
  return call.query.get('uploadId') ?? '';
}

/** @throws S3Error InvalidArgument */
export function partNumberOf(call: S3Call, { maxParts }: ProviderBehaviour): number {
  return parsePartNumber(call.query.get('partNumber') ?? '', maxParts);
}

function parsePartNumber(text: string, maxParts: number): number {
  const partNumber = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (partNumber < 1 || partNumber > maxParts) {
    throw s3Error(
      'InvalidArgument',
      `Part number must be an integer between 1 and ${maxParts}, inclusive`,
      { details: { ArgumentName: 'partNumber', ArgumentValue: text } },
    );
  }
  return partNumber;
}
