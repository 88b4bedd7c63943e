import type { GcsServiceAccount } from './service-account.js';

/** What to spread into the SDK's `new Storage({…})`, of version 7 or 8. */
export interface GcsClientOptions {
  apiEndpoint: string;
  projectId: string;
  credentials: GcsServiceAccount;
  /** Without it the SDK sends no token to an endpoint of one's own. */
  useAuthWithCustomEndpoint: true;
  /** Sends what the SDK asks of Google's token and IAM hosts, which it has no option for, to the server. */
  clientOptions: {
    transporterOptions: { adapter: GcsRequestAdapter };
  };
}

type GcsRequestAdapter = <Options extends { url?: unknown }, Response>(
  options: Options,
  send: (options: Options) => Response,
) => Response;

const GOOGLE_HOSTS = new Set([
  'www.googleapis.com',
  'oauth2.googleapis.com',
  'iamcredentials.googleapis.com',
]);

export function clientOptions(
  endpoint: string,
  projectId: string,
  credentials: GcsServiceAccount,
): GcsClientOptions {
  return {
    apiEndpoint: endpoint,
    projectId,
    credentials,
    useAuthWithCustomEndpoint: true,
    clientOptions: {
      transporterOptions: {
        adapter: (options, send) => {
          const url = new URL(String(options.url));
          if (!GOOGLE_HOSTS.has(url.hostname)) return send(options);
          return send({ ...options, url: new URL(url.pathname + url.search, endpoint) });
        },
      },
    },
  };
}

/** The configuration file of a workload identity that this server plays all parts of. */
export function workloadIdentity(
  endpoint: string,
  { client_email: email }: GcsServiceAccount,
): { type: string; [field: string]: unknown } {
  return {
    type: 'external_account',
    audience:
      '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${endpoint}/sts/v1/token`,
    service_account_impersonation_url: `${endpoint}/v1/projects/-/serviceAccounts/${email}:generateAccessToken`,
    credential_source: { url: `${endpoint}/subject-token`, format: { type: 'text' } },
  };
}
