import {
  type BlobGenerateSasUrlOptions,
  BlobSASPermissions,
  BlobServiceClient,
  SASProtocol,
  type UserDelegationKey,
} from '@azure/storage-blob';
import { StorageUnsupportedError } from '../../core/errors.js';
import type {
  DriverUploadUrlOptions,
  DriverUrlOptions,
  UploadUrl,
} from '../../core/storage-driver.js';
import type { AzureContainer } from './azure.client.js';
import { send } from './azure.requests.js';

/** Seconds that a delegation key may live; the service counts from the clock of its own. */
const KEY_LIFE = 7 * 86_400;
const CLOCK_SKEW = 15 * 60;
export const MAX_DELEGATED_LIFE = KEY_LIFE - 86_400;

export async function url(
  container: AzureContainer,
  key: string,
  { expiresIn, contentDisposition, contentType, cacheControl, signal }: DriverUrlOptions,
): Promise<string> {
  const options = {
    permissions: 'r',
    expiresOn: new Date(Date.now() + expiresIn * 1000),
    ...(contentDisposition !== undefined && { contentDisposition }),
    ...(contentType !== undefined && { contentType }),
    ...(cacheControl !== undefined && { cacheControl }),
  };
  return signedUrl(container, key, options, signal);
}

/**
 * A PUT that may only create, or create and replace. Nothing else can be bound: whoever has the URL sends bytes of
 * whatever type, and as many as they like.
 */
export async function uploadUrl(
  container: AzureContainer,
  key: string,
  { method, expiresIn, ifNoneMatch, signal, ...others }: DriverUploadUrlOptions,
): Promise<UploadUrl> {
  const bound = [others.contentType, others.size, others.maxSize, others.checksum];
  if (method !== 'PUT' || bound.some((value) => value !== undefined)) {
    throw new StorageUnsupportedError(
      'A signed Azure upload is a PUT, which cannot be bound to a type, a size or a checksum',
    );
  }
  const expiresAt = new Date(Date.now() + expiresIn * 1000);
  const permissions = ifNoneMatch === undefined ? 'cw' : 'c';
  return {
    method,
    url: await signedUrl(container, key, { permissions, expiresOn: expiresAt }, signal),
    headers: { 'x-ms-blob-type': 'BlockBlob' },
    expiresAt,
  };
}

/**
 * A shared access signature is for a blob, and names no block: whoever had one for a part could send every other part, and
 * replace what the upload was started with.
 */
export async function uploadPartUrl(): Promise<never> {
  throw new StorageUnsupportedError(
    'A shared access signature cannot be bound to one part; send the parts through uploadPart()',
  );
}

type SignedUrlOptions = Omit<BlobGenerateSasUrlOptions, 'permissions' | 'protocol'> & {
  readonly permissions: string;
  readonly expiresOn: Date;
};

/** @throws StorageUnsupportedError when there is nothing to sign with */
export async function signedUrl(
  container: AzureContainer,
  key: string,
  options: SignedUrlOptions,
  signal: AbortSignal,
): Promise<string> {
  const blob = container.client.getBlobClient(key);
  const secure = blob.url.startsWith('https:');
  const signed: BlobGenerateSasUrlOptions = {
    ...options,
    permissions: BlobSASPermissions.parse(options.permissions),
    protocol: secure ? SASProtocol.Https : SASProtocol.HttpsAndHttp,
  };
  if (container.signsWith === 'accountKey') return blob.generateSasUrl(signed);
  if (container.signsWith === 'delegationKey') {
    const delegationKey = await delegationKeyUntil(container, options.expiresOn, signal);
    return blob.generateUserDelegationSasUrl(signed, delegationKey);
  }
  throw new StorageUnsupportedError(
    'A shared access signature cannot sign others: configure an account key or a credential',
  );
}

const delegationKeys = new WeakMap<AzureContainer, UserDelegationKey>();

/** The key of the last URL as long as it outlives the new one; it costs a request. */
async function delegationKeyUntil(
  container: AzureContainer,
  expiresOn: Date,
  signal: AbortSignal,
): Promise<UserDelegationKey> {
  const known = delegationKeys.get(container);
  if (known && known.signedExpiresOn >= expiresOn) return known;
  const { client } = container;
  const accountUrl = client.url.slice(0, client.url.lastIndexOf(`/${client.containerName}`));
  // The same connections, retries and credentials: only the address differs.
  const service = new BlobServiceClient(accountUrl, client['pipeline']);
  const start = Date.now() - CLOCK_SKEW * 1000;
  const key = await send(container, signal, (abortSignal) =>
    service.getUserDelegationKey(new Date(start), new Date(start + KEY_LIFE * 1000), {
      abortSignal,
    }),
  );
  delegationKeys.set(container, key);
  return key;
}
