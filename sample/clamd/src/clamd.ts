import { connect, type NetConnectOpts } from 'node:net';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { UploadScan } from 'nestjs-storages';

/** Examines uploads with clamd, which reads them as they arrive: nothing is written to a disk for it. */
export function clamd(address: NetConnectOpts): UploadScan {
  return async (stream, _file, { signal }) => {
    const socket = connect({ ...address, signal });
    const [reply] = await Promise.all([
      text(socket),
      pipeline(framed(stream), socket, { signal, end: false }),
    ]);
    const [, verdict, found] = /^stream: (OK|(.+) FOUND)\0$/.exec(reply) ?? [];
    // Its own limits, for example: a file that was not examined is not kept.
    if (verdict === undefined) throw new Error(`clamd says ${JSON.stringify(reply)}`);
    return found === undefined ? undefined : { rejected: found };
  };
}

/** clamd's INSTREAM: every chunk after its length, and an empty one at the end. */
async function* framed(stream: Readable): AsyncGenerator<Uint8Array, void> {
  yield Buffer.from('zINSTREAM\0');
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    yield lengthOf(chunk);
    yield chunk;
  }
  yield lengthOf(new Uint8Array());
}

function lengthOf(chunk: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(chunk.byteLength);
  return length;
}
