import { Readable } from 'node:stream';
import { openBody, readBody, readChunks, type StorageBody } from '../../lib/core/body.js';
import { startChecksum } from '../../lib/core/checksum.js';
import {
  StorageIntegrityError,
  StorageInvalidArgumentError,
  StorageTooLargeError,
} from '../../lib/core/errors.js';
import { uploadBody } from '../../lib/core/upload-body.js';

const { signal } = new AbortController();

async function textOf(body: StorageBody): Promise<string> {
  const open = openBody(body);
  if ('bytes' in open) return Buffer.from(open.bytes).toString();
  const chunks: Uint8Array[] = [];
  for await (const chunk of readChunks(open.chunks, signal, () => {})) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('openBody', () => {
  it('knows the bytes of what is in memory', () => {
    const words = Uint16Array.from([0x6161, 0x6262, 0x6363]);
    for (const body of ['bb', Buffer.from('bb'), Uint8Array.from([98, 98]).buffer]) {
      expect(openBody(body as string)).toEqual({ bytes: expect.any(Uint8Array), size: 2 });
    }
    const view = openBody(words.subarray(1, 2) as unknown as Uint8Array);
    expect(Buffer.from((view as { bytes: Uint8Array }).bytes).toString()).toBe('bb');
    const dataView = openBody(new DataView(words.buffer, 2, 2) as unknown as Uint8Array);
    expect(Buffer.from((dataView as { bytes: Uint8Array }).bytes).toString()).toBe('bb');
  });

  it('refuses bytes whose memory was transferred', () => {
    const bytes = new Uint8Array(5);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    for (const body of [bytes, bytes.buffer]) {
      expect(() => openBody(body as Uint8Array)).toThrow(
        'The bytes are gone: their memory was transferred, as to a worker',
      );
    }
  });

  it('knows the size of a Blob, and of no stream', () => {
    expect(openBody(new Blob(['abc']))).toMatchObject({ size: 3 });
    expect(openBody(Readable.from(['abc']))).toMatchObject({ size: undefined });
  });

  it('reads strings and bytes of any iterable', async () => {
    await expect(textOf(['a', Buffer.from('b'), new Uint8Array()])).resolves.toBe('ab');
    await expect(textOf(new Set(['a', 'b']))).resolves.toBe('ab');
  });

  it.each([
    [null, 'null'],
    [undefined, 'undefined'],
    [5, 'number'],
    [5n, 'bigint'],
    [true, 'boolean'],
    [{}, 'Object'],
    [Object.create(null), 'an object'],
    [new Date(0), 'Date'],
    [() => 'a', 'function'],
  ])('refuses %p, and says that it is %s', (body, named) => {
    const open = (): unknown => openBody(body as string);
    expect(open).toThrow(StorageInvalidArgumentError);
    expect(open).toThrow(
      `The body must be a string, bytes, a Blob, a stream or an iterable of bytes, not ${named}`,
    );
  });

  it('takes for a stream of HTTP/2 nothing that only has a field of that name', async () => {
    for (const stream of [null, 5, {}]) {
      await expect(textOf(Object.assign(Readable.from(['abc']), { stream }))).resolves.toBe('abc');
    }
  });

  it('takes for a stream no iterable that tells of events alone', async () => {
    const on = (): never => {
      throw new Error('Nobody may listen');
    };
    async function* chunks(): AsyncGenerator<string, void> {
      yield 'abc';
    }
    await expect(textOf(Object.assign(chunks(), { on, readable: true }))).resolves.toBe('abc');
  });

  it('refuses a stream whose bytes were decoded as anything but UTF-8', () => {
    expect(() => openBody(Readable.from([Buffer.from('a')]).setEncoding('latin1'))).toThrow(
      /latin1/,
    );
  });

  it('destroys a stream without an error that ends the process', async () => {
    const stream = new Readable({ read() {} });
    const open = openBody(stream);
    if ('destroy' in open) open.destroy(new Error('not needed any more'));
    await new Promise((resolve) => stream.once('close', resolve));
    expect(stream.destroyed).toBe(true);
  });

  it('cancels a web stream that is not needed any more', () => {
    let cancelled: unknown;
    const stream = new ReadableStream<Uint8Array>({
      cancel(reason) {
        cancelled = reason;
      },
    });
    const reason = new Error('not needed any more');
    const open = openBody(stream as StorageBody);
    if ('destroy' in open) open.destroy(reason);
    expect(cancelled).toBe(reason);
  });
});

describe('readChunks', () => {
  it('ends with the reason of the signal, although the source is silent', async () => {
    const controller = new AbortController();
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
    const reading = readChunks(silent, controller.signal, () => {}).next();
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
  });

  it('asks a source for nothing when the signal is aborted already', async () => {
    const next = { asked: false };
    const source = {
      [Symbol.iterator]: () => ({
        next() {
          next.asked = true;
          return { done: true as const, value: undefined };
        },
      }),
    };
    await expect(
      readChunks(source, AbortSignal.abort(new Error('no')), () => {}).next(),
    ).rejects.toThrow('no');
    expect(next.asked).toBe(false);
  });

  it('leaves the source when its reader leaves', async () => {
    let left = false;
    async function* source(): AsyncGenerator<string> {
      try {
        yield 'a';
        yield 'b';
      } finally {
        left = true;
      }
    }
    for await (const _ of readChunks(source(), signal, () => {})) break;
    await Promise.resolve();
    expect(left).toBe(true);
  });

  it('does not mind a source that fails to be left', async () => {
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false as const, value: 'a' }),
        return: async () => Promise.reject(new Error('cannot stop')),
      }),
    };
    const chunks = readChunks(source, signal, () => {});
    await chunks.next();
    await expect(chunks.return()).resolves.toEqual({ done: true, value: undefined });
  });

  it.each([[{}], [5], [null], [undefined], [[1, 2]]])('refuses the chunk %p', async (chunk) => {
    const reading = readChunks([chunk], signal, () => {}).next();
    await expect(reading).rejects.toThrow(StorageInvalidArgumentError);
  });
});

