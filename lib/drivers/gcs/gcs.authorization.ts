import type { Storage as GcsClient } from '@google-cloud/storage';
import { toRecord, toText } from '../remote/answer-fields.js';
import { waitForCredentials } from '../remote/credential-wait.js';
import type { GcsBucket } from './gcs.client.js';
import { authorizationError } from './gcs.errors.js';

/** Some kinds of credentials give plain objects, some the headers of `fetch`, depending on the version of the SDK. */
type SdkHeaders = Record<string, string> | Iterable<[string, string]>;

/**
 * The headers that authorise a request, of whatever credentials the SDK's chain finds. Its token is kept and renewed in
 * time by the SDK, so that a request costs none of its own.
 */
export class Authorization {
  /** @param isOwn whether the client is the driver's own, and with it the credential that it makes */
  constructor(
    private readonly client: GcsClient,
    private readonly isOwn: boolean,
  ) {}

  /** Whether the SDK would send a token, too: not to an emulator. */
  get isAnonymous(): boolean {
    return this.client.customEndpoint && !this.client.useAuthWithCustomEndpoint;
  }

  async headers(): Promise<Record<string, string>> {
    if (this.isAnonymous) return {};
    const { authClient } = this.client;
    if (this.isOwn && !authClient.cachedCredential) limitExchange(await authClient.getClient());
    const given = (await authClient.getRequestHeaders()) as SdkHeaders;
    const entries = isIterable(given) ? [...given] : Object.entries(given);
    return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]));
  }

  /** What asks for tokens, once it is made. */
  get credential(): object | undefined {
    return this.client.authClient.cachedCredential ?? undefined;
  }

  /**
   * Has the next call make another credential in the place of one whose request hangs: everybody else who needs a token would
   * wait for the same. Does nothing where the client is not ours, or another one is in its place already.
   *
   * @param credential `undefined`: it was made while it was waited for
   */
  giveUp(credential: object | undefined): void {
    if (!this.isOwn || (credential ?? this.credential) !== this.credential) return;
    this.client.authClient.cachedCredential = null;
  }

  /** Lets go of a token that the service does not take any more, unless another one is in its place already. */
  async renew(refused: Readonly<Record<string, string>>): Promise<void> {
    const credential = await this.client.authClient.getClient();
    const { credentials } = credential;
    const current = await this.headers();
    if (current['authorization'] !== refused['authorization']) return;
    if (!toText(credentials.access_token)) return;
    // All kinds look at the time only: this is the one way to have a new token from each of them.
    credential.setCredentials({ ...credentials, expiry_date: 1 });
  }
}

/**
 * Waits for what the SDK does about credentials and signatures, and gives the credential up that hangs.
 *
 * @param purpose of the credentials: `'for the bucket'`
 * @throws StorageTimeoutError
 */
export async function authorizing<Result>(
  { idleTimeout, authorization }: Pick<GcsBucket, 'idleTimeout' | 'authorization'>,
  purpose: string,
  signal: AbortSignal,
  call: () => Promise<Result>,
): Promise<Result> {
  const { credential } = authorization;
  const giveUp = (): void => authorization.giveUp(credential);
  try {
    return await waitForCredentials(idleTimeout, purpose, signal, call, { onTimeout: giveUp });
  } catch (error) {
    throw signal.aborted ? signal.reason : authorizationError(error, purpose);
  }
}

/** A workload identity exchanges its token over connections that know no timeout, unless it is told to use its others. */
function limitExchange(credential: object): void {
  const { stsCredential, transporter } = toRecord(credential);
  if (stsCredential && transporter) Object.assign(stsCredential, { transporter });
}

function isIterable(headers: SdkHeaders): headers is Iterable<[string, string]> {
  return Symbol.iterator in headers;
}
