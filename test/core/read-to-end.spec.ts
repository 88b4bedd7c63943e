import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { readToEnd } from '../../lib/core/read-to-end.js';

describe('readToEnd', () => {
  it('reads every chunk of a stream, of one that has ended as well', async () => {
    const stream = Readable.from([Buffer.from('a'), Buffer.from('b')]);
    expect(Buffer.concat(await readToEnd<Buffer>(stream)).toString()).toBe('ab');
    expect(await readToEnd(stream)).toEqual([]);
  });

  it('rejects with the error of a stream that breaks, broke or was broken just now', async () => {
    const breaking = new PassThrough();
    const read = readToEnd(breaking);
    breaking.destroy(new Error('broken'));
    await expect(read).rejects.toThrow('broken');
    await expect(readToEnd(breaking)).rejects.toThrow('broken');

    const broken = new PassThrough();
    broken.destroy(new Error('just now'));
    // Nobody else listens: unheard, it would end the process.
    await expect(readToEnd(broken)).rejects.toThrow('just now');
  });

  it('rejects when the stream is closed before its end', async () => {
    const stream = new PassThrough();
    stream.write('a');
    const read = readToEnd(stream);
    stream.destroy();
    await expect(read).rejects.toThrow('closed before its end');
    if (!stream.closed) await once(stream, 'close');
    await expect(readToEnd(stream)).rejects.toThrow('closed before its end');
  });
});
