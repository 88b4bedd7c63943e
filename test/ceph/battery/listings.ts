import { prepared, type Probe, textOf, textsOf, told } from './probe.js';
import type { Answer, RawBucket } from './request.js';

const KEYS = ['a', 'b/1', 'b/2', 'c', 'd/1', 'e'];

async function list(
  bucket: RawBucket,
  keys: readonly string[],
  query: Readonly<Record<string, string>>,
): Promise<Answer> {
  await Promise.all(keys.map((key) => prepared(bucket.ask('PUT', key, { body: 'x' }))));
  return bucket.ask('GET', '', { query });
}

const prefixesOf = ({ text }: Answer): string[] =>
  [...text.matchAll(/<CommonPrefixes>\s*<Prefix>([^<]*)</g)].map(([, prefix]) => prefix!);

function listed(answer: Answer): string {
  const { status, code } = answer;
  if (code !== undefined) return told(answer);
  return [status, ...textsOf(answer, 'Key'), ...prefixesOf(answer).map((prefix) => `[${prefix}]`)]
    .join(' ')
    .trimEnd();
}

/** A listing of `keys` by version 2, unless the query says otherwise. */
function listing(
  what: string,
  query: Readonly<Record<string, string>>,
  expected: string,
  keys: readonly string[] = KEYS,
): Probe {
  return {
    name: `ListObjectsV2 ${what}`,
    expected,
    ask: async (bucket) => listed(await list(bucket, keys, { 'list-type': '2', ...query })),
  };
}

/** Every page of a listing, by its tokens. */
async function pages(bucket: RawBucket, query: Readonly<Record<string, string>>): Promise<string> {
  const found: string[] = [];
  let token: string | undefined;
  do {
    const more = token === undefined ? {} : { 'continuation-token': token };
    const answer = await prepared(
      bucket.ask('GET', '', { query: { 'list-type': '2', ...query, ...more } }),
    );
    const count = textOf(answer, 'KeyCount');
    found.push(`${count}:${listed(answer).replace(/^200 ?/, '')}`);
    token =
      textOf(answer, 'IsTruncated') === 'true'
        ? textOf(answer, 'NextContinuationToken')
        : undefined;
  } while (token !== undefined);
  return found.join(' | ');
}

