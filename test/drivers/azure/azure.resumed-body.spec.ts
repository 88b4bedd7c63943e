import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { ResumedBody } from '../../../lib/drivers/azure/azure.resumed-body.js';
import { rejected } from './open-azure.js';

const PROGRESS = 64 * 1024;
const { signal } = new AbortController();

/** Chunks, and how their connection ends. */
function source(chunks: readonly (Buffer | string)[], end?: Error): Readable {
  return Readable.from(
    (async function* () {
      for (const chunk of chunks) yield Buffer.from(chunk);
      if (end) throw end;
    })(),
  );
}

function read(body: Readable): Promise<string> {
  return body.toArray().then((chunks) => Buffer.concat(chunks as Buffer[]).toString());
}

const broken = (code: string): Error => Object.assign(new Error(code), { code });

test('goes on from the byte where it broke off, in the middle of a file, too', async () => {
  const asked: number[] = [];
  const rest = ['de', 'f', 'g'];
  const body = new ResumedBody(source(['abc'], broken('ECONNRESET')), range(3, 9), {
    signal,
    maxFailures: 3,
    resume: async (start) => {
      asked.push(start);
      return source([rest.shift()!]);
    },
  });
  expect(await read(body)).toBe('abcdefg');
  expect(asked).toEqual([6, 8, 9]);
});

test('fails when more comes than was announced', async () => {
  const body = new ResumedBody(source(['abc']), range(0, 1), { signal, maxFailures: 3, resume });
  const error = await rejected(read(body));
  expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
  expect(error.message).toContain('broke before the whole file had come');
});

test.each([
  ['ETIMEDOUT', 'TIMEOUT'],
  ['ECONNRESET', 'CONNECTION_FAILED'],
  ['EODD', 'CONNECTION_FAILED'],
])('that broke off by %s as often as it may fails with %s', async (code, expected) => {
  let resumed = 0;
  const body = new ResumedBody(source(['a'], broken(code)), range(0, 9), {
    signal,
    maxFailures: 2,
    async resume() {
      resumed++;
      return source([], broken(code));
    },
  });
  expect((await rejected(read(body))).code).toBe(expected);
  expect(resumed).toBe(2);
});

test.each([
  [PROGRESS, 1],
  [PROGRESS + 1, 3],
])('that brought %i bytes each time goes on %i times', async (bytes, times) => {
  let resumed = 0;
  const body = new ResumedBody(source([Buffer.alloc(1)]), range(0, 3 * bytes), {
    signal,
    maxFailures: 1,
    async resume() {
      resumed++;
      return source([Buffer.alloc(bytes)]);
    },
  });
  const outcome = await read(body).then(
    (text) => text.length,
    ({ code }: { code: string }) => code,
  );
  expect([outcome, resumed]).toEqual([times === 3 ? 3 * bytes + 1 : 'CONNECTION_FAILED', times]);
});

test('that is aborted when it breaks off is told so, and not resumed', async () => {
  const reason = new Error('enough');
  const body = new ResumedBody(source(['a'], broken('ECONNRESET')), range(0, 9), {
    signal: AbortSignal.abort(reason),
    maxFailures: 3,
    resume,
  });
  expect(await rejected(read(body))).toMatchObject({ code: 'ABORTED', cause: reason });
});

test('that is destroyed while it is resumed frees what comes then', async () => {
  let come!: (rest: Readable) => void;
  let cut: AbortSignal | undefined;
  const body = new ResumedBody(source(['a']), range(0, 9), {
    signal,
    maxFailures: 3,
    resume: (_start, resumeSignal) => {
      cut = resumeSignal;
      return new Promise((resolve) => (come = resolve));
    },
  });
  body.resume();
  while (!cut) await setImmediate();
  body.destroy();
  expect(cut.aborted).toBe(true);
  const rest = source(['b']);
  come(rest);
  await setImmediate();
  expect(rest.destroyed).toBe(true);
});

function range(start: number, end: number) {
  return { start, end, size: end + 1 };
}

function resume(): Promise<Readable> {
  throw new Error('It is not to be resumed');
}
