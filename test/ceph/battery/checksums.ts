import {
  checksumHeader,
  createDigest,
  type ChecksumAlgorithm,
} from '../../../lib/testing/s3-server/checksums.js';
import { md5Base64, prepared, type Probe, told } from './probe.js';

function checksumOf(algorithm: ChecksumAlgorithm, bytes: string): string {
  const digest = createDigest(algorithm);
  digest.update(Buffer.from(bytes));
  return digest.digest().toString('base64');
}

function put(name: string, expected: string, headers: Readonly<Record<string, string>>): Probe {
  return { name, expected, ask: (bucket) => bucket.ask('PUT', 'a', { body: 'hello', headers }) };
}

const ALGORITHMS: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];

/** Checksums of PutObject in headers. Those in trailers come with chunks. */
export const checksums: readonly Probe[] = [
  put('Content-MD5', '200', { 'content-md5': md5Base64('hello') }),
  put('Content-MD5 of other bytes', '400 BadDigest', { 'content-md5': md5Base64('other') }),
  put('Content-MD5 that is none', '400 InvalidDigest', { 'content-md5': 'nonsense' }),
  ...ALGORITHMS.flatMap((algorithm): Probe[] => {
    const name = checksumHeader(algorithm);
    const value = checksumOf(algorithm, 'hello');
    return [
      {
        name,
        expected: `200 ${name}=${value}`,
        async ask(bucket) {
          await prepared(bucket.ask('PUT', 'a', { body: 'hello', headers: { [name]: value } }));
          const headers = { 'x-amz-checksum-mode': 'ENABLED' };
          return told(await bucket.ask('HEAD', 'a', { headers }), name);
        },
      },
      put(`${name} of other bytes`, '400 BadDigest', { [name]: checksumOf(algorithm, 'other') }),
    ];
  }),
  put('x-amz-checksum-crc32 that is none', '400 InvalidRequest', {
    'x-amz-checksum-crc32': 'nonsense',
  }),
  put('two checksums', '400 InvalidRequest', {
    'x-amz-checksum-crc32': checksumOf('CRC32', 'hello'),
    'x-amz-checksum-sha1': checksumOf('SHA1', 'hello'),
  }),
  put('x-amz-sdk-checksum-algorithm without a checksum', '400 InvalidRequest', {
    'x-amz-sdk-checksum-algorithm': 'CRC32',
  }),
  {
    name: 'a file whose checksum was wrong',
    expected: '404 NoSuchKey',
    async ask(bucket) {
      await bucket.ask('PUT', 'a', {
        body: 'hello',
        headers: { 'content-md5': md5Base64('other') },
      });
      return bucket.ask('GET', 'a');
    },
  },
  {
    name: 'Content-MD5 of a part',
    expected: '400 BadDigest',
    async ask(bucket) {
      const start = await prepared(bucket.ask('POST', 'a', { query: { uploads: '' } }));
      const uploadId = /<UploadId>([^<]*)</.exec(start.text)?.[1] ?? '';
      return bucket.ask('PUT', 'a', {
        query: { partNumber: '1', uploadId },
        headers: { 'content-md5': md5Base64('other') },
        body: 'hello',
      });
    },
  },
];