/** ListObjectsV2, and what the first version does otherwise. */
export const listings: readonly Probe[] = [
  listing('of everything', {}, '200 a b/1 b/2 c d/1 e'),
  listing('of an empty bucket', {}, '200', []),
  listing('in the order of bytes', {}, '200 B a a! a-b a/b a0 ab z ä 日 \ufffd 🙂', [
    '🙂',
    '\ufffd',
    '日',
    'ä',
    'z',
    'ab',
    'a0',
    'a/b',
    'a-b',
    'a!',
    'a',
    'B',
  ]),
  listing('with a prefix', { prefix: 'b/' }, '200 b/1 b/2'),
  listing('with a prefix that is a key', { prefix: 'a' }, '200 a'),
  listing('with a delimiter', { delimiter: '/' }, '200 a c e [b/] [d/]'),
  listing('with a delimiter of several characters', { delimiter: '--' }, '200 a [b--]', [
    'a',
    'b--c',
    'b--d--e',
  ]),
  listing('with an empty delimiter', { delimiter: '' }, '200 a b/1 b/2 c d/1 e'),
  listing('with prefix and delimiter', { prefix: 'b', delimiter: '/' }, '200 [b/]'),
  listing('after a key', { 'start-after': 'b/1' }, '200 b/2 c d/1 e'),
  listing('after what is no key', { 'start-after': 'bb' }, '200 c d/1 e'),
  listing(
    'after a key below a common prefix',
    { 'start-after': 'b/1', delimiter: '/' },
    '200 c e [b/] [d/]',
  ),
  listing(
    'after the last key below a common prefix',
    { 'start-after': 'b/2', delimiter: '/' },
    '200 c e [d/]',
  ),
  listing('after a common prefix', { 'start-after': 'b/', delimiter: '/' }, '200 c e [b/] [d/]'),
  listing('after another prefix than the one asked', { prefix: 'b/', 'start-after': 'c' }, '200'),
  listing('encoded', { 'encoding-type': 'url' }, '200 %01 a+b a%25b a%2Bb a/b%3F %C3%BC', [
    'a b',
    'a%b',
    'a+b',
    'a/b?',
    'ü',
    '\u0001',
  ]),
  listing('of keys that XML has its own use for', {}, '200 & <b>', ['&', '<b>']),
  listing('of at most no keys', { 'max-keys': '0' }, '200'),
  listing('of at most -1 keys', { 'max-keys': '-1' }, '400 InvalidArgument'),
  listing('of at most some keys', { 'max-keys': 'some' }, '400 InvalidArgument'),
  listing('with a token that is none', { 'continuation-token': '!' }, '400 InvalidArgument'),
  listing('with an encoding that is none', { 'encoding-type': 'xml' }, '400 InvalidArgument'),
  {
    name: 'ListObjectsV2 of at most 5000 keys',
    expected: '200 MaxKeys=1000',
    async ask(bucket) {
      const answer = await list(bucket, [], { 'list-type': '2', 'max-keys': '5000' });
      return `${told(answer)} MaxKeys=${textOf(answer, 'MaxKeys')}`;
    },
  },
  {
    name: 'ListObjectsV2 by pages of two',
    expected: '2:a b/1 | 2:b/2 c | 2:d/1 e',
    async ask(bucket) {
      await list(bucket, KEYS, {});
      return pages(bucket, { 'max-keys': '2' });
    },
  },
  {
    name: 'ListObjectsV2 by pages of two with a delimiter',
    expected: '2:a [b/] | 2:c [d/] | 1:e',
    async ask(bucket) {
      await list(bucket, KEYS, {});
      return pages(bucket, { 'max-keys': '2', delimiter: '/' });
    },
  },
  {
    name: 'ListObjectsV2 by pages of one, of odd keys, encoded',
    expected: '1:a+b | 1:a%25b | 1:a/b%3F | 1:%C3%BC',
    async ask(bucket) {
      await list(bucket, ['a b', 'a%b', 'a/b?', 'ü'], {});
      return pages(bucket, { 'max-keys': '1', 'encoding-type': 'url' });
    },
  },
  {
    name: 'ListObjectsV2 of 1001 keys',
    expected: '1000 and 1',
    async ask(bucket) {
      const keys = Array.from({ length: 1001 }, (_, index) => `${index}`);
      for (let start = 0; start < keys.length; start += 50) {
        await list(bucket, keys.slice(start, start + 50), { 'max-keys': '0' });
      }
      const found = await pages(bucket, {});
      return found
        .split(' | ')
        .map((page) => page.split(':')[0])
        .join(' and ');
    },
  },
  {
    name: 'ListObjectsV2 of an entry',
    expected: '200 1 STANDARD owner=no',
    async ask(bucket) {
      const answer = await list(bucket, ['a'], { 'list-type': '2' });
      const owner = answer.text.includes('<Owner>') ? 'yes' : 'no';
      return `${told(answer)} ${textOf(answer, 'Size')} ${textOf(answer, 'StorageClass')} owner=${owner}`;
    },
  },
  {
    name: 'ListObjectsV2 with owners',
    expected: '200 owner=yes',
    async ask(bucket) {
      const answer = await list(bucket, ['a'], { 'list-type': '2', 'fetch-owner': 'true' });
      return `${told(answer)} owner=${answer.text.includes('<Owner>') ? 'yes' : 'no'}`;
    },
  },
  {
    name: 'ListObjectsV2 in a bucket that is not there',
    expected: '404 NoSuchBucket',
    ask: (bucket) =>
      bucket.ask('GET', '', { bucket: 'no-such-bucket', query: { 'list-type': '2' } }),
  },
  {
    name: 'ListObjects, the first version, after a marker',
    expected: '200 b/2 c d/1 e',
    ask: async (bucket) => listed(await list(bucket, KEYS, { marker: 'b/1' })),
  },
  {
    name: 'ListObjects, the first version, by pages of two with a delimiter',
    expected: '200 a [b/] NextMarker=b/',
    async ask(bucket) {
      const answer = await list(bucket, KEYS, { delimiter: '/', 'max-keys': '2' });
      return `${listed(answer)} NextMarker=${textOf(answer, 'NextMarker')}`;
    },
  },
];
