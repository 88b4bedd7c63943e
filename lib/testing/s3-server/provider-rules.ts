import { Query } from '../servers/url-encoding.js';
import type { S3Call } from './call.js';
import { CHECKSUM_ALGORITHMS, checksumHeader, parseChecksumAlgorithm } from './checksums.js';
import { notImplemented, s3Error } from './errors.js';
import type { S3OperationName } from './operation-names.js';
import type { ProviderBehaviour, Treatment } from './provider-behaviour.js';

/**
 * The request as the provider takes it: without what it leaves out in silence, and in the words of S3 where it has its
 * own.
 *
 * @throws S3Error for what the provider refuses
 */
export function asTakenBy(provider: ProviderBehaviour, call: S3Call): S3Call {
  refuseOperation(provider, call.operation);
  refuseFraming(provider, call);
  const headers = [...call.headers].flatMap(([name, value]): [string, string][] => {
    const own = translated(provider, call.operation, name);
    if (own !== undefined) return [[own, value]];
    const treatment = headerTreatment(provider, call.operation, name, value);
    return takes(treatment, name) ? [[name, value]] : [];
  });
  const query = call.query.pairs.filter(([name]) =>
    takes(parameterTreatment(provider, call.operation, name), name),
  );
  return { ...call, headers: new Map(headers), query: new Query(query) };
}

function refuseOperation(provider: ProviderBehaviour, operation: S3OperationName): void {
  const supports: Partial<Record<S3OperationName, Treatment>> = {
    DeleteObjects: provider.deleteObjects.support,
    PostObject: provider.forms,
    UploadPartCopy: provider.uploadPartCopy,
  };
  takes(supports[operation] ?? 'honoured', operation);
}

function refuseFraming(provider: ProviderBehaviour, call: S3Call): void {
  const { payload } = call.authentication;
  const trailing =
    call.headers.has('x-amz-trailer') ||
    payload.kind === 'chunked-unsigned' ||
    (payload.kind === 'chunked-signed' && payload.trailer);
  if (trailing) takes(provider.trailers, 'x-amz-trailer');
  else if (payload.kind === 'chunked-signed') takes(provider.signedChunks, 'aws-chunked');
}

/** The header of S3 that a provider's own one stands for. */
function translated(
  { copyConditionPrefix }: ProviderBehaviour,
  operation: S3OperationName,
  name: string,
): string | undefined {
  if (operation !== 'CopyObject' || copyConditionPrefix === undefined) return undefined;
  const condition = `if-${name.slice(`${copyConditionPrefix}if-`.length)}`;
  return name.startsWith(copyConditionPrefix) && WRITE_CONDITION.test(condition)
    ? condition
    : undefined;
}

const WRITE_CONDITION = /^if-(none-)?match$/;

function headerTreatment(
  provider: ProviderBehaviour,
  operation: S3OperationName,
  name: string,
  value: string,
): Treatment {
  if (WRITE_CONDITION.test(name)) {
    const { put, complete, copy } = provider.conditions;
    const conditions: Partial<Record<S3OperationName, Treatment>> = {
      PutObject: put,
      CompleteMultipartUpload: complete,
      CopyObject: copy,
    };
    return conditions[operation] ?? 'honoured';
  }
  if (name.startsWith('x-amz-copy-source-if-')) return provider.copySourceConditions;
  if (name === 'x-amz-acl') return provider.acl;
  if (name === 'content-md5' && STORES_BODY.has(operation)) return provider.contentMd5;
  return checksumTreatment(provider, name, value);
}

const STORES_BODY: ReadonlySet<S3OperationName> = new Set(['PutObject', 'UploadPart']);

function checksumTreatment(
  { checksums: { algorithms, others } }: ProviderBehaviour,
  name: string,
  value: string,
): Treatment {
  if (!/^x-amz-(checksum-|sdk-checksum-algorithm$)/.test(name)) return 'honoured';
  if (algorithms.length === 0) return others;
  const algorithm = name.endsWith('-algorithm')
    ? parseChecksumAlgorithm(value)
    : CHECKSUM_ALGORITHMS.find((candidate) => checksumHeader(candidate) === name);
  return algorithm === undefined || algorithms.includes(algorithm) ? 'honoured' : others;
}

function parameterTreatment(
  provider: ProviderBehaviour,
  operation: S3OperationName,
  name: string,
): Treatment {
  if (name === 'x-id') return provider.operationIds;
  if (name === 'encoding-type') return provider.encodedListings;
  if (operation === 'HeadObject' && name.startsWith('response-')) return provider.overridesOnHead;
  return 'honoured';
}

/** Whether it counts, or is as if it had not been sent. @throws S3Error when it is refused */
function takes(treatment: Treatment, what: string): boolean {
  if (treatment === 'honoured') return true;
  if (treatment === 'ignored') return false;
  if (treatment === 'NotImplemented') throw notImplemented(what);
  throw s3Error(treatment, `This provider does not take ${what}.`, {
    details: { ArgumentName: what },
  });
}
