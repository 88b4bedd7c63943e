import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { MediaBody } from '../../../lib/drivers/gcs/gcs.media-body.js';
import { rejection } from './open-gcs.js';

/** CRC-32C of `hello`. */
const HELLO = 'mnG7TA==';

interface Opened {
  readonly message: PassThrough & { complete: boolean };
  readonly body: MediaBody;
  readonly abort: AbortController;
}

/** The body of an answer that is announced with the length and the checksum of `hello`. */
function openBody(): Opened {
  const message = Object.assign(new PassThrough(), { complete: false });
  const abort = new AbortController();
  const body = new MediaBody(message as unknown as IncomingMessage, {
    size: 5,
    crc32c: HELLO,
    signal: abort.signal,
  });
  return { message, body, abort };
}

/** Sends it, as an answer that is whole. */
function answer({ message }: Opened, text: string): void {
  message.complete = true;
  message.end(text);
}

const bytesOf = async (body: MediaBody): Promise<string> =>
  Buffer.concat(await body.toArray()).toString();

test('ends with the bytes that were announced', async () => {
  const opened = openBody();
  answer(opened, 'hello');
  expect(await bytesOf(opened.body)).toBe('hello');
});

test.each(['hell', 'hello!', ''])('is not at its end after %j', async (text) => {
  const opened = openBody();
  answer(opened, text);
  expect(await rejection(bytesOf(opened.body))).toMatchObject({
    code: 'CONNECTION_FAILED',
    message: 'The connection ended before all bytes had come',
  });
});

test('refuses other bytes of that length, but for a part, which has no checksum', async () => {
  const opened = openBody();
  answer(opened, 'jello');
  expect(await rejection(bytesOf(opened.body))).toMatchObject({
    code: 'INTEGRITY',
    message: 'The bytes that arrived do not have the checksum of the file',
  });
  const message = Object.assign(new PassThrough(), { complete: true });
  const { signal } = new AbortController();
  const part = new MediaBody(message as unknown as IncomingMessage, {
    size: 5,
    crc32c: undefined,
    signal,
  });
  message.end('jello');
  expect(await bytesOf(part)).toBe('jello');
});

test('fails when the connection closes before the answer is complete', async () => {
  const { message, body } = openBody();
  message.write('hel');
  const reading = rejection(bytesOf(body));
  await setImmediate();
  message.destroy();
  expect(await reading).toMatchObject({
    code: 'CONNECTION_FAILED',
    message: 'The connection ended before all bytes had come',
  });
});

test('keeps bytes for a reader who is late when the connection closes after the answer', async () => {
  const opened = openBody();
  answer(opened, 'hello');
  opened.body.read(0);
  await new Promise((resolve) => opened.message.once('close', resolve));
  expect(await bytesOf(opened.body)).toBe('hello');
});

test.each([
  [Object.assign(new Error('silent'), { code: 'ETIMEDOUT' }), 'TIMEOUT', 'ETIMEDOUT'],
  [new Error('odd'), 'CONNECTION_FAILED', undefined],
])('fails with what broke the connection: %s', async (broken, code, causeCode) => {
  const { message, body } = openBody();
  const reading = rejection(bytesOf(body));
  message.destroy(broken);
  const error = (await reading) as Error;
  expect(error).toMatchObject({ code, retryable: true, cause: { message: broken.message } });
  expect((error.cause as { code?: string }).code).toBe(causeCode);
});

test('fails as aborted once the signal is, whatever broke the connection', async () => {
  const { message, body, abort } = openBody();
  const reading = rejection(bytesOf(body));
  const reason = new Error('enough');
  abort.abort(reason);
  message.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
  expect(await reading).toMatchObject({ code: 'ABORTED', cause: reason });
});

test('frees the connection when it is destroyed, and tells why', async () => {
  const { message, body } = openBody();
  const reason = new Error('enough');
  const failed = new Promise((resolve) => body.once('error', resolve));
  body.destroy(reason);
  expect(await failed).toBe(reason);
  expect(message.destroyed).toBe(true);
});

test('takes no more off the connection than its reader wants', async () => {
  const { message, body } = openBody();
  body.read(0);
  const piece = Buffer.alloc(16 * 1024);
  for (let count = 0; count < 64; count++) {
    message.write(piece);
    await setImmediate();
  }
  expect(body.readableLength).toBeLessThan(16 * piece.byteLength);
  expect(message.isPaused()).toBe(true);
  body.destroy();
});
