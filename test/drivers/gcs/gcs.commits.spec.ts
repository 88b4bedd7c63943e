import {
  ABSENT,
  fixedGeneration,
  unknownOutcome,
  wasThereBefore,
} from '../../../lib/drivers/gcs/gcs.commits.js';
import { type GcsObject, parseObject } from '../../../lib/drivers/gcs/gcs.metadata.js';
import type { GcsOperationName } from '../../../lib/testing/gcs-server/index.js';
import {
  MIB,
  openGcs,
  type OpenGcs,
  openProxied,
  type OpenProxied,
  putOptions,
  randomBytes,
  rejection,
  signal,
} from './open-gcs.js';

const CREATE_ONLY = putOptions({ ifNoneMatch: '*' });
const INSERT = /uploadType=/;
const READ = /\/o\/key\?/;
const DENIED = { status: 403, reason: 'forbidden' };
const UNKNOWN = {
  code: 'CONNECTION_FAILED',
  retryable: false,
  message:
    'An answer was lost, and what is stored now is not the file that was sent: that may have been stored before, and replaced ' +
    'since. Read the file to decide whether to write again',
};

const content = ({ server }: OpenGcs): string | undefined =>
  server.object('bucket', 'key')?.body.toString();

/** Lets the next request through when something else has happened. */
function before({ proxy }: OpenProxied, url: RegExp, meanwhile: () => unknown): void {
  proxy.fail({ url, with: { before: async () => void (await meanwhile()) } });
}

const remove = ({ driver }: OpenGcs): Promise<unknown> => driver.deleteMany(['key'], { signal });

describe('a write whose answer is lost', () => {
  test('is told to have taken place although it is aborted meanwhile', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    const abort = new AbortController();
    proxied.proxy.fail({ url: INSERT, with: 'lose-answer' });
    before(proxied, READ, () => abort.abort());
    const options = putOptions({ ifNoneMatch: '*', signal: abort.signal });
    const file = await proxied.driver.put('key', Buffer.from('mine'), options);
    expect(file).toEqual(await gcs.driver.info('key', { signal }));
  });

  test('of whatever is there goes on when another one has replaced it', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    await gcs.server.putObject('bucket', 'key', 'old');
    proxied.proxy.fail({ url: INSERT, with: 'lose-answer' });
    before(proxied, INSERT, () => gcs.server.putObject('bucket', 'key', 'theirs'));
    await proxied.driver.put('key', Buffer.from('mine'), putOptions({ ifMatch: '*' }));
    expect(content(gcs)).toBe('mine');
  });

  test('without a condition is made again when another one has removed it', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    await gcs.server.putObject('bucket', 'key', 'old');
    // The first is refused for what is there, the answer to the second is lost.
    proxied.proxy.fail({ url: INSERT, after: 1, with: 'lose-answer' });
    const removed: (string | undefined)[] = [];
    proxied.proxy.fail({
      url: READ,
      after: 1,
      with: {
        before: async () => {
          removed.push(content(gcs));
          await remove(gcs);
        },
      },
    });
    await proxied.driver.put('key', Buffer.from('mine'), putOptions());
    expect(removed).toEqual(['mine']);
    expect(content(gcs)).toBe('mine');
  });

  test('is refused for a condition that cannot have held', async () => {
    let offset = -30_000;
    await using gcs = await openGcs({ server: { now: () => Date.now() + offset } });
    await gcs.server.putObject('bucket', 'key', 'old');
    offset = 0;
    await using proxied = await openProxied(gcs.server);
    proxied.proxy.fail({ url: INSERT, with: 'reset' });
    const put = proxied.driver.put('key', Buffer.from('mine'), CREATE_ONLY);
    expect(await rejection(put)).toMatchObject({ code: 'FILE_EXISTS' });
    expect(content(gcs)).toBe('old');
  });

  test('is open when another file is there, or nothing any more', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    for (const meanwhile of [
      () => gcs.server.putObject('bucket', 'key', 'theirs'),
      () => remove(gcs),
    ]) {
      await remove(gcs);
      const { etag } = await gcs.driver.put('key', Buffer.from('old'), putOptions());
      proxied.proxy.fail({ url: INSERT, with: 'lose-answer' });
      before(proxied, INSERT, meanwhile);
      const put = proxied.driver.put('key', Buffer.from('mine'), putOptions({ ifMatch: etag! }));
      expect(await rejection(put)).toMatchObject(UNKNOWN);
    }
  });

  test.each<[number, GcsOperationName[]]>([
    [500, ['objects.insert', 'objects.get']],
    [503, ['objects.insert', 'objects.get']],
    [408, ['objects.insert']],
    [429, ['objects.insert']],
  ])('is looked for after a %i only where it may be there: %j', async (status, operations) => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    gcs.server.fail({ operation: 'objects.insert', with: { status, reason: 'x' } });
    await rejection(gcs.driver.put('key', Buffer.from('x'), putOptions()));
    expect(gcs.operations()).toEqual(operations);
  });
});

