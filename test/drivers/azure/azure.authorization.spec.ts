import { jest } from '@jest/globals';
import { ContainerClient } from '@azure/storage-blob';
import {
  type Authorization,
  authorizationOf,
} from '../../../lib/drivers/azure/azure.authorization.js';
import type { AzureTokenCredential } from '../../../lib/drivers/azure/azure.options.js';
import { sharedKeySignature } from '../../../lib/drivers/azure/azure.signature.js';
import { signal } from './open-azure.js';

const SIGNED = { method: 'GET', path: '/files', query: {}, headers: {} };
const HOUR = 3_600_000;

test('what is signed has the service’s places and its order of names, in which dashes count for nothing', () => {
  const headers = {
    'content-length': '0',
    'content-type': 'text/plain',
    'x-ms-a-c': ' padded ',
    'x-ms-ab': '1',
    'x-ms-a_d': '2',
    'if-match': '"etag"',
    range: 'bytes=0-1',
    other: 'x',
  };
  const account = { accountName: 'ann', computeHMACSHA256: (text: string) => text };
  const query = { comp: 'list', restype: 'container' };
  expect(sharedKeySignature({ method: 'PUT', path: '/files', query, headers }, account)).toBe(
    'SharedKey ann:PUT\n\n\n\n\ntext/plain\n\n\n"etag"\n\n\nbytes=0-1\n' +
      'x-ms-a_d:2\nx-ms-ab:1\nx-ms-a-c:padded\n/ann/files\ncomp:list\nrestype:container',
  );
});

describe('a token', () => {
  const authorization = (credential: AzureTokenCredential): Authorization =>
    authorizationOf(new ContainerClient('https://ann.blob.core.windows.net/files', credential));

  test('is renewed two minutes before its end, every five seconds, and used until five seconds before', async () => {
    using clock = jest.spyOn(Date, 'now').mockReturnValue(0);
    let asked = 0;
    const lasting = authorization({
      getToken: async () => {
        if (++asked > 1) throw new Error('The identity service is away');
        return { token: 'token', expiresOnTimestamp: 200_000 };
      },
    });
    await lasting.headers(SIGNED, signal);
    const askedUntil = async (time: number): Promise<number> => {
      clock.mockReturnValue(time);
      expect(await lasting.headers(SIGNED, signal)).toEqual({ authorization: 'Bearer token' });
      // The renewal that failed is over.
      await new Promise((resolve) => setImmediate(resolve));
      return asked;
    };
    expect(await askedUntil(80_000)).toBe(1);
    expect(await askedUntil(80_001)).toBe(2);
    expect(await askedUntil(85_000)).toBe(2);
    expect(await askedUntil(85_001)).toBe(3);
    expect(await askedUntil(195_000)).toBe(4);
    clock.mockReturnValue(195_001);
    await expect(lasting.headers(SIGNED, signal)).rejects.toThrow('The identity service is away');
  });

  test('is asked for the tenant that the service has named, also when it names none later', async () => {
    const tenants: (string | undefined)[] = [];
    const named = authorization({
      getToken: async (_scopes, options) => {
        tenants.push(options?.tenantId);
        return { token: `token-${tenants.length}`, expiresOnTimestamp: Date.now() + HOUR };
      },
    });
    const first = await named.headers(SIGNED, signal);
    const challenge = 'Bearer authorization_uri="https://login.example.com/tenant-1"';
    expect(await named.renew(first, challenge, signal)).toBe(true);
    const second = await named.headers(SIGNED, signal);
    expect(await named.renew(second, 'Bearer', signal)).toBe(true);
    expect(tenants).toEqual([undefined, 'tenant-1', 'tenant-1']);
    // Another call has renewed it meanwhile.
    expect(await named.renew(first, 'Bearer', signal)).toBe(true);
    expect(tenants).toHaveLength(3);
  });
});
