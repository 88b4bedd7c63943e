import { GetObjectCommand } from '@aws-sdk/client-s3';
import { dateOf, S3Call } from '../../../lib/drivers/s3/s3.call.js';
import {
  bodyChecksum,
  checksumHeader,
  joinedChecksum,
  partChecksum,
} from '../../../lib/drivers/s3/s3.checksums.js';
import { joinedEtag } from '../../../lib/drivers/s3/s3.commits.js';
import { decodeListed, nextMarker } from '../../../lib/drivers/s3/s3.listing.js';
import { S3_PROFILES } from '../../../lib/drivers/s3/s3.profiles.js';
import { isErrorDocument, S3ServiceError } from '../../../lib/drivers/s3/s3.service-error.js';

const call = (): S3Call => new S3Call(new GetObjectCommand({ Bucket: 'b', Key: 'k' })) as never;

describe('a payload', () => {
  test.each([
    [true, 's3.example.com', true],
    [false, 's3.example.com', false],
    [false, 'localhost', true],
    [false, '127.0.0.1', true],
    [false, '127.10.20.30', true],
    [false, '[::1]', true],
    [false, '::1', true],
    [false, 'localhost.example.com', false],
    [false, 'my-localhost', false],
    [false, '127.0.0.1.example.com', false],
    [false, '10.127.0.0.1', false],
    [false, '127.0.0', false],
  ])('is left unsigned where nobody can change it (TLS: %s, %s): %s', (secure, host, is) => {
    expect(call().withUnsignedPayload().leavesPayloadUnsigned(secure, host)).toBe(is);
    expect(call().leavesPayloadUnsigned(secure, host)).toBe(false);
  });

  test('has an MD5 in the place of the checksums of the SDK', () => {
    const headers: Record<string, string> = {
      'x-amz-checksum-crc32': 'AAAAAA==',
      'X-Amz-Sdk-Checksum-Algorithm': 'CRC32',
      'x-amz-sdk-checksum-algorithm-more': 'stays',
      'my-x-amz-checksum-crc32': 'stays',
      'x-amz-meta-checksum': 'stays',
    };
    call().withContentMd5().change(headers, 'hello');
    expect(headers).toEqual({
      'x-amz-sdk-checksum-algorithm-more': 'stays',
      'my-x-amz-checksum-crc32': 'stays',
      'x-amz-meta-checksum': 'stays',
      'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==',
    });
  });
});

test('the time of the service is told by its answer, if it is one', () => {
  const date = 'Fri, 02 Jan 2026 03:04:05 GMT';
  expect(dateOf({ headers: { date } })).toEqual(new Date('2026-01-02T03:04:05Z'));
  for (const answer of [undefined, { headers: {} }, { headers: { date: 'soon' } }]) {
    expect(dateOf(answer)).toBeUndefined();
  }
});

describe('a checksum', () => {
  const aws = { profile: S3_PROFILES.aws };
  const none = { profile: S3_PROFILES.generic };
  const crc32 = { ChecksumAlgorithm: 'CRC32' } as const;

  test.each([
    ['crc32', { ChecksumCRC32: 'x' }],
    ['crc32c', { ChecksumCRC32C: 'x' }],
    ['sha1', { ChecksumSHA1: 'x' }],
    ['sha256', { ChecksumSHA256: 'x' }],
  ] as const)('of algorithm %s is sent where the service takes it', (algorithm, sent) => {
    expect(bodyChecksum(aws, { algorithm, value: 'x' })).toEqual(sent);
    expect(bodyChecksum(none, { algorithm, value: 'x' })).toEqual({});
    expect(checksumHeader(aws, { algorithm, value: 'x' })).toBe(`x-amz-checksum-${algorithm}`);
    expect(checksumHeader(none, { algorithm, value: 'x' })).toBeUndefined();
  });

  test('that is an MD5, or missing, has a CRC-32 beside it where the service keeps one', () => {
    const md5 = { algorithm: 'md5', value: 'x' } as const;
    expect(bodyChecksum(aws, md5)).toEqual({ ContentMD5: 'x', ...crc32 });
    expect(bodyChecksum(aws, undefined)).toStrictEqual(crc32);
    expect(bodyChecksum(none, md5)).toEqual({ ContentMD5: 'x' });
    expect(bodyChecksum(none, undefined)).toEqual({});
    for (const bucket of [aws, none]) expect(checksumHeader(bucket, md5)).toBe('content-md5');
  });

  test('of a whole file is joined from those of its parts where the service can', () => {
    const announced = (algorithm: 'crc32' | 'crc32c' | 'sha256') => ({ algorithm, value: 'x' });
    expect(partChecksum(aws)).toBe('CRC32');
    expect(partChecksum(aws, announced('crc32c'))).toBe('CRC32C');
    expect(partChecksum(aws, announced('sha256'))).toBe('CRC32');
    expect(partChecksum(none, announced('crc32c'))).toBeUndefined();
    expect(joinedChecksum(aws, 'CRC32C', announced('crc32c'))).toEqual({ ChecksumCRC32C: 'x' });
    expect(joinedChecksum(aws, 'CRC32', announced('sha256'))).toBeUndefined();
    expect(joinedChecksum(aws, 'CRC32', undefined)).toBeUndefined();
    expect(joinedChecksum(none, undefined, announced('crc32'))).toBeUndefined();
  });
});

