import { StreamableFile } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import type { ServerResponse } from 'node:http';
import { beforeAnswer, holdAnswers } from '../../lib/uploads/held-answers.js';

/** What is used of an adapter. Its answers may have to be waited for. */
interface Adapter {
  reply(response: object, body: unknown, status?: number): unknown;
  render(response: object, view: string): unknown;
}

/** One that notes what it answers. */
function adapterOf(events: string[]): Adapter {
  return {
    reply(_response, body, status) {
      events.push(`reply ${typeof body} ${String(status)}`);
    },
    render(_response, view) {
      events.push(`render ${view}`);
    },
  };
}

function circular<Given extends object>(given: Given): Given {
  return Object.assign(given, { self: given });
}

function held(): {
  adapter: Adapter;
  response: ServerResponse;
  events: string[];
} {
  const events: string[] = [];
  const adapter = adapterOf(events);
  holdAnswers({ httpAdapter: adapter } as unknown as HttpAdapterHost);
  const response = { statusCode: 201, writeHead() {} } as unknown as ServerResponse;
  beforeAnswer(response, async (status) => void events.push(`published before ${status}`));
  return { adapter, response, events };
}

test.each<[what: string, body: unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['text', 'done'],
  ['bytes', Buffer.from('done')],
  ['a stream', { pipe() {} }],
  ['what becomes JSON', { done: true }],
  // None of these can become JSON, nor needs to.
  ['bytes in large numbers', new BigInt64Array(1)],
  ['a stream that leads back to itself', circular({ pipe() {} })],
  ['a file to be streamed', circular(new StreamableFile(Buffer.from('done')))],
])('an answer of %s waits for what comes before it', async (_, body) => {
  const { adapter, response, events } = held();
  await adapter.reply(response, body, 200);
  expect(events).toEqual(['published before 200', `reply ${typeof body} 200`]);
});

test('an answer without a status of its own has that of the response, and so has a page', async () => {
  const first = held();
  await first.adapter.reply(first.response, 'done');
  expect(first.events[0]).toBe('published before 201');
  const second = held();
  await second.adapter.render(second.response, 'page');
  expect(second.events).toEqual(['published before 201', 'render page']);
});

test('what cannot be sent waits for nothing, and leaves that to the answer of its failure', async () => {
  const { adapter, response, events } = held();
  adapter.reply(response, { size: 1n }, 200);
  expect(events).toEqual(['reply object 200']);
  await adapter.reply(response, { statusCode: 500 }, 500);
  expect(events.slice(1)).toEqual(['published before 500', 'reply object 500']);
});

test('only the first answer waits, and none to a request for which nothing does', async () => {
  const { adapter, response, events } = held();
  await adapter.reply(response, 'first', 200);
  adapter.reply(response, 'second', 500);
  adapter.reply({ statusCode: 200, writeHead() {} }, 'another', 200);
  expect(events).toEqual([
    'published before 200',
    'reply string 200',
    'reply string 500',
    'reply string 200',
  ]);
});

test('what has nothing to wait for is answered at once, and after a failure not at all', async () => {
  const { adapter, response, events } = held();
  beforeAnswer(response, () => undefined);
  expect(adapter.reply(response, 'done', 200)).toBeUndefined();
  expect(events).toEqual(['reply string 200']);
  const failure = new Error('down');
  beforeAnswer(response, () => Promise.reject(failure));
  await expect(adapter.reply(response, 'done', 200)).rejects.toBe(failure);
  expect(events).toHaveLength(1);
});

test('an adapter is prepared once, and no adapter at all is let alone', async () => {
  const { adapter, response, events } = held();
  const before = Object.values(adapter);
  holdAnswers({ httpAdapter: adapter } as unknown as HttpAdapterHost);
  expect(Object.values(adapter)).toEqual(before);
  await adapter.reply(response, 'done', 200);
  expect(events).toEqual(['published before 200', 'reply string 200']);
  expect(() => holdAnswers({} as HttpAdapterHost)).not.toThrow();
});
