import { RequestSigner, payloadHash } from '../../../lib/drivers/s3/s3.signature.js';

// The examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
const IDENTITY = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const TIME = Date.parse('2013-05-24T00:00:00Z');
const HEADERS = {
  host: 'examplebucket.s3.amazonaws.com',
  'x-amz-content-sha256': payloadHash(undefined),
};

function signatureOf(
  signer: RequestSigner,
  request: Parameters<RequestSigner['sign']>[0],
): string | undefined {
  return /Signature=(.*)$/.exec(signer.sign(request, IDENTITY, TIME)['authorization']!)?.[1];
}

test('signs as the examples of AWS do', () => {
  const signer = new RequestSigner('us-east-1', 's3');
  expect(
    signatureOf(signer, {
      method: 'GET',
      path: '/test.txt',
      query: '',
      headers: { ...HEADERS, range: 'bytes=0-9' },
    }),
  ).toBe('f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41');
  expect(
    signatureOf(signer, {
      method: 'GET',
      path: '/',
      query: 'max-keys=2&prefix=J',
      headers: HEADERS,
    }),
  ).toBe('34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7');
});

test('derives another key for another day and another secret', () => {
  const signer = new RequestSigner('us-east-1', 's3');
  const request = { method: 'GET', path: '/', query: '', headers: HEADERS };
  const sign = (secretAccessKey: string, time: string): string =>
    signer.sign(request, { ...IDENTITY, secretAccessKey }, Date.parse(time))['authorization']!;
  const [first, second, third, again] = [
    sign('a', '2026-01-01T00:00:00Z'),
    sign('b', '2026-01-01T00:00:00Z'),
    sign('b', '2026-01-02T00:00:00Z'),
    sign('a', '2026-01-01T00:00:00Z'),
  ];
  expect(new Set([first, second, third]).size).toBe(3);
  expect(again).toBe(first);
});

test('signs values as they arrive, with their spaces folded', () => {
  const signer = new RequestSigner('us-east-1', 's3');
  const sign = (value: string): string | undefined =>
    signatureOf(signer, {
      method: 'GET',
      path: '/',
      query: '',
      headers: { ...HEADERS, 'x-amz-meta-a': value },
    });
  expect(sign('  a   b ')).toBe(sign('a b'));
});