describe('uploadBody', () => {
  const checks = {
    signal,
    size: undefined,
    checksum: undefined,
    maxSize: 10,
    onWait: () => {},
    onBytes: () => {},
  };
  const checksum = (text: string) => {
    const running = startChecksum('crc32');
    running.update(Buffer.from(text));
    return running.digest();
  };

  it('gives what is in memory at once, and the rest as chunks', async () => {
    expect(uploadBody(openBody('hello'), checks)).toEqual(Buffer.from('hello'));
    const body = uploadBody(openBody(['hel', 'lo']), checks);
    expect(body).not.toBeInstanceOf(Uint8Array);
    expect(Buffer.from(await readBody(body)).toString()).toBe('hello');
  });

  it('refuses at once what is known to be too large', () => {
    expect(() => uploadBody(openBody('hello world'), checks)).toThrow(StorageTooLargeError);
    expect(() => uploadBody(openBody(new Blob(['hello world'])), checks)).toThrow(
      StorageTooLargeError,
    );
    expect(() => uploadBody(openBody(['a']), { ...checks, size: 11 })).toThrow(
      StorageTooLargeError,
    );
  });

  it('ends a stream as soon as it is too large', async () => {
    const given: number[] = [];
    function* source(): Generator<string> {
      for (let chunk = 0; ; chunk++) {
        given.push(chunk);
        yield 'aaaa';
      }
    }
    await expect(readBody(uploadBody(openBody(source()), checks))).rejects.toThrow(
      StorageTooLargeError,
    );
    expect(given).toEqual([0, 1, 2]);
  });

  it('fails before the end of a stream that is longer or shorter than announced', async () => {
    for (const size of [4, 6]) {
      await expect(
        readBody(uploadBody(openBody(['hel', 'lo']), { ...checks, size })),
      ).rejects.toThrow(StorageIntegrityError);
      expect(() => uploadBody(openBody('hello'), { ...checks, size })).toThrow(
        StorageIntegrityError,
      );
    }
  });

  it('never hands on bytes beyond the announced length', async () => {
    let bytes = 0;
    const read = async (): Promise<void> => {
      const body = uploadBody(openBody(['hel', 'lo']), { ...checks, size: 4 });
      for await (const chunk of body as AsyncIterable<Uint8Array>) bytes += chunk.byteLength;
    };
    await expect(read()).rejects.toThrow(StorageIntegrityError);
    expect(bytes).toBe(3);
  });

  it('fails for any other checksum than announced', async () => {
    const right = { ...checks, checksum: checksum('hello') };
    const wrong = { ...checks, checksum: checksum('other') };
    expect(uploadBody(openBody('hello'), right)).toEqual(Buffer.from('hello'));
    await expect(readBody(uploadBody(openBody(['hel', 'lo']), right))).resolves.toBeDefined();
    expect(() => uploadBody(openBody('hello'), wrong)).toThrow(StorageIntegrityError);
    await expect(readBody(uploadBody(openBody(['hel', 'lo']), wrong))).rejects.toThrow(
      StorageIntegrityError,
    );
  });
});
