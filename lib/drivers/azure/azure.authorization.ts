import type { ContainerClient } from '@azure/storage-blob';
import { StoragePermissionError } from '../../core/errors.js';
import { waitForCredentials } from '../remote/credential-wait.js';
import { beforeSending } from './azure.errors.js';
import type { AzureTokenCredential } from './azure.options.js';
import { type AccountKey, sharedKeySignature, type SignedRequest } from './azure.signature.js';

export const TOKEN_SCOPE = 'https://storage.azure.com/.default';

/** Milliseconds before its end at which another token is asked for, and at which the one that is there is not used any more. */
const RENEWAL = 120_000;
const LAST_USE = 5000;
/** Milliseconds between requests for another token as long as the one that is there holds. */
const PAUSE = 5000;

/** In whose name requests are made. */
export interface Authorization {
  /** The headers that authorise a request, to be sent with its others. */
  headers(request: SignedRequest, signal: AbortSignal): Promise<Record<string, string>>;
  /**
   * Whether a request that was refused is worth another attempt, in another name.
   *
   * @param challenge the service's words for what it wants
   */
  renew(
    refused: Readonly<Record<string, string>>,
    challenge: string,
    signal: AbortSignal,
  ): Promise<boolean>;
}

/** Signs in the name of the client: by the account's key, by tokens, or not at all where the signature is in the URL. */
export function authorizationOf({ credential }: ContainerClient): Authorization {
  if ('computeHMACSHA256' in credential) return new KeyAuthorization(credential);
  if ('getToken' in credential) return new TokenAuthorization(credential as AzureTokenCredential);
  return { headers: () => Promise.resolve({}), renew: () => Promise.resolve(false) };
}

class KeyAuthorization implements Authorization {
  #second = NaN;
  #date = '';

  constructor(private readonly account: AccountKey) {}

  async headers(request: SignedRequest): Promise<Record<string, string>> {
    const date = this.#dateOf(Date.now());
    const headers = { ...request.headers, 'x-ms-date': date };
    const authorization = sharedKeySignature({ ...request, headers }, this.account);
    return { 'x-ms-date': date, authorization };
  }

  async renew(): Promise<boolean> {
    return false;
  }

  #dateOf(time: number): string {
    const second = Math.floor(time / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = new Date(time).toUTCString();
    }
    return this.#date;
  }
}

type Token = NonNullable<Awaited<ReturnType<AzureTokenCredential['getToken']>>>;

/** Keeps a token for as long as it holds. Calls that need another one wait for the same, and each gives the wait up by itself. */
class TokenAuthorization implements Authorization {
  #token: Token | undefined;
  #renewal: Promise<Token> | undefined;
  #nextRenewal = 0;
  /** That of the account, where the service has told it. */
  #tenantId: string | undefined;

  /** @param credential that gives up by itself when it takes too long */
  constructor(private readonly credential: AzureTokenCredential) {}

  async headers(_request: SignedRequest, signal: AbortSignal): Promise<Record<string, string>> {
    const now = Date.now();
    const left = (this.#token?.expiresOnTimestamp ?? 0) - now;
    if (!this.#token || left < LAST_USE) return bearer(await this.#renewed(signal));
    if (left < RENEWAL && now >= this.#nextRenewal) {
      this.#nextRenewal = now + PAUSE;
      // What keeps it from coming is told when this one holds no more.
      this.#renew().catch(() => {});
    }
    return bearer(this.#token);
  }

  async renew(
    refused: Readonly<Record<string, string>>,
    challenge: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const tenant = /\bauthorization_uri="?https:\/\/[^/",\s]+\/([\w.-]+)/i.exec(challenge)?.[1];
    this.#tenantId = tenant ?? this.#tenantId;
    // Another call may have done it meanwhile.
    const isCurrent = this.#token && bearer(this.#token)['authorization'];
    if (isCurrent !== refused['authorization']) return true;
    const renewed = await this.#renewed(signal);
    return bearer(renewed)['authorization'] !== refused['authorization'];
  }

  #renewed(signal: AbortSignal): Promise<Token> {
    return waitForCredentials(undefined, 'for the container', signal, () => this.#renew());
  }

  #renew(): Promise<Token> {
    const renewal = (this.#renewal ??= this.#ask().finally(() => (this.#renewal = undefined)));
    return renewal;
  }

  async #ask(): Promise<Token> {
    const tenantId = this.#tenantId;
    const token = await this.credential.getToken(TOKEN_SCOPE, { ...(tenantId && { tenantId }) });
    if (!token) {
      throw beforeSending(new StoragePermissionError('credential gave no token for Azure Storage'));
    }
    return (this.#token = token);
  }
}

function bearer({ token }: Token): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}
