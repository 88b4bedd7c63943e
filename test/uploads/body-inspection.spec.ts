import { BadRequestException } from '@nestjs/common';
import { buffer } from 'node:stream/consumers';
import {
  type BodyInspection,
  BodyInspector,
  LeastSize,
} from '../../lib/uploads/body-inspection.js';

/** One that notes what it is told, and throws at the events that are given. */
function noting(events: string[], name = '', throws: Record<string, unknown> = {}): BodyInspection {
  const note = (event: string): void => {
    events.push(`${name}${event}`);
    if (event in throws) throw throws[event];
  };
  return {
    see: (chunk) => note(`see ${Buffer.from(chunk).toString()}`),
    decide: () => note('decide'),
    abandon: () => note('abandon'),
  };
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array, void> {
  for (const text of texts) yield Buffer.from(text);
}

const textOf = async (body: Uint8Array | AsyncIterable<Uint8Array>): Promise<string> => {
  if (body instanceof Uint8Array) return Buffer.from(body).toString();
  return (await buffer(body)).toString();
};

test('a body that nobody inspects is handed on as it is', async () => {
  const body = chunks('a');
  expect(await new BodyInspector().inspect(body, [])).toBe(body);
});

test('bytes in memory are inspected at once, and stay bytes', async () => {
  const events: string[] = [];
  const bytes = Buffer.from('ab');
  expect(await new BodyInspector().inspect(bytes, [noting(events)])).toBe(bytes);
  expect(events).toEqual(['see ab', 'decide']);
});

test('each chunk of a stream is seen by all before it goes on, and its end when all have decided', async () => {
  const events: string[] = [];
  const body = await new BodyInspector().inspect(chunks('a', 'b'), [
    noting(events, '1 '),
    noting(events, '2 '),
  ]);
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    events.push(`got ${Buffer.from(chunk).toString()}`);
  }
  expect(events).toEqual([
    '1 see a',
    '2 see a',
    'got a',
    '1 see b',
    '2 see b',
    'got b',
    '1 decide',
    '2 decide',
  ]);
});

test.each(['see b', 'decide'])(
  'a refusal at "%s" is told, and all are told of the end',
  async (at) => {
    const events: string[] = [];
    const refusal = new BadRequestException('no');
    const told: unknown[] = [];
    const inspector = new BodyInspector((reason) => told.push(reason));
    const body = await inspector.inspect(chunks('a', 'b'), [
      noting(events, '1 ', { [at]: refusal }),
      noting(events, '2 '),
    ]);
    await expect(textOf(body)).rejects.toBe(refusal);
    expect(told).toEqual([refusal]);
    expect(events.slice(-3)).toEqual([`1 ${at}`, '1 abandon', '2 abandon']);
  },
);

test('a failure of the body is no refusal', async () => {
  const events: string[] = [];
  const failure = new Error('source');
  async function* failing(): AsyncGenerator<Uint8Array, void> {
    yield Buffer.from('a');
    throw failure;
  }
  const told: unknown[] = [];
  const inspector = new BodyInspector((reason) => told.push(reason));
  const body = await inspector.inspect(failing(), [noting(events)]);
  await expect(textOf(body)).rejects.toBe(failure);
  expect(told).toEqual([]);
  expect(events).toEqual(['see a', 'abandon']);
});

test('a body that is left early is abandoned, and not decided about', async () => {
  const events: string[] = [];
  const body = await new BodyInspector().inspect(chunks('a', 'b'), [noting(events)]);
  for await (const _ of body as AsyncIterable<Uint8Array>) break;
  expect(events).toEqual(['see a', 'abandon']);
});

test('a body that nobody begins to read is abandoned once', async () => {
  const events: string[] = [];
  const inspector = new BodyInspector();
  await inspector.inspect(chunks('a'), [noting(events)]);
  inspector.abandon();
  inspector.abandon();
  expect(events).toEqual(['abandon']);
});

test('what was decided about is not abandoned', async () => {
  const events: string[] = [];
  const inspector = new BodyInspector();
  await textOf(await inspector.inspect(chunks('a'), [noting(events)]));
  inspector.abandon();
  expect(events).toEqual(['see a', 'decide']);
});

describe('of three bytes at least', () => {
  const decided = (texts: string[]) => (): void => {
    const inspection = new LeastSize(3, 'photo');
    for (const text of texts) inspection.see(Buffer.from(text));
    inspection.decide();
  };

  test.each([[['abc']], [['a', 'bc']], [['abcd']]])('%j is enough', (texts) => {
    expect(decided(texts)).not.toThrow();
  });

  test.each([[['a', 'b']], [[]]])('%j is too little', (texts) => {
    expect(decided(texts)).toThrow('The file is smaller than the least of 3 bytes');
  });
});
