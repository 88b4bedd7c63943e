import { sign } from 'node:crypto';
import { InvalidJwt } from './access-tokens.js';
import { isRecord } from './attributes.js';
import type { GcsCall, GcsResponse, GcsService, Operation } from './call.js';
import { GcsError, invalid } from './errors.js';
import { receiveJson, receiveText } from './receive.js';

const JWT_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const GOOGLE_TOKEN_URLS = [
  'https://oauth2.googleapis.com/token',
  'https://www.googleapis.com/oauth2/v4/token',
];
const SUBJECT_TOKEN = 'subject-token-of-the-test-server';

/** RFC 7523 §2.1: an access token for a JWT the service account has signed. */
export const issueToken: Operation = async (call, service) => {
  const form = new URLSearchParams(await receiveText(call));
  if (form.get('grant_type') !== JWT_GRANT) return oauthError('unsupported_grant_type');
  try {
    const claims = service.tokens.claimsOf(form.get('assertion') ?? '', call.now);
    const { aud, scope } = claims;
    if (![...GOOGLE_TOKEN_URLS, `${service.endpoint}/token`].includes(String(aud))) {
      return oauthError('invalid_grant', 'Invalid JWT: aud is not the token endpoint.');
    }
    if (typeof scope !== 'string' || scope === '') {
      return oauthError('invalid_scope', 'No scope in the JWT.');
    }
    return {
      status: 200,
      json: {
        access_token: service.tokens.issue(scope.split(' '), call.now),
        expires_in: service.tokens.lifetime,
        token_type: 'Bearer',
      },
    };
  } catch (error) {
    if (error instanceof InvalidJwt) return oauthError('invalid_grant', error.message);
    throw error;
  }
};

/** RFC 8693, as Google's Security Token Service does it for workload identities. */
export const exchangeToken: Operation = async (call, service) => {
  const form = new URLSearchParams(await receiveText(call));
  if (form.get('grant_type') !== EXCHANGE_GRANT) return oauthError('unsupported_grant_type');
  if (form.get('subject_token') !== SUBJECT_TOKEN) {
    return oauthError('invalid_grant', 'The subject token is not the one of this server.');
  }
  return {
    status: 200,
    json: {
      access_token: service.tokens.issue((form.get('scope') ?? '').split(' '), call.now),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: service.tokens.lifetime,
    },
  };
};

export const subjectToken: Operation = () => ({
  status: 200,
  headers: { 'content-type': 'text/plain' },
  text: SUBJECT_TOKEN,
});

/** IAM Credentials API: the token of a service account for whoever may impersonate it. */
export const generateAccessToken: Operation = async (call, service) => {
  checkAccount(call, service);
  const request = await receiveJson(call);
  const scopes = isRecord(request) && Array.isArray(request['scope']) ? request['scope'] : [];
  const names = scopes.filter((scope) => typeof scope === 'string');
  if (names.length === 0) throw invalid('The request must have scopes.');
  return {
    status: 200,
    json: {
      accessToken: service.tokens.issue(names, call.now),
      expireTime: new Date(call.now + service.tokens.lifetime * 1000).toISOString(),
    },
  };
};

/** IAM Credentials API: signs for those who have no private key. */
export const signBlob: Operation = async (call, service) => {
  checkAccount(call, service);
  const request = await receiveJson(call);
  const payload = isRecord(request) ? request['payload'] : undefined;
  if (typeof payload !== 'string') throw invalid('The request must have a payload.');
  const bytes = Buffer.from(payload, 'base64');
  return {
    status: 200,
    json: {
      keyId: 'test-key',
      signedBlob: sign('sha256', bytes, service.account.private_key).toString('base64'),
    },
  };
};

function checkAccount(call: GcsCall, service: GcsService): void {
  if (call.name !== service.account.client_email) {
    throw new GcsError(404, 'notFound', 'NotFound', `Unknown service account: ${call.name}`);
  }
}

/** The metadata server of a virtual machine, as far as credentials are concerned. */
export const readMetadata: Operation = (call, service) => {
  if (call.headers.get('metadata-flavor') !== 'Google') {
    return metadata(403, 'Missing required header: Metadata-Flavor');
  }
  switch (call.name) {
    case '':
    case 'instance':
    case 'instance/':
      return metadata(200, 'service-accounts/');
    case 'project/project-id':
      return metadata(200, service.projectId);
    case 'universe/universe-domain':
    case 'universe/universe_domain':
      return metadata(200, 'googleapis.com');
    case 'instance/service-accounts/default/email':
      return metadata(200, service.account.client_email);
    case 'instance/service-accounts/default/token': {
      const scopes = call.query.get('scopes')?.split(',') ?? [
        'https://www.googleapis.com/auth/cloud-platform',
      ];
      return {
        status: 200,
        headers: { 'metadata-flavor': 'Google' },
        json: {
          access_token: service.tokens.issue(scopes, call.now),
          expires_in: service.tokens.lifetime,
          token_type: 'Bearer',
        },
      };
    }
    default:
      return metadata(404, 'Not Found');
  }
};

function metadata(status: number, text: string): GcsResponse {
  return { status, headers: { 'metadata-flavor': 'Google', 'content-type': 'text/plain' }, text };
}

function oauthError(error: string, description?: string): GcsResponse {
  return {
    status: 400,
    json: { error, ...(description === undefined ? {} : { error_description: description }) },
  };
}
