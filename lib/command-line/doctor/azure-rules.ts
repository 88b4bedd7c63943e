import {
  BlobServiceClient,
  type BlobServiceProperties,
  type ContainerClient,
} from '@azure/storage-blob';
import { judgeCors } from './cors-rules.js';
import { type Observation, unread } from './observation.js';

/** What the account tells of CORS; its rules of the lifecycle are not for those who store files. */
export async function observeAzure(
  container: ContainerClient,
  origin: string | undefined,
  abortSignal: AbortSignal,
): Promise<readonly Observation[]> {
  const lifecycle: Observation = {
    check: 'lifecycle',
    outcome: 'skipped',
    detail:
      'the rules are the account’s, which only its management tells: az storage account management-policy show',
  };
  let properties: BlobServiceProperties;
  try {
    properties = await serviceOf(container).getProperties({ abortSignal });
  } catch (error) {
    abortSignal.throwIfAborted();
    const { code, name } = error as { code?: string; name: string };
    const right = 'Microsoft.Storage/storageAccounts/blobServices/read, or the key of the account';
    return [unread('cors', right, { name: code ?? name }), lifecycle];
  }
  const rules = (properties.cors ?? []).map((rule) => ({
    origins: listed(rule.allowedOrigins),
    methods: listed(rule.allowedMethods),
    headers: listed(rule.allowedHeaders),
    exposed: listed(rule.exposedHeaders),
  }));
  const cors = judgeCors(rules, origin, {
    owner: 'the account',
    origins: 'AllowedOrigins',
    methods: 'AllowedMethods',
    headers: 'AllowedHeaders',
    sent: ['content-type', 'x-ms-blob-type'],
    exposed: 'ExposedHeaders',
    read: [],
    example: 'AllowedMethods PUT, AllowedHeaders content-type,x-ms-*',
  });
  return [cors, lifecycle];
}

/** A connection that breaks in passing is no answer. Milliseconds. */
const RETRIES = { maxTries: 3, retryDelayInMs: 200 };

/** The account's own address, with what the container's has of a signature. */
function serviceOf({ url, credential }: ContainerClient): BlobServiceClient {
  const service = new URL(url);
  service.pathname = service.pathname.replace(/\/[^/]*$/, '');
  return new BlobServiceClient(service.href, credential, { retryOptions: RETRIES });
}

function listed(text: string | undefined): string[] {
  return (text ?? '').split(',').map((each) => each.trim());
}
