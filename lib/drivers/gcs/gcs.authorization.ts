import type { Storage as GcsClient } from '@google-cloud/storage';
import { toText } from '../remote/answer-fields.js';

/** Some kinds of credentials give plain objects, some the headers of `fetch`, depending on the version of the SDK. */
type SdkHeaders = Record<string, string> | Iterable<[string, string]>;

/**
 * The headers that authorise a request, of whatever credentials the SDK's chain finds. Its token is kept and renewed in
 * time by the SDK, so that a request costs none of its own.
 */
export class Authorization {
  constructor(private readonly client: GcsClient) {}

  /** Whether the SDK would send a token, too: not to an emulator. */
  get isAnonymous(): boolean {
    return this.client.customEndpoint && !this.client.useAuthWithCustomEndpoint;
  }

  async headers(): Promise<Record<string, string>> {
    if (this.isAnonymous) return {};
    const given = (await this.client.authClient.getRequestHeaders()) as SdkHeaders;
    const entries = isIterable(given) ? [...given] : Object.entries(given);
    return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]));
  }

  /** Lets go of a token that the service does not take any more, unless another one is in its place already. */
  async renew(refused: Readonly<Record<string, string>>): Promise<void> {
    if (this.isAnonymous) return;
    const credential = await this.client.authClient.getClient();
    const { credentials } = credential;
    const current = await this.headers();
    if (current['authorization'] !== refused['authorization']) return;
    if (!toText(credentials.access_token)) return;
    // All kinds look at the time only: this is the one way to have a new token from each of them.
    credential.setCredentials({ ...credentials, expiry_date: 1 });
  }
}

function isIterable(headers: SdkHeaders): headers is Iterable<[string, string]> {
  return Symbol.iterator in headers;
}
