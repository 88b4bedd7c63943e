import { EventEmitter } from 'node:events';
import type { HttpExchange } from '../../lib/http-exchange.js';
import { RequestOutcome } from '../../lib/uploads/request-outcome.js';

/** A connection, and an answer of a handler that has succeeded, of which the head is on its way. */
function exchange(statusCode: number) {
  const running = exchangeOf(statusCode);
  running.outcome.handlerSucceeded();
  return running;
}

/** The same of a handler that is at work. */
function exchangeOf(statusCode: number) {
  const carrier = Object.assign(new EventEmitter(), {
    closed: false,
    destroyed: false,
    // The client has ended its side.
    readableEnded: true,
    errored: null,
  });
  const response = Object.assign(new EventEmitter(), {
    statusCode,
    destroyed: false,
    headersSent: true,
    writableEnded: true,
    socket: carrier,
    destroy: () => response,
  });
  const verdicts: string[] = [];
  const outcome = new RequestOutcome(
    { request: { socket: carrier }, response } as unknown as Pick<
      HttpExchange,
      'request' | 'response'
    >,
    { failure: () => verdicts.push('failed'), success: () => verdicts.push('succeeded') },
  );
  outcome.handlerStarted();
  return { carrier, response, outcome, verdicts };
}

test.each([
  [200, 'succeeded'],
  [399, 'succeeded'],
  [400, 'failed'],
])(
  'of an answer of %i, sent or on its way when the client leaves, the request %s',
  (status, is) => {
    const sent = exchange(status);
    sent.response.emit('finish');
    sent.response.emit('close');
    expect(sent.verdicts).toEqual([is]);
    const left = exchange(status);
    left.carrier.destroyed = true;
    left.response.emit('close');
    expect(left.verdicts).toEqual([is]);
  },
);

test('a handler for which nobody waits any more has failed with its answer, and not before', () => {
  const { response, outcome, verdicts } = exchangeOf(200);
  outcome.handlerGivenUp();
  expect(verdicts).toEqual([]);
  response.emit('finish');
  expect(verdicts).toEqual(['failed']);
});

test('a handler that is given up behind its own answer has failed at once', () => {
  const { response, outcome, verdicts } = exchangeOf(200);
  response.emit('finish');
  expect(verdicts).toEqual([]);
  outcome.handlerGivenUp();
  expect(verdicts).toEqual(['failed']);
});

test('a handler that succeeds behind its own answer has succeeded at once', () => {
  const { response, outcome, verdicts } = exchangeOf(200);
  response.emit('finish');
  expect([verdicts, outcome.isGood]).toEqual([[], false]);
  outcome.handlerSucceeded();
  expect([verdicts, outcome.isGood]).toEqual([['succeeded'], true]);
});

test('a handler that has succeeded is not given up', () => {
  const { response, outcome, verdicts } = exchange(200);
  outcome.handlerGivenUp();
  response.emit('finish');
  expect(verdicts).toEqual(['succeeded']);
});

test('an answer that the server destroys while its client is there has failed', () => {
  const { response, verdicts } = exchange(200);
  response.destroy();
  response.emit('close');
  expect(verdicts).toEqual(['failed']);
});

test('one that is destroyed behind a client that has left has not', () => {
  for (const gone of ['closed', 'destroyed'] as const) {
    const { carrier, response, verdicts } = exchange(200);
    carrier[gone] = true;
    response.destroy();
    response.emit('close');
    expect([gone, verdicts]).toEqual([gone, ['succeeded']]);
  }
});

test('an answer whose end was never written was not sent, whatever its stream says', () => {
  const { response, outcome, verdicts } = exchange(200);
  response.writableEnded = false;
  response.emit('finish');
  expect([outcome.isGood, verdicts]).toEqual([true, []]);
  response.headersSent = false;
  response.emit('close');
  expect([outcome.hasFailed, verdicts]).toEqual([true, ['failed']]);
});

test.each<[what: string, errored: object | null, is: string]>([
  ['without an error', null, 'failed'],
  ['with an error of the app', new Error('given up'), 'failed'],
  ['with a code that is none of a connection', { code: 'ERR_STREAM_DESTROYED' }, 'failed'],
  ['with a reset', { code: 'ECONNRESET' }, 'succeeded'],
  ['in the middle of a write', { code: 'EPIPE' }, 'succeeded'],
  ['by what is no HTTP', { code: 'HPE_INVALID_METHOD' }, 'succeeded'],
  ['in a call of the system', { code: 'ETIMEDOUT', syscall: 'read' }, 'succeeded'],
])(
  'a connection that closes %s before the client has ended it, under a good answer: %#',
  (...row) => {
    const [, errored, is] = row;
    const { carrier, response, verdicts } = exchange(200);
    Object.assign(carrier, { readableEnded: false, errored, destroyed: true });
    response.emit('close');
    expect(verdicts).toEqual([is]);
  },
);
