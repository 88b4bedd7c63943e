import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { HeldBytes } from '../../lib/core/held-bytes.js';

const bytes = Buffer.from('hello');

/** Keeps what it is ended with: a response sends that in one piece with its head. */
class Destination extends Writable {
  readonly written: string[] = [];
  endedWith: unknown;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk.toString());
    done();
  }

  override end(...given: unknown[]): this {
    this.endedWith = given[0];
    return super.end(...(given as []));
  }
}

describe('bytes in memory, as a stream', () => {
  it('go in one piece into what they are piped to, and end as other streams', async () => {
    const source = new HeldBytes(bytes);
    const destination = new Destination();
    const ended = once(source, 'end');
    expect(source.pipe(destination)).toBe(destination);
    await Promise.all([ended, once(destination, 'finish')]);
    expect(destination.endedWith).toBe(bytes);
    expect(destination.written).toEqual(['hello']);
  });

  it('are seen by others, and once, when they are piped as well', async () => {
    const source = new HeldBytes(bytes);
    const seen: Buffer[] = [];
    source.on('data', (chunk: Buffer) => seen.push(chunk));
    expect(await buffer(source.pipe(new PassThrough()))).toEqual(bytes);
    expect(Buffer.concat(seen)).toEqual(bytes);
  });

  it('leave a destination open that is not to be ended', async () => {
    const source = new HeldBytes(bytes);
    const destination = new Destination();
    source.pipe(destination, { end: false });
    await once(source, 'end');
    expect(destination.written).toEqual(['hello']);
    expect(destination.writableEnded).toBe(false);
  });

  it('are read by whatever reads a stream', async () => {
    expect(await buffer(new HeldBytes(bytes))).toEqual(bytes);
    expect(await buffer(new HeldBytes(Buffer.alloc(0)))).toEqual(Buffer.alloc(0));
    const destination = new Destination();
    await pipeline(new HeldBytes(bytes), destination);
    expect(destination.written).toEqual(['hello']);
  });
});
