import { PassThrough, Readable } from 'node:stream';
import { StorageIntegrityError } from '../../lib/core/errors.js';
import { holdToSize } from '../../lib/core/exact-body.js';

async function read(body: Readable): Promise<string> {
  let text = '';
  for await (const chunk of body as AsyncIterable<Uint8Array>) text += String(chunk);
  return text;
}

const bytes = (...chunks: string[]): Buffer[] => chunks.map((text) => Buffer.from(text));

const STREAMS: readonly (readonly [string, (...chunks: string[]) => Readable])[] = [
  [
    'that is read from its source',
    (...chunks) => Readable.from(bytes(...chunks), { objectMode: false }),
  ],
  ['of objects', (...chunks) => Readable.from(bytes(...chunks))],
  [
    'that others write to later',
    (...chunks) => {
      const body = new PassThrough();
      setImmediate(() => {
        for (const chunk of bytes(...chunks)) body.write(chunk);
        body.end();
      });
      return body;
    },
  ],
];

describe.each(STREAMS)('a body %s', (_, stream) => {
  it('is delivered when it has its size', async () => {
    for (const [chunks, size] of [
      [['hel', 'lo'], 5],
      [['ü'], 2],
      [[], 0],
    ] as const) {
      const body = stream(...chunks);
      holdToSize(body, size);
      expect(await read(body)).toBe(chunks.join(''));
    }
  });

  it('fails instead of ending when it is shorter', async () => {
    for (const chunks of [['hel', 'l'], []]) {
      const body = stream(...chunks);
      holdToSize(body, 5);
      const error: unknown = await read(body).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StorageIntegrityError);
      expect((error as Error).message).toBe(
        `The backend delivered ${chunks.join('').length} bytes of the 5 that it announced`,
      );
    }
  });

  it('delivers nothing beyond its size', async () => {
    const body = stream('hel', 'lo', '!');
    holdToSize(body, 5);
    const received: string[] = [];
    body.on('data', (chunk: Buffer) => received.push(chunk.toString()));
    const error = await new Promise((resolve) => body.once('error', resolve));
    expect(error).toBeInstanceOf(StorageIntegrityError);
    expect((error as Error).message).toBe(
      'The backend delivers more than the 5 bytes that it announced',
    );
    expect('hello'.startsWith(received.join(''))).toBe(true);
  });
});

describe('a body that is there already', () => {
  it('of objects is delivered, or refused, by their bytes', async () => {
    const buffered = (): Readable => {
      const body = new Readable({ objectMode: true, read() {} });
      for (const chunk of ['-', ...bytes('hel', 'lo'), null]) body.push(chunk);
      expect(body.read()).toBe('-');
      return body;
    };
    const body = buffered();
    holdToSize(body, 5);
    expect(await read(body)).toBe('hello');
    for (const size of [4, 6]) {
      expect(() => holdToSize(buffered(), size)).toThrow(StorageIntegrityError);
    }
  });

  it('of objects in part is delivered with what comes', async () => {
    const body = new Readable({ objectMode: true, read() {} });
    body.push(Buffer.from('hel'));
    holdToSize(body, 5);
    body.push(Buffer.from('lo'));
    body.push(null);
    expect(await read(body)).toBe('hello');
  });

  it('is refused unless it has its size', () => {
    for (const text of ['hell', 'hello!']) {
      const body = new PassThrough();
      body.end(text);
      expect(() => holdToSize(body, 5)).toThrow(StorageIntegrityError);
      expect(body.destroyed).toBe(true);
      expect(() => holdToSize(Buffer.from(text), 5)).toThrow(StorageIntegrityError);
    }
  });

  it('is delivered when it has it, or when the rest comes', async () => {
    const whole = new PassThrough();
    whole.end('hello');
    holdToSize(whole, 5);
    expect(await read(whole)).toBe('hello');
    const begun = new PassThrough();
    begun.write('hel');
    holdToSize(begun, 5);
    begun.end('lo');
    expect(await read(begun)).toBe('hello');
    holdToSize(Buffer.from('hello'), 5);
  });
});
