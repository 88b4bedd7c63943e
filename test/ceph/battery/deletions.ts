import { md5Base64, prepared, type Probe, textsOf, told, xmlText } from './probe.js';
import type { Answer, RawBucket } from './request.js';

const document = (keys: readonly string[], quiet = false): string =>
  `<Delete>${quiet ? '<Quiet>true</Quiet>' : ''}${keys
    .map((key) => `<Object><Key>${xmlText(key)}</Key></Object>`)
    .join('')}</Delete>`;

function deleteObjects(
  bucket: RawBucket,
  body: string,
  headers: Readonly<Record<string, string>> = { 'content-md5': md5Base64(body) },
): Promise<Answer> {
  return bucket.ask('POST', '', { query: { delete: '' }, headers, body });
}

async function putAll(bucket: RawBucket, keys: readonly string[]): Promise<void> {
  await Promise.all(keys.map((key) => prepared(bucket.ask('PUT', key, { body: 'x' }))));
}

async function deletedAndLeft(bucket: RawBucket, keys: readonly string[]): Promise<string> {
  await putAll(bucket, keys);
  const answer = await deleteObjects(bucket, document(keys));
  const list = await bucket.ask('GET', '', { query: { 'list-type': '2' } });
  return `${told(answer)} ${countDeleted(answer)} deleted, ${textsOf(list, 'Key').length} left`;
}

const countDeleted = ({ text }: Answer): number => [...text.matchAll(/<Deleted>/g)].length;

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `key ${index}`);

/** DeleteObjects. */
export const deletions: readonly Probe[] = [
  {
    name: 'DeleteObjects of three keys',
    expected: '200 3 deleted, 0 left',
    ask: (bucket) => deletedAndLeft(bucket, ['a', 'b', 'c/d']),
  },
  {
    name: 'DeleteObjects of keys that XML has its own use for',
    expected: '200 5 deleted, 0 left',
    ask: (bucket) => deletedAndLeft(bucket, ['a&b', '<c>', 'd"e\'', '&amp;', ']]>']),
  },
  {
    name: 'DeleteObjects of keys that URLs have their own use for',
    expected: '200 4 deleted, 0 left',
    ask: (bucket) => deletedAndLeft(bucket, ['a%20b', 'c+d', 'ü/日本', '?x=1#y']),
  },
  {
    name: 'DeleteObjects of a key with a tab, as a reference',
    expected: '200, 0 left',
    async ask(bucket) {
      await putAll(bucket, ['a\tb']);
      const body = '<Delete><Object><Key>a&#x9;b</Key></Object></Delete>';
      const answer = await deleteObjects(bucket, body);
      const list = await bucket.ask('GET', '', { query: { 'list-type': '2' } });
      return `${told(answer)}, ${textsOf(list, 'Key').length} left`;
    },
  },
  {
    name: 'DeleteObjects of what is not there',
    expected: '200 1 deleted',
    async ask(bucket) {
      const answer = await deleteObjects(bucket, document(['missing']));
      return `${told(answer)} ${countDeleted(answer)} deleted`;
    },
  },
  {
    name: 'DeleteObjects that keeps quiet',
    expected: '200 0 told, 0 left',
    async ask(bucket) {
      await putAll(bucket, ['a', 'b']);
      const answer = await deleteObjects(bucket, document(['a', 'b', 'missing'], true));
      const list = await bucket.ask('GET', '', { query: { 'list-type': '2' } });
      return `${told(answer)} ${textsOf(answer, 'Key').length} told, ${textsOf(list, 'Key').length} left`;
    },
  },
  {
    name: 'DeleteObjects of 1000 keys',
    expected: '200 1000 told',
    async ask(bucket) {
      const answer = await deleteObjects(bucket, document(numbered(1000)));
      return `${told(answer)} ${textsOf(answer, 'Key').length} told`;
    },
  },
  {
    name: 'DeleteObjects of 1001 keys',
    expected: '400 MalformedXML',
    ask: (bucket) => deleteObjects(bucket, document(numbered(1001))),
  },
  {
    name: 'DeleteObjects of no keys',
    expected: '400 MalformedXML',
    ask: (bucket) => deleteObjects(bucket, document([])),
  },
  {
    name: 'DeleteObjects with something other than XML',
    expected: '400 MalformedXML',
    ask: (bucket) => deleteObjects(bucket, '<Delete><Object>'),
  },
  {
    name: 'DeleteObjects without any checksum',
    expected: '400 InvalidRequest',
    ask: (bucket) => deleteObjects(bucket, document(['a']), {}),
  },
  {
    name: 'DeleteObjects with a wrong Content-MD5',
    expected: '400 BadDigest, 1 left',
    async ask(bucket) {
      await putAll(bucket, ['a']);
      const headers = { 'content-md5': md5Base64('other') };
      const answer = await deleteObjects(bucket, document(['a']), headers);
      const list = await bucket.ask('GET', '', { query: { 'list-type': '2' } });
      return `${told(answer)}, ${textsOf(list, 'Key').length} left`;
    },
  },
];
