import { jest } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { type BodyLimits, FormBody } from '../../lib/uploads/form-body.js';

const LIMITS: BodyLimits = { maxTotalSize: 10, minRate: 0, minRateWindow: 1000 };

/** A request as far as a form needs one; over HTTP/2 there is a stream that tells of a reset. */
function requestOf(http2Stream?: { aborted: boolean; rstCode: number }) {
  const request = new PassThrough();
  const headers = { 'content-type': 'multipart/form-data; boundary=b' };
  const stream = http2Stream && { ...http2Stream, respond() {} };
  return Object.assign(request, { headers, ...(stream && { stream }) });
}

function bodyOf(request: object, onReceived?: (bytes: number) => void): FormBody {
  return new FormBody(request as IncomingMessage, LIMITS, onReceived);
}

test('a form is delivered as it comes, and its bytes are told', async () => {
  const request = requestOf();
  const told: number[] = [];
  const read = buffer(bodyOf(request, (bytes) => void told.push(bytes)));
  request.write('hello');
  request.end('world');
  expect((await read).toString()).toBe('helloworld');
  expect(told).toEqual([5, 5]);
});

test('a form is as large as it may be, and no larger', async () => {
  const request = requestOf();
  const read = buffer(bodyOf(request));
  request.end('hello world');
  await expect(read).rejects.toMatchObject({
    status: 413,
    message: 'The form is larger than the limit of 10 bytes',
  });
});

test('a form of any rate waits for its reader', async () => {
  const request = requestOf();
  const body = new FormBody(request as unknown as IncomingMessage, {
    ...LIMITS,
    maxTotalSize: 1_000_000,
  });
  body.read(0);
  request.end(Buffer.alloc(500_000));
  await setImmediate();
  expect(request.isPaused()).toBe(true);
  expect(await buffer(body)).toHaveLength(500_000);
});

test('a request that is cut breaks its form off', async () => {
  const request = requestOf();
  const read = buffer(bodyOf(request));
  request.write('hello');
  request.destroy();
  await expect(read).rejects.toThrow('Request aborted');
});

test.each([
  ['is whole', false, 0, 'hello'],
  ['is broken off when its stream was reset without an error', true, 0, 'Request aborted'],
  // It counts as aborted only as long as it is not answered.
  ['is broken off when its stream was reset after its answer', false, 8, 'Request aborted'],
])('a form over HTTP/2 that ends %s', async (_, aborted, rstCode, outcome) => {
  const request = requestOf({ aborted, rstCode });
  const read = buffer(bodyOf(request)).then(String, ({ message }: Error) => message);
  request.end('hello');
  expect(await read).toBe(outcome);
});

test('a form says that it has a body, whichever way the length is told', () => {
  const request = requestOf();
  expect(bodyOf(request).headers).toEqual({ 'transfer-encoding': 'chunked', ...request.headers });
});

test('a form that is given up leaves the request alone', () => {
  const request = requestOf();
  bodyOf(request).destroy();
  expect(request.destroyed).toBe(false);
  expect(request.isPaused()).toBe(true);
  expect(request.listenerCount('data')).toBe(0);
});

describe('a form that must come at a rate', () => {
  // 100 bytes per second, over ten seconds.
  const SLOW: BodyLimits = { maxTotalSize: 1_000_000, minRate: 100, minRateWindow: 10_000 };
  const TOO_SLOW = { status: 408, message: 'The upload came too slowly' };

  beforeEach(() =>
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] }),
  );
  afterEach(() => jest.useRealTimers());

  function slowBodyOf(request: object) {
    const body = new FormBody(request as IncomingMessage, SLOW);
    let failure: unknown;
    body.on('error', (error) => (failure = error));
    const after = async (seconds: number): Promise<unknown> => {
      jest.advanceTimersByTime(seconds * 1000);
      await setImmediate();
      return failure;
    };
    return { body, after };
  }

  test('fails at the end of a window in which less came', async () => {
    const request = requestOf();
    const { body, after } = slowBodyOf(request);
    body.resume();
    request.write(Buffer.alloc(1000));
    await setImmediate();
    expect(await after(10)).toBeUndefined();
    request.write(Buffer.alloc(999));
    await setImmediate();
    expect(await after(9.9)).toBeUndefined();
    expect(await after(0.2)).toMatchObject(TOO_SLOW);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('is not slow while nobody takes what has come', async () => {
    const request = requestOf();
    const { body, after } = slowBodyOf(request);
    body.read(0);
    request.write(Buffer.alloc(500_000));
    await setImmediate();
    expect(await after(100)).toBeUndefined();
    body.resume();
    await setImmediate();
    expect(await after(30)).toMatchObject(TOO_SLOW);
  });

  test('may be taken at leisure once all of it has come', async () => {
    const request = requestOf();
    const { body, after } = slowBodyOf(request);
    body.read(0);
    request.end('hello');
    await setImmediate();
    expect(await after(100)).toBeUndefined();
    expect(jest.getTimerCount()).toBe(0);
    expect((await buffer(body)).toString()).toBe('hello');
  });

  test('waits for nothing any more when it is given up', async () => {
    const { body, after } = slowBodyOf(requestOf());
    body.destroy();
    expect(await after(100)).toBeUndefined();
    expect(jest.getTimerCount()).toBe(0);
  });
});

test('a form that was read to its end is not broken off by what comes after', async () => {
  const request = requestOf();
  const body = bodyOf(request);
  const read = buffer(body);
  request.end('hello');
  expect((await read).toString()).toBe('hello');
  request.on('error', () => {}).destroy(new Error('reset'));
  await setImmediate();
  expect(body.errored).toBeNull();
  for (const event of ['data', 'end', 'close']) expect(request.listenerCount(event)).toBe(0);
});

test('a form is broken off by an error of its request', async () => {
  const request = requestOf();
  const read = buffer(bodyOf(request));
  request.destroy(new Error('reset'));
  await expect(read).rejects.toThrow('Request aborted');
});
