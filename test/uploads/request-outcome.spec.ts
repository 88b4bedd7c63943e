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
function exchangeOf(
  statusCode: number,
  more: { response?: object; carrier?: object } = {},
  isStarted = true,
) {
  const carrier = Object.assign(new EventEmitter(), {
    closed: false,
    destroyed: false,
    // The client has ended its side.
    readableEnded: true,
    errored: null,
    ...more.carrier,
  });
  const response = Object.assign(new EventEmitter(), {
    statusCode,
    destroyed: false,
    headersSent: true,
    writableEnded: true,
    socket: carrier,
    destroy: () => response,
    ...more.response,
  });
  const verdicts: string[] = [];
  const outcome = new RequestOutcome(
    { request: { socket: carrier }, response } as unknown as Pick<
      HttpExchange,
      'request' | 'response'
    >,
    { failure: () => verdicts.push('failed'), success: () => verdicts.push('succeeded') },
  );
  if (isStarted) outcome.handlerStarted();
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

describe('a request whose connection is gone already', () => {
  test.each(['response', 'carrier'] as const)('has failed at once: by its %s', (gone) => {
    const { verdicts, outcome } = exchangeOf(200, { [gone]: { destroyed: true } });
    expect([verdicts, outcome.hasFailed]).toEqual([['failed'], true]);
  });
});

describe('an answer that waits behind that to another request', () => {
  const WAITING = { response: { socket: null, headersSent: false, writableEnded: false } };

  test('has failed when the connection closes, of which it is not told', () => {
    const { carrier, verdicts } = exchangeOf(200, WAITING);
    carrier.emit('close');
    expect(verdicts).toEqual(['failed']);
  });

  test('has failed then also when its head was written', () => {
    const { carrier, outcome, verdicts } = exchangeOf(200, {
      response: { ...WAITING.response, headersSent: true },
    });
    outcome.handlerSucceeded();
    carrier.emit('close');
    expect(verdicts).toEqual(['failed']);
  });
});

test('an answer that has a connection is not watched by that', () => {
  const { carrier, verdicts } = exchangeOf(200);
  expect(carrier.listenerCount('close')).toBe(0);
  carrier.emit('close');
  expect(verdicts).toEqual([]);
});

test('a handler that never ran has failed with a good answer, sent or not', () => {
  for (const events of [['finish'], ['close']]) {
    const { response, verdicts } = exchangeOf(200, {}, false);
    for (const event of events) response.emit(event);
    expect(verdicts).toEqual(['failed']);
  }
});

test('what was decided once stays', () => {
  const { response, outcome, verdicts } = exchange(200);
  outcome.fail();
  response.emit('finish');
  response.emit('close');
  outcome.fail();
  expect(verdicts).toEqual(['failed']);
  expect(outcome.isGood).toBe(false);
});

test('an answer that closes before its head was sent has failed', () => {
  const { response, verdicts } = exchange(200);
  response.headersSent = false;
  response.emit('close');
  expect(verdicts).toEqual(['failed']);
});

test('to destroy an answer does what it did before, and hands the error on', () => {
  const seen: unknown[] = [];
  const destroy = (error?: Error): string => {
    seen.push(error);
    return 'destroyed';
  };
  const { response } = exchangeOf(200, { response: { destroy } });
  const error = new Error('mine');
  expect((response.destroy as unknown as typeof destroy)(error)).toBe('destroyed');
  expect(seen).toEqual([error]);
});
