import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { HeldBytes } from '../../lib/core/held-bytes.js';

const bytes = Buffer.from('hello');

/** A response that keeps what it is ended with: it sends that in one piece with its head. */
class Response extends ServerResponse {
  endedWith: unknown;

  constructor() {
    super(new IncomingMessage(new Socket()));
  }

  override end(...given: unknown[]): this {
    this.endedWith = given[0];
    return super.end(...(given as []));
  }
}

describe('bytes in memory, as a stream', () => {
  it('go in one piece into a response that they are piped to, and end as other streams', async () => {
    const source = new HeldBytes(bytes);
    const response = new Response();
    const ended = once(source, 'end');
    const piped = once(response, 'pipe');
    expect(source.pipe(response)).toBe(response);
    expect(await piped).toEqual([source]);
    await ended;
    expect(response.endedWith).toBe(bytes);
  });

  it.each([
    ['an encoding', (source: HeldBytes) => source.setEncoding('base64'), 'aGVsbG8='],
    [
      'bytes put before them',
      (source: HeldBytes) => source.unshift(Buffer.from('oh ')),
      'oh hello',
    ],
  ])('are what streams of Node are with %s', async (_, touch, expected) => {
    const source = new HeldBytes(bytes);
    touch(source);
    const response = new Response();
    source.pipe(response);
    await once(source, 'end');
    expect(response.endedWith).toBeUndefined();
    const again = new HeldBytes(bytes);
    touch(again);
    expect(await text(again.pipe(new PassThrough()))).toBe(expected);
  });

  it('are not given to a response once they were read, or their stream was destroyed', async () => {
    const taken = new HeldBytes(bytes);
    await once(taken, 'readable');
    expect(taken.read()).toEqual(bytes);
    for (const source of [taken, new HeldBytes(bytes).destroy()]) {
      const response = new Response();
      source.pipe(response);
      expect(response.endedWith).toBeUndefined();
    }
  });

  it('are seen by others, and once, when they are piped as well', async () => {
    const source = new HeldBytes(bytes);
    const seen: Buffer[] = [];
    source.on('data', (chunk: Buffer) => seen.push(chunk));
    expect(await buffer(source.pipe(new PassThrough()))).toEqual(bytes);
    expect(Buffer.concat(seen)).toEqual(bytes);
  });

  it('leave a response open that is not to be ended, and what ends with the process', async () => {
    const source = new HeldBytes(bytes);
    const response = new Response();
    source.pipe(response, { end: false });
    await once(source, 'end');
    expect(response.writableEnded).toBe(false);
    const more = new HeldBytes(Buffer.alloc(0));
    more.pipe(process.stdout);
    await once(more, 'end');
    expect(process.stdout.writableEnded).toBe(false);
  });

  it('are read by whatever reads a stream', async () => {
    expect(await buffer(new HeldBytes(bytes))).toEqual(bytes);
    expect(await buffer(new HeldBytes(Buffer.alloc(0)))).toEqual(Buffer.alloc(0));
    const through = new PassThrough();
    await pipeline(new HeldBytes(bytes), through);
    expect(through.read()).toEqual(bytes);
  });
});
