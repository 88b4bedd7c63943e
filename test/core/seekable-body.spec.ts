import { Readable } from 'node:stream';
import { StorageInvalidArgumentError } from '../../lib/core/errors.js';
import { parseSeekableBody, type SeekableBody } from '../../lib/core/seekable-body.js';

const size = 3;
const read = (): string => 'abc';

test('a body that can be read from anywhere is a Blob, or has a size and reads ranges', async () => {
  const blob = parseSeekableBody(new Blob(['hello']));
  expect(blob.size).toBe(5);
  expect(await ((await blob.read({ start: 1, end: 3 })) as Blob).text()).toBe('ell');
  const source = { size, read };
  expect(parseSeekableBody(source)).toBe(source);
});

test.each<[string, unknown]>([
  ['a stream of Node with a size', Object.assign(Readable.from(['abc']), { size })],
  ['a web stream with a size', Object.assign(new Blob(['abc']).stream(), { size, read })],
  ['what has no size', { read }],
  ['what has no read()', { size }],
  ['what has a read that is no method', { size, read: 'abc' }],
  ['text', 'abc'],
  ['nothing', null],
])('%s is none', (_, body) => {
  expect(() => parseSeekableBody(body as SeekableBody)).toThrow(StorageInvalidArgumentError);
  expect(() => parseSeekableBody(body as SeekableBody)).toThrow('can be read from anywhere');
});

test('a size that is none is told as such', () => {
  expect(() => parseSeekableBody({ size: -1, read })).toThrow(/^size must be/);
});