test('the etag of a file in parts is known where those of the parts are MD5s', () => {
  const [first, second] = ['5d41402abc4b2a76b9719d911017c592', '7D793037A0760186574B0282F2F435E7'];
  const etag = '"065947336a2f2a95ba8899f3675c3be6-2"';
  expect(joinedEtag([first, second])).toBe(etag);
  expect(joinedEtag([`"${first}"`, `"${second.toLowerCase()}"`])).toBe(etag);
  for (const odd of ['abc', `x${first}`, `${first}0`, `${first}-1`, '']) {
    expect(joinedEtag([first, odd])).toBeUndefined();
  }
});

test('listed keys are decoded, and the place where a listing goes on is needed', () => {
  expect(decodeListed('plain')).toBe('plain');
  expect(decodeListed('a+b%2Bc%20%C3%A4')).toBe('a b+c ä');
  expect(() => decodeListed('100%')).toThrow('listed a key that is not encoded as it said');
  expect(nextMarker('next', 'the parts')).toBe('next');
  for (const none of ['', undefined]) {
    expect(() => nextMarker(none, 'the parts')).toThrow(
      'announced more of the parts but not where',
    );
  }
});

describe('a refusal', () => {
  const body =
    '<Error><Code>NoSuchBucket</Code><Message>Not there</Message><BucketName>b</BucketName><Region>r</Region>' +
    '<ActualObjectSize>7</ActualObjectSize><ServerTime>now</ServerTime><RequestId>told</RequestId></Error>';

  test('is told by its document', () => {
    const headers = { date: 'x' };
    const error = new S3ServiceError(404, headers, body);
    expect(error).toMatchObject({
      name: 'NoSuchBucket',
      message: 'Not there',
      Code: 'NoSuchBucket',
      BucketName: 'b',
      Region: 'r',
      ActualObjectSize: '7',
      ServerTime: 'now',
      $metadata: { httpStatusCode: 404, requestId: 'told' },
      $response: { statusCode: 404, headers },
    });
  });

  test.each(['', '<html>', '<Error/>', '<Error><Code/></Error>', '<Other><Code>x</Code></Other>'])(
    'with %j has no name but that of its kind',
    (text) => {
      const headers = { 'x-amz-request-id': 'id' };
      const error = new S3ServiceError(404, headers, text);
      expect([error.name, error.Code, error.message]).toEqual(['Unknown', undefined, '']);
      expect(error.$metadata.requestId).toBe('id');
      expect(new S3ServiceError(404, {}, text, 'NotFound').name).toBe('NotFound');
    },
  );

  test('is known with whatever status it comes', () => {
    expect(isErrorDocument(body)).toBe(true);
    for (const text of ['', '<html>', '<DeleteResult><Error/></DeleteResult>', 'Error']) {
      expect(isErrorDocument(text)).toBe(false);
    }
  });
});
