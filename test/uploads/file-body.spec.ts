import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { leaveFile, type MulterFile, openFileBody, peek } from '../../lib/uploads/file-body.js';

function fileOf(stream: MulterFile['stream'] = new PassThrough()) {
  const source = stream as PassThrough & { truncated?: boolean };
  const file = {
    fieldname: 'photo',
    originalname: 'a.png',
    encoding: '7bit',
    mimetype: 'image/png',
    stream: source,
  };
  return { file, source };
}

const textOf = async (body: Uint8Array | AsyncIterable<Uint8Array>): Promise<string> =>
  body instanceof Uint8Array ? Buffer.from(body).toString() : (await buffer(body)).toString();

describe('the body of a file', () => {
  test('has its bytes, up to the limit', async () => {
    const { file, source } = fileOf();
    const body = openFileBody(file, 5);
    source.write('hel');
    source.end('lo');
    expect(await textOf(body)).toBe('hello');
  });

  test.each<[string, (source: PassThrough & { truncated?: boolean }) => void]>([
    ['has a byte more than that', (source) => void source.end('hello!')],
    ['has so many in several chunks', (source) => (source.write('hel'), source.end('lo!'))],
    ['is cut by the parser', (source) => void source.emit('limit')],
    [
      'was cut, and ends as if it were whole',
      (source) => {
        source.truncated = true;
        source.end('hello');
      },
    ],
  ])('fails when it %s', async (_, act) => {
    const { file, source } = fileOf();
    const body = openFileBody(file, 5);
    act(source);
    await expect(textOf(body)).rejects.toMatchObject({
      status: 413,
      response: { field: 'photo', message: 'The file is larger than the limit of 5 bytes' },
    });
  });

  test('fails with what breaks the stream, and when that closes before its end', async () => {
    const broken = new Error('broken');
    const first = fileOf();
    const body = openFileBody(first.file, 5);
    first.source.destroy(broken);
    await expect(textOf(body)).rejects.toBe(broken);
    const second = fileOf();
    const other = openFileBody(second.file, 5);
    second.source.write('hel');
    second.source.destroy();
    await expect(textOf(other)).rejects.toThrow('The upload ended before the file did');
  });

  test('that is left lets the rest of the form come', async () => {
    const { file, source } = fileOf();
    const body = openFileBody(file, 1_000_000);
    source.write('hello');
    leaveFile(file, body);
    expect([body.destroyed, source.destroyed]).toEqual([true, false]);
    const ended = new Promise((resolve) => source.once('end', resolve));
    for (let count = 0; count < 20; count++) source.write(Buffer.alloc(50_000));
    source.end();
    await ended;
  });
});

describe('the first bytes of a body', () => {
  const bodyOf = (...texts: string[]): PassThrough => {
    const body = new PassThrough();
    for (const text of texts) body.write(text);
    body.end();
    return body;
  };

  test.each([
    ['', ['']],
    ['are all of it, where that is shorter', ['hell']],
    ['are gathered from several chunks', ['h', 'el', 'l']],
  ])('%s', async (_, texts) => {
    const { head, whole } = await peek(bodyOf(...texts.filter(Boolean)), 5);
    expect(head).toBe(whole);
    expect(await textOf(head)).toBe(texts.join(''));
  });

  test.each([[['hello']], [['hello', ' world']], [['he', 'llo w', 'orld']]])(
    'stand before the rest of %j',
    async (texts) => {
      const { head, whole } = await peek(bodyOf(...texts), 5);
      expect(Buffer.from(head).toString()).toMatch(/^hello/);
      expect(whole).not.toBeInstanceOf(Uint8Array);
      expect(await textOf(whole)).toBe(texts.join(''));
    },
  );

  test('are no more chunks than it takes', async () => {
    const body = new PassThrough();
    body.write('hello');
    const { head, whole } = await peek(body, 5);
    expect(Buffer.from(head).toString()).toBe('hello');
    body.end(' world');
    expect(await textOf(whole)).toBe('hello world');
  });
});
