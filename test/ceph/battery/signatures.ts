import { prepared, type Probe, toldWithBody } from './probe.js';
import type { Ask } from './request.js';

const MINUTE = 60_000;
const later = (minutes: number): Date => new Date(Date.now() + minutes * MINUTE);

/** A PutObject that is signed so. */
function put(name: string, expected: string, ask: () => Ask): Probe {
  return {
    name,
    expected,
    ask: (bucket) => bucket.ask('PUT', 'a', { body: 'hello', ...ask() }),
  };
}

/** The Authorization header, and hosts. */
export const signatures: readonly Probe[] = [
  put('a wrong secret', '403 SignatureDoesNotMatch', () => ({ secretAccessKey: 'wrong' })),
  put('an unknown access key', '403 InvalidAccessKeyId', () => ({ accessKeyId: 'nobody' })),
  put('a wrong region', '400 AuthorizationHeaderMalformed', () => ({ region: 'eu-west-1' })),
  put('a wrong service', '400 AuthorizationHeaderMalformed', () => ({ service: 'ec2' })),
  put('a clock 14 minutes behind', '200', () => ({ at: later(-14) })),
  put('a clock 14 minutes ahead', '200', () => ({ at: later(14) })),
  put('a clock 16 minutes behind', '403 RequestTimeTooSkewed', () => ({ at: later(-16) })),
  put('a clock 16 minutes ahead', '403 RequestTimeTooSkewed', () => ({ at: later(16) })),
  put('a credential of another day', '400 AuthorizationHeaderMalformed', () => ({
    date: '20200101',
  })),
  put('a Date instead of x-amz-date', '200', () => ({
    headers: { date: new Date().toUTCString() },
  })),
  put('a signed header that was changed', '403 SignatureDoesNotMatch', () => ({
    headers: { 'content-type': 'text/plain' },
    tamper: (headers) => (headers['content-type'] = 'text/html'),
  })),
  put('an x-amz-* header that is not signed', '403 AccessDenied', () => ({
    tamper: (headers) => (headers['x-amz-meta-a'] = 'b'),
  })),
  put('a signed header with spaces to fold', '200', () => ({
    headers: { 'x-amz-meta-a': '  b    c  ' },
  })),
  put('a host that is not signed', '400 AuthorizationHeaderMalformed', () => ({
    signedHeaders: ['x-amz-content-sha256', 'x-amz-date'],
  })),
  put('no payload hash', '400 InvalidRequest', () => ({
    tamper: (headers) => delete headers['x-amz-content-sha256'],
  })),
  put('an unsigned payload', '200', () => ({ payloadHash: 'UNSIGNED-PAYLOAD' })),
  put('the hash of another payload', '400 XAmzContentSHA256Mismatch', () => ({
    payloadHash: '0'.repeat(64),
  })),
  put('a payload hash that is none', '400 InvalidArgument', () => ({ payloadHash: 'nonsense' })),
  put('no Signature in the Authorization', '400 AuthorizationHeaderMalformed', () => ({
    tamper: (headers) =>
      (headers['authorization'] = headers['authorization']!.replace(/, Signature=.*/, '')),
  })),
  put('another kind of Authorization', '400 InvalidArgument', () => ({
    tamper: (headers) => (headers['authorization'] = 'Basic eDp5'),
  })),
  put('no Authorization', '403 AccessDenied', () => ({ unsigned: true })),
  put('a session token that nobody issued', '400 InvalidToken', () => ({
    headers: { 'x-amz-security-token': 'made-up' },
  })),
  {
    name: 'GET without any Authorization',
    expected: '403 AccessDenied',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      return bucket.ask('GET', 'a', { unsigned: true });
    },
  },
  {
    name: 'a bucket as a virtual host',
    expected: '200 "hello"',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a b', { body: 'hello', virtualHost: true }));
      await prepared(bucket.ask('HEAD', 'a b'));
      return toldWithBody(await bucket.ask('GET', 'a b', { virtualHost: true }));
    },
  },
  {
    name: 'a listing of a bucket as a virtual host',
    expected: '200',
    ask: (bucket) => bucket.ask('GET', '', { virtualHost: true, query: { 'list-type': '2' } }),
  },
];