describe('an unconditional write that is refused for what is there', () => {
  test('fails when nobody may look what that is', async () => {
    await using gcs = await openGcs();
    await gcs.server.putObject('bucket', 'key', 'old');
    gcs.server.fail({ operation: 'objects.get', times: Infinity, with: DENIED });
    const put = gcs.driver.put('key', Buffer.from('x'), putOptions());
    expect(await rejection(put)).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(gcs.operations()).toEqual(['objects.insert', 'objects.get']);
  });

  test('is cut while it looks', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    await gcs.server.putObject('bucket', 'key', 'old');
    proxied.proxy.fail({ url: READ, with: 'stall' });
    const abort = new AbortController();
    const options = putOptions({ signal: abort.signal });
    const put = rejection(proxied.driver.put('key', Buffer.from('x'), options));
    await proxied.proxy.until(({ requests }) => requests.length === 2);
    const reason = new Error('enough');
    abort.abort(reason);
    expect(await put).toMatchObject({ code: 'ABORTED', cause: reason });
  });

  test('is made anew when that has gone meanwhile', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    await gcs.server.putObject('bucket', 'key', 'old');
    before(proxied, READ, () => remove(gcs));
    await proxied.driver.put('key', Buffer.from('mine'), putOptions());
    expect(content(gcs)).toBe('mine');
    expect(gcs.operations().filter((operation) => operation === 'objects.insert')).toHaveLength(2);
  });
});

describe('a write of whatever is there', () => {
  test('finds nothing there at once', async () => {
    await using gcs = await openGcs();
    const put = gcs.driver.put('key', Buffer.from('x'), putOptions({ ifMatch: '*' }));
    expect(await rejection(put)).toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: 'Nothing is stored under the key, so ifMatch cannot hold',
    });
    expect(gcs.operations()).toEqual(['objects.get']);
  });

  test('finds out when that goes away meanwhile', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    await gcs.server.putObject('bucket', 'key', 'old');
    before(proxied, INSERT, () => remove(gcs));
    const put = proxied.driver.put('key', Buffer.from('x'), putOptions({ ifMatch: '*' }));
    expect(await rejection(put)).toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: 'Nothing is stored under the key, so ifMatch cannot hold',
    });
  });
});

test.each([
  [MIB, ['objects.insert']],
  [MIB + 1, ['objects.get', 'objects.insert']],
])('of %i bytes nothing is taken to be there, up to a MiB', async (size, operations) => {
  await using gcs = await openGcs();
  await gcs.driver.put('key', randomBytes(size), putOptions());
  expect(gcs.operations()).toEqual(operations);
});

describe('whether an object was there before a write began', () => {
  const SECONDS = 1000;
  const object = (updated: Date | undefined): GcsObject => ({
    ...parseObject({ name: 'key', size: '1', generation: '1' }),
    updated,
  });
  const now = new Date('2026-01-02T03:04:05.000Z');
  const ago = (seconds: number): GcsObject => object(new Date(now.getTime() - seconds * SECONDS));
  const answer = (date?: string) => ({
    status: 412,
    headers: { ...(date !== undefined && { date }) },
    body: Buffer.alloc(0),
    uncertain: true,
  });

  test.each([
    [0, false],
    [11, false],
    [13, true],
    [3600, true],
  ])('is told by its age: of %i seconds, of ten and two more: %s', (seconds, was) => {
    const start = performance.now() - 10 * SECONDS;
    expect(wasThereBefore(ago(seconds), start, answer(now.toUTCString()))).toBe(was);
  });

  test('is not known of one without a time, of none, and by an answer without one', () => {
    const start = performance.now();
    const told = answer(now.toUTCString());
    expect(wasThereBefore(object(undefined), start, told)).toBe(false);
    expect(wasThereBefore(undefined, start, told)).toBe(false);
    expect(wasThereBefore(ago(3600), start, answer())).toBe(false);
    expect(wasThereBefore(ago(3600), start, answer('yesterday'))).toBe(false);
  });
});

test('an outcome that nobody knows says what to do, and is not tried again', () => {
  expect(unknownOutcome()).toMatchObject(UNKNOWN);
});

test.each([
  [{}, undefined],
  [{ ifNoneMatch: '*' as const }, ABSENT],
  [{ ifMatch: '*' }, undefined],
  [{ ifMatch: '"17"' }, '17'],
])('the condition %j names the generation %s', (conditions, generation) => {
  expect(fixedGeneration(conditions)).toBe(generation);
});

test.each(['"0"', '"other"', 'W/"1"'])('the etag %s is that of no file', (ifMatch) => {
  expect(() => fixedGeneration({ ifMatch })).toThrow(
    'The file is not the version that the condition names',
  );
});
