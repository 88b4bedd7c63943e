import { prepared, type Probe, textsOf, told, toldWithBody } from './probe.js';

/** Keys that something on the way might decode, encode, fold, split or resolve. */
const ODD_KEYS = [
  'with space',
  'plus+plus',
  'per%20cent%',
  'question?mark=1&b=2',
  'hash#tag',
  'quote\'and"double',
  'semi;colon,comma:at@',
  'brackets[1](2){3}',
  'star*bang!dollar$tilde~',
  'pipe|caret^back`tick',
  'back\\slash',
  'ünïcödé/日本語/🙂',
  'two//slashes',
  'ends with/',
  ' spaces at the ends ',
  'dots/../../up',
  './dot',
  'x'.repeat(1024),
];

const short = (key: string): string => (key.length > 40 ? `${key.length} times x` : key);

/** Keys. */
export const keys: readonly Probe[] = [
  ...ODD_KEYS.map((key): Probe => ({
    name: `the key ${JSON.stringify(short(key))}`,
    expected: '200 "hello", listed as such',
    async ask(bucket) {
      const put = await bucket.ask('PUT', key, { body: 'hello' });
      if (put.status !== 200) return put;
      const got = await bucket.ask('GET', key);
      const list = await bucket.ask('GET', '', {
        query: { 'list-type': '2', 'encoding-type': 'url' },
      });
      const names = textsOf(list, 'Key').map((name) =>
        decodeURIComponent(name.replaceAll('+', ' ')),
      );
      const listed = names.length === 1 && names[0] === key;
      return `${toldWithBody(got)}, listed ${listed ? 'as such' : `as ${names.join()}`}`;
    },
  })),
  {
    name: 'a key of 1025 bytes',
    expected: '400 KeyTooLongError',
    ask: (bucket) => bucket.ask('PUT', 'x'.repeat(1025), { body: 'hello' }),
  },
  {
    name: 'a key of 1025 bytes, in fewer characters',
    expected: '400 KeyTooLongError',
    ask: (bucket) => bucket.ask('PUT', `${'ü'.repeat(512)}x`, { body: 'hello' }),
  },
  {
    name: 'a path that is not encoded where it need not be',
    expected: '200',
    ask: (bucket) => bucket.ask('PUT', "a!'()*", { body: 'x', wirePath: `/${bucket.name}/a!'()*` }),
  },
  {
    name: 'a path with percent signs that encode nothing',
    expected: '400 InvalidURI',
    ask: (bucket) => bucket.ask('PUT', 'a%zz', { body: 'x', wirePath: `/${bucket.name}/a%zz` }),
  },
  {
    name: 'a path with percent signs that encode no UTF-8',
    expected: '400 InvalidURI',
    ask: (bucket) => bucket.ask('PUT', 'a\ufffd', { body: 'x', wirePath: `/${bucket.name}/a%ff` }),
  },
  {
    name: 'keys that differ in case only',
    expected: '200 "A", 200 "a"',
    async ask(bucket) {
      for (const key of ['A', 'a']) await prepared(bucket.ask('PUT', key, { body: key }));
      const [upper, lower] = [await bucket.ask('GET', 'A'), await bucket.ask('GET', 'a')];
      return `${toldWithBody(upper)}, ${toldWithBody(lower)}`;
    },
  },
  {
    name: 'a key that is the folder of another',
    expected: '200, 200',
    async ask(bucket) {
      const file = await bucket.ask('PUT', 'a', { body: 'x' });
      return `${told(file)}, ${told(await bucket.ask('PUT', 'a/b', { body: 'x' }))}`;
    },
  },
];
