import { jest } from '@jest/globals';
import { EventEmitter, once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { discardLeftover, type LeftoverLimits } from '../../lib/uploads/leftover-body.js';

const servers: Http2Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

/** A server over HTTP/2 that refuses every body before its end. */
async function refusing(limits: LeftoverLimits): Promise<string> {
  const server = createServer((request, response) => {
    const message = request as unknown as IncomingMessage;
    discardLeftover(message, response as unknown as ServerResponse, limits);
    response.writeHead(413).end('too large');
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each<[string, LeftoverLimits, string[]]>([
  ['stalls', { most: Infinity, longest: 20 }, ['the beginning']],
  ['sends too much', { most: 100_000, longest: 600_000 }, Array(40).fill('x'.repeat(10_000))],
])(
  'over HTTP/2, a client that %s sees its answer, and its stream is closed without an error; not the session',
  async (_what, limits, chunks) => {
    const session = connect(await refusing(limits));
    for (let request = 0; request < 2; request++) {
      const stream = session.request({ ':method': 'POST' });
      let answer = '';
      stream.setEncoding('utf8').on('data', (text: string) => (answer += text));
      for (const chunk of chunks) stream.write(chunk);
      const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
      await once(stream, 'close');
      expect([headers[':status'], answer, stream.rstCode]).toEqual([413, 'too large', 0]);
    }
    await new Promise<void>((resolve) => session.close(resolve));
  },
);

describe('over HTTP/1', () => {
  beforeEach(() =>
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] }),
  );
  afterEach(() => jest.useRealTimers());

  /** A request whose body is still to come, and its answer. */
  function exchange(limits: LeftoverLimits = { most: 10, longest: 1000 }) {
    const socket = Object.assign(new EventEmitter(), { closed: false });
    const request = Object.assign(new PassThrough(), { socket });
    request.pause();
    const response = Object.assign(new EventEmitter(), { writableFinished: false });
    const discard = (): void =>
      discardLeftover(
        request as unknown as IncomingMessage,
        response as unknown as ServerResponse,
        limits,
      );
    const answer = (): void => {
      response.writableFinished = true;
      response.emit('finish');
    };
    const listeners = (): number[] => [
      ...['data', 'end', 'close'].map((event) => request.listenerCount(event)),
      socket.listenerCount('close'),
      response.listenerCount('finish'),
      jest.getTimerCount(),
    ];
    return { socket, request, response, discard, answer, listeners };
  }

  test('nothing is waited for of a request that has come to its end', async () => {
    const { request, discard, answer, listeners } = exchange();
    // As those of Node, which are not destroyed by it.
    Object.defineProperty(request, 'destroyed', { value: false });
    request.resume().end();
    await once(request, 'end');
    const before = listeners();
    discard();
    answer();
    expect(listeners()).toEqual(before);
  });

  test('what comes is thrown away up to its end, and nothing stays', async () => {
    const { request, discard, answer, listeners } = exchange();
    const before = listeners();
    discard();
    answer();
    request.write('hello');
    request.end();
    await once(request, 'end');
    expect(listeners()).toEqual(before);
    jest.advanceTimersByTime(1000);
    expect(request.readableEnded).toBe(true);
  });

  test('its connection is closed when too much comes after the answer', async () => {
    const { request, discard, answer } = exchange();
    discard();
    answer();
    request.write('123456789');
    await setImmediate();
    expect([request.destroyed, request.isPaused()]).toEqual([false, false]);
    request.write('0');
    await setImmediate();
    expect(request.destroyed).toBe(true);
  });

  test('its connection is closed behind the answer when too much comes before that', async () => {
    const { request, discard, answer } = exchange();
    discard();
    request.write('1234567890');
    await setImmediate();
    expect([request.destroyed, request.isPaused()]).toEqual([false, true]);
    answer();
    expect(request.destroyed).toBe(true);
  });

  test('its connection is closed some time after the answer', () => {
    const { request, discard, answer } = exchange();
    discard();
    jest.advanceTimersByTime(5000);
    expect(request.destroyed).toBe(false);
    answer();
    jest.advanceTimersByTime(999);
    expect(request.destroyed).toBe(false);
    jest.advanceTimersByTime(1);
    expect(request.destroyed).toBe(true);
  });

  test('its connection is closed after that time also when it was answered before', () => {
    const { request, discard, answer } = exchange();
    answer();
    discard();
    jest.advanceTimersByTime(999);
    expect(request.destroyed).toBe(false);
    jest.advanceTimersByTime(1);
    expect(request.destroyed).toBe(true);
  });

  test('a connection that has closed is let alone', async () => {
    const { socket, request, discard, answer, listeners } = exchange();
    const before = listeners();
    discard();
    answer();
    socket.emit('close');
    expect(listeners()).toEqual(before);
    const other = exchange();
    other.discard();
    other.socket.closed = true;
    other.request.write('12345678901');
    await setImmediate();
    expect(other.request.isPaused()).toBe(false);
    expect(request.destroyed).toBe(false);
  });

  test('of a body that is at its end, or of a request that is gone, nothing is read', async () => {
    const ended = exchange();
    ended.request.resume().end();
    await once(ended.request, 'end');
    const gone = exchange();
    gone.request.destroy();
    for (const { discard, listeners } of [ended, gone]) {
      const before = listeners();
      discard();
      expect(listeners()).toEqual(before);
    }
  });

  test('an error of it ends nothing', async () => {
    const { request, discard, listeners } = exchange();
    const before = listeners();
    discard();
    request.destroy(new Error('reset'));
    await setImmediate();
    expect(listeners()).toEqual(before);
  });
});
