import type { Storage as GcsClient } from '@google-cloud/storage';
import { Authorization, authorizing } from '../../../lib/drivers/gcs/gcs.authorization.js';
import { rejection, signal } from './open-gcs.js';

interface FakeClient {
  readonly customEndpoint?: boolean;
  readonly useAuthWithCustomEndpoint?: boolean;
  /** What the SDK has made already. */
  readonly cached?: object;
  /** What it makes when it is asked. */
  readonly made?: object;
  readonly headers?: unknown;
}

/** As much of the SDK's client as has to do with credentials. */
function fakeClient({ cached, made = {}, headers = {}, ...client }: FakeClient) {
  const authClient = {
    cachedCredential: cached ?? null,
    made: 0,
    getClient() {
      this.made++;
      return Promise.resolve((this.cachedCredential ??= made));
    },
    getRequestHeaders: () => Promise.resolve(headers),
  };
  return { ...client, authClient };
}

function authorizationOf(client: ReturnType<typeof fakeClient>, isOwn = false): Authorization {
  return new Authorization(client as unknown as GcsClient, isOwn);
}

test.each([
  [false, undefined, false],
  [false, true, false],
  [true, undefined, true],
  [true, false, true],
  [true, true, false],
])(
  'with an endpoint of one’s own (%s) and useAuthWithCustomEndpoint %s it is anonymous: %s',
  async (customEndpoint, useAuthWithCustomEndpoint, isAnonymous) => {
    const headers = { Authorization: 'Bearer x' };
    const authorization = authorizationOf(
      fakeClient({
        customEndpoint,
        ...(useAuthWithCustomEndpoint !== undefined && { useAuthWithCustomEndpoint }),
        headers,
      }),
    );
    expect(authorization.isAnonymous).toBe(isAnonymous);
    expect(await authorization.headers()).toEqual(isAnonymous ? {} : { authorization: 'Bearer x' });
  },
);

test.each([
  ['plain objects', { Authorization: 'Bearer x', 'X-Goog-User-Project': 'p' }],
  ['those of fetch', new Headers({ Authorization: 'Bearer x', 'X-Goog-User-Project': 'p' })],
])('headers may be %s, and have names in lower case', async (_, headers) => {
  expect(await authorizationOf(fakeClient({ headers })).headers()).toEqual({
    authorization: 'Bearer x',
    'x-goog-user-project': 'p',
  });
});

describe('a credential that is made', () => {
  const workload = () => ({ stsCredential: {} as { transporter?: object }, transporter: {} });

  test('exchanges its token over connections that have a timeout', async () => {
    const made = workload();
    await authorizationOf(fakeClient({ made }), true).headers();
    expect(made.stsCredential.transporter).toBe(made.transporter);
  });

  test('is made once', async () => {
    const client = fakeClient({});
    const authorization = authorizationOf(client, true);
    await authorization.headers();
    await authorization.headers();
    expect(client.authClient.made).toBe(1);
  });

  test('is left alone where it is not the driver’s own', async () => {
    const made = workload();
    const client = fakeClient({ made });
    await authorizationOf(client, false).headers();
    expect(client.authClient.made).toBe(0);
    expect(made.stsCredential).toEqual({});
  });

  test.each([{ stsCredential: {} }, { transporter: {} }, {}])(
    'of another kind (%j) is taken as it is',
    async (made) => {
      const before = structuredClone(made);
      await authorizationOf(fakeClient({ made }), true).headers();
      expect(made).toStrictEqual(before);
    },
  );
});

describe('a credential whose request hangs', () => {
  const cached = { name: 'first' };

  test('makes place for another', () => {
    const client = fakeClient({ cached });
    const authorization = authorizationOf(client, true);
    expect(authorization.credential).toBe(cached);
    authorization.giveUp(cached);
    expect(client.authClient.cachedCredential).toBeNull();
    expect(authorization.credential).toBeUndefined();
  });

  test('does so also when it was made while it was waited for', () => {
    const client = fakeClient({ cached });
    authorizationOf(client, true).giveUp(undefined);
    expect(client.authClient.cachedCredential).toBeNull();
  });

  test('stays when another one is in its place already', () => {
    const client = fakeClient({ cached });
    authorizationOf(client, true).giveUp({ name: 'before' });
    expect(client.authClient.cachedCredential).toBe(cached);
  });

  test('stays where it is not the driver’s own', () => {
    const client = fakeClient({ cached });
    authorizationOf(client, false).giveUp(cached);
    expect(client.authClient.cachedCredential).toBe(cached);
  });
});

describe('a token that the service does not take any more', () => {
  const held = { authorization: 'Bearer old' };

  function credential(credentials: object) {
    const given: object[] = [];
    return { credentials, given, setCredentials: (next: object) => void given.push(next) };
  }

  test('is out of date from then on, with all else that the credential holds', async () => {
    const made = credential({ access_token: 'old', refresh_token: 'r', expiry_date: 9e15 });
    await authorizationOf(fakeClient({ made, headers: held })).renew(held);
    expect(made.given).toEqual([{ access_token: 'old', refresh_token: 'r', expiry_date: 1 }]);
  });

  test('is let alone when another one is in its place already', async () => {
    const made = credential({ access_token: 'new' });
    const client = fakeClient({ made, headers: { authorization: 'Bearer new' } });
    await authorizationOf(client).renew(held);
    expect(made.given).toEqual([]);
  });

  test.each([{}, { access_token: '' }])(
    'cannot be renewed where there is none: %j',
    async (credentials) => {
      const made = credential(credentials);
      await authorizationOf(fakeClient({ made, headers: held })).renew(held);
      expect(made.given).toEqual([]);
    },
  );
});

describe('what waits for credentials', () => {
  const bucketOf = (client = fakeClient({})) => ({
    idleTimeout: 20,
    authorization: authorizationOf(client, true),
  });

  test('answers what the call does', async () => {
    const call = () => Promise.resolve('token');
    expect(await authorizing(bucketOf(), 'for the bucket', signal, call)).toBe('token');
  });

  test('gives up the credential that hangs, and says what it was for', async () => {
    const client = fakeClient({ cached: {} });
    const hangs = () => new Promise<never>(() => {});
    expect(await rejection(authorizing(bucketOf(client), 'to sign with', signal, hangs))).toEqual(
      expect.objectContaining({
        code: 'TIMEOUT',
        message: 'There was no answer for 20 ms to the credentials to sign with',
      }),
    );
    expect(client.authClient.cachedCredential).toBeNull();
  });

  test('tells what the SDK says as an error of the storage', async () => {
    const fails = () => Promise.reject(new Error('odd'));
    expect(await rejection(authorizing(bucketOf(), 'to sign with', signal, fails))).toMatchObject({
      code: 'CONFIGURATION',
      message: 'The credentials to sign with cannot be used: odd',
    });
  });

  test('rejects with the reason of an abort, whatever the SDK says', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    const call = () => {
      abort.abort(reason);
      return Promise.reject(new Error('odd'));
    };
    expect(await rejection(authorizing(bucketOf(), 'for the bucket', abort.signal, call))).toBe(
      reason,
    );
  });
});
