import { request as httpRequest } from 'node:http';
import { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import {
  sendBody,
  wasCutShort,
  withSettledAbort,
} from '../../../lib/drivers/remote/settled-abort.js';

/** A connection that passes on all it is given, and does not tell of it before it is told to: as a busy kernel does. */
class LateSocket extends Duplex {
  readonly connecting = false;
  bodyBytes = 0;
  #written: (() => void)[] = [];
  #isHead = true;

  override _read(): void {}

  override _writev(pieces: { chunk: Buffer }[], written: () => void): void {
    for (const { chunk } of pieces) {
      const text = this.#isHead ? chunk.indexOf('\r\n\r\n') + 4 : 0;
      this.#isHead = false;
      this.bodyBytes += chunk.byteLength - text;
    }
    this.#written.push(written);
  }

  tell(): void {
    for (const written of this.#written.splice(0)) written();
  }

  answer(): void {
    this.push('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  }

  setTimeout(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

/** A write of so many bytes over the connection. */
function write(socket: LateSocket, size: number, signal: AbortSignal): Promise<unknown> {
  return withSettledAbort(
    signal,
    { idleTimeout: undefined, blind: false },
    (cut) =>
      new Promise((resolve, reject) => {
        const request = httpRequest({
          method: 'PUT',
          headers: { 'content-length': size },
          createConnection: () => socket,
        });
        cut.addEventListener('abort', () => {
          reject(new Error(wasCutShort(cut) ? 'cut short' : 'given up'));
          request.destroy();
        });
        request.on('response', resolve).on('error', () => {});
        sendBody(request, [Buffer.alloc(size)], cut);
      }),
  ).then(
    () => 'answered',
    (error: unknown) => (error as Error).message,
  );
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await setImmediate();
}

describe.each([1000, 300 * 1024])('an abort of a write of %i bytes', (size) => {
  test('waits for the answer when the last of them may be out, though no socket has told so', async () => {
    const socket = new LateSocket();
    const abort = new AbortController();
    const outcome = write(socket, size, abort.signal);
    await until(() => {
      if (socket.bodyBytes < size) socket.tell();
      return socket.bodyBytes === size;
    });
    abort.abort();
    await setImmediate();
    socket.tell();
    socket.answer();
    expect(await outcome).toBe('answered');
    socket.destroy();
  });
});

test('an abort cuts a long write as long as the rest of it was not told to be out', async () => {
  const socket = new LateSocket();
  const abort = new AbortController();
  const outcome = write(socket, 300 * 1024, abort.signal);
  await until(() => socket.bodyBytes > 0);
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  expect(socket.bodyBytes).toBeLessThan(300 * 1024);
  abort.abort();
  expect(await outcome).toBe('cut short');
});
