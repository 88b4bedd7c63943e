import {
  StorageAbortedError,
  StorageConnectionError,
  StorageFileExistsError,
  StorageFileNotFoundError,
} from '../../../lib/core/errors.js';
import { OBJECT_FIELDS } from '../../../lib/drivers/gcs/gcs.metadata.js';
import {
  MIB,
  openGcs,
  openProxied,
  putOptions,
  randomBytes,
  rejection,
  signal,
  started,
} from './open-gcs.js';

const ATTRIBUTES = {
  ...putOptions({ contentType: 'text/html', metadata: { author: 'Zoë' } }),
  cacheControl: 'no-store',
  contentDisposition: 'attachment',
  contentEncoding: 'br',
  contentLanguage: 'de',
};

describe('copy', () => {
  test('keeps bytes and attributes, in one rewrite with both generations as preconditions', async () => {
    await using gcs = await openGcs();
    const source = await gcs.driver.put('from', Buffer.from('hello'), ATTRIBUTES);
    const replaced = await gcs.driver.put('to', Buffer.from('old'), putOptions());
    gcs.server.clearRequests();
    const file = await gcs.driver.copy('from', 'to', { signal });
    expect(gcs.operations()).toEqual(['objects.get', 'objects.get', 'objects.rewrite']);
    const { query } = gcs.server.requests.find(({ operation }) => operation === 'objects.rewrite')!;
    expect(query).toEqual({
      ifSourceGenerationMatch: source.version,
      ifGenerationMatch: replaced.version,
      maxBytesRewrittenPerCall: String(1024 * MIB),
      fields: `done,rewriteToken,totalBytesRewritten,resource(${OBJECT_FIELDS})`,
    });
    expect(file).toEqual(await gcs.driver.info('to', { signal }));
    expect({ ...file, ...pick(source) }).toEqual({ ...source, key: 'to' });
    expect(gcs.server.object('bucket', 'to')!.body.toString()).toBe('hello');
  });

  test('replaces the attributes that are given', async () => {
    await using gcs = await openGcs();
    await gcs.server.putObject('bucket', 'from', 'hello', {
      contentType: 'text/html',
      customTime: '2026-01-02T03:04:05.000Z',
      metadata: { author: 'Zoë' },
    });
    const file = await gcs.driver.copy('from', 'to', {
      signal,
      metadata: { other: '1' },
      cacheControl: 'no-cache',
    });
    expect(file.metadata).toEqual({ other: '1' });
    expect(file.cacheControl).toBe('no-cache');
    expect(file.contentType).toBe('text/html');
    expect(gcs.server.object('bucket', 'to')!.customTime).toBe('2026-01-02T03:04:05.000Z');
  });

  test('goes on with the token of each call until it is done', async () => {
    await using gcs = await openGcs({ server: { rewriteChunk: MIB } });
    const bytes = randomBytes(5 * MIB);
    await gcs.driver.put('from', bytes, putOptions());
    gcs.server.clearRequests();
    await gcs.driver.copy('from', 'to', { signal });
    const calls = gcs.server.requests.filter(({ operation }) => operation === 'objects.rewrite');
    expect(calls).toHaveLength(5);
    const tokens = calls.map(({ query }) => query['rewriteToken']);
    expect(tokens[0]).toBeUndefined();
    expect(new Set(tokens).size).toBe(5);
    expect(gcs.server.object('bucket', 'to')!.body.equals(bytes)).toBe(true);
  });

  test('goes on for as many calls as it takes, as long as each brings it further', async () => {
    await using gcs = await openGcs({ server: { rewriteChunk: 1024 } });
    const bytes = randomBytes(15 * 1024);
    await gcs.driver.put('from', bytes, putOptions());
    await gcs.driver.copy('from', 'to', { signal });
    const calls = gcs.operations().filter((operation) => operation === 'objects.rewrite');
    expect(calls).toHaveLength(15);
    expect(gcs.server.object('bucket', 'to')!.body.equals(bytes)).toBe(true);
  });

  test.each([
    [0, 3],
    [1, 3],
    [2, 3],
    [2, 0],
  ])('makes up for the lost answer of call %i, with %i retries', async (after, maxRetries) => {
    await using gcs = await openGcs({ retry: { maxRetries }, server: { rewriteChunk: MIB } });
    const bytes = randomBytes(3 * MIB);
    await gcs.driver.put('from', bytes, putOptions());
    gcs.server.fail({ operation: 'objects.rewrite', after, with: 'reset-after-commit' });
    const file = await gcs.driver.copy('from', 'to', { signal, ifNoneMatch: '*' });
    expect(file).toEqual(await gcs.driver.info('to', { signal }));
    expect(gcs.server.object('bucket', 'to')!.body.equals(bytes)).toBe(true);
  });

  test('fails when an answer is lost before anything was stored, and no retry is left', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 }, server: { rewriteChunk: MIB } });
    await gcs.driver.put('from', randomBytes(3 * MIB), putOptions());
    gcs.server.fail({ operation: 'objects.rewrite', after: 1, with: 'reset-after-commit' });
    const copying = gcs.driver.copy('from', 'to', { signal });
    await expect(copying).rejects.toThrow(StorageConnectionError);
    expect(gcs.server.object('bucket', 'to')).toBeUndefined();
  });

  test('creates only what is not there', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('from', Buffer.from('new'), putOptions());
    await gcs.driver.copy('from', 'to', { signal, ifNoneMatch: '*' });
    await gcs.server.putObject('bucket', 'to', 'theirs');
    const again = gcs.driver.copy('from', 'to', { signal, ifNoneMatch: '*' });
    await expect(again).rejects.toThrow(StorageFileExistsError);
    expect(gcs.server.object('bucket', 'to')!.body.toString()).toBe('theirs');
  });

  test('that may have created the file before somebody replaced it is left open', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    await gcs.driver.put('from', Buffer.from('new'), putOptions());
    const url = /\/rewriteTo\//;
    proxied.proxy.fail({ url, with: 'lose-answer' });
    let copied: string | undefined;
    const replace = async (): Promise<void> => {
      copied = gcs.server.object('bucket', 'to')?.body.toString();
      await gcs.server.putObject('bucket', 'to', 'theirs');
    };
    proxied.proxy.fail({ url, with: { before: replace } });
    const copying = rejection(proxied.driver.copy('from', 'to', { signal, ifNoneMatch: '*' }));
    expect(await copying).toMatchObject({ name: StorageConnectionError.name, retryable: false });
    expect(copied).toBe('new');
    expect(gcs.server.object('bucket', 'to')!.body.toString()).toBe('theirs');
  });

  test('lets exactly one of ten create the file, and everyone replace it', async () => {
    await using gcs = await openGcs();
    for (let index = 0; index < 10; index++) {
      await gcs.server.putObject('bucket', `from ${index}`, String(index));
    }
    const race = (options: object) =>
      Promise.allSettled(
        Array.from({ length: 10 }, (_, index) =>
          gcs.driver.copy(`from ${index}`, 'to', { signal, ...options }),
        ),
      );
    const created = await race({ ifNoneMatch: '*' });
    expect(created.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const replaced = await race({});
    expect(replaced.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
  });

  test('copies the version that is there at the end when the source is replaced meanwhile', async () => {
    await using gcs = await openGcs({ server: { rewriteChunk: MIB } });
    await gcs.driver.put('from', randomBytes(3 * MIB), putOptions());
    gcs.server.fail({
      operation: 'objects.rewrite',
      after: 1,
      with: { status: 503, reason: 'backendError', retryAfter: 1 },
    });
    const copying = gcs.driver.copy('from', 'to', { signal });
    await gcs.server.until(({ requests }) => requests.some(({ status }) => status === 503));
    await gcs.server.putObject('bucket', 'from', 'newer', { contentType: 'text/css' });
    const file = await copying;
    expect(file.contentType).toBe('text/css');
    expect(gcs.server.object('bucket', 'to')!.body.toString()).toBe('newer');
  });

  test('of a source that is not there, or goes away, says so and touches nothing', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('to', Buffer.from('old'), putOptions());
    await expect(gcs.driver.copy('none', 'to', { signal })).rejects.toThrow(
      StorageFileNotFoundError,
    );
    expect(gcs.operations()).not.toContain('objects.rewrite');
    gcs.server.fail({
      operation: 'objects.rewrite',
      with: { status: 404, reason: 'notFound', message: 'No such object: bucket/from' },
    });
    await gcs.driver.put('from', Buffer.from('new'), putOptions());
    await expect(gcs.driver.copy('from', 'to', { signal })).rejects.toThrow(
      StorageFileNotFoundError,
    );
    expect(gcs.server.object('bucket', 'to')!.body.toString()).toBe('old');
  });

  test('ends between two calls when it is aborted', async () => {
    await using gcs = await openGcs({ server: { rewriteChunk: MIB }, timeout: 300 });
    await gcs.driver.put('from', randomBytes(4 * MIB), putOptions());
    gcs.server.fail({ operation: 'objects.rewrite', after: 1, with: 'stall' });
    const abort = new AbortController();
    const copying = gcs.driver.copy('from', 'to', { signal: abort.signal });
    await started(gcs.server, 'objects.rewrite', 2);
    abort.abort();
    await expect(copying).rejects.toThrow(StorageAbortedError);
    await gcs.server.until(({ inFlight }) => inFlight === 0);
    expect(gcs.server.object('bucket', 'to')).toBeUndefined();
    expect(gcs.operations().filter((operation) => operation === 'objects.rewrite')).toHaveLength(2);
  });

  test('gives up when the service never comes to an end', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('from', Buffer.from('x'), putOptions());
    gcs.server.fail({
      operation: 'objects.rewrite',
      times: Infinity,
      with: { status: 412, reason: 'conditionNotMet' },
    });
    expect(await rejection(gcs.driver.copy('from', 'to', { signal }))).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'The files were replaced again and again while they were copied',
    });
    const calls = gcs.operations().filter((operation) => operation === 'objects.rewrite');
    expect(calls).toHaveLength(40);
  });

  test('tells of the version of the source that it has copied', async () => {
    await using gcs = await openGcs();
    const source = await gcs.driver.put('from', Buffer.from('x'), ATTRIBUTES);
    const told: unknown[] = [];
    await gcs.driver.copy('from', 'to', { signal, onSource: (file) => void told.push(file) });
    expect(told).toEqual([source]);
  });

  test('that the service refuses is not tried again', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('from', Buffer.from('x'), putOptions());
    for (const [status, code] of [
      [400, 'INVALID_ARGUMENT'],
      [403, 'PERMISSION_DENIED'],
      [404, 'FILE_NOT_FOUND'],
    ] as const) {
      gcs.server.clearRequests();
      const refused = { status, reason: 'x', message: 'No such object: bucket/from' };
      gcs.server.fail({ operation: 'objects.rewrite', with: refused });
      const copying = gcs.driver.copy('from', 'to', { signal });
      expect(await rejection(copying)).toMatchObject({ code });
      expect(gcs.operations()).toEqual(['objects.get', 'objects.get', 'objects.rewrite']);
    }
  });

  test('whose token the service does not take any more begins anew', async () => {
    await using gcs = await openGcs({ server: { rewriteChunk: MIB } });
    const bytes = randomBytes(3 * MIB);
    await gcs.driver.put('from', bytes, putOptions());
    const refused = { status: 400, reason: 'invalid' };
    gcs.server.fail({ operation: 'objects.rewrite', after: 1, with: refused });
    await gcs.driver.copy('from', 'to', { signal });
    expect(gcs.server.object('bucket', 'to')!.body.equals(bytes)).toBe(true);
  });

  test.each([
    [429, 'RATE_LIMITED', 3],
    [503, 'CONNECTION_FAILED', 4],
  ])(
    'is looked for after a %i only where it may be there: %s after %i requests',
    async (status, code, count) => {
      await using gcs = await openGcs({ retry: { maxRetries: 0 } });
      await gcs.driver.put('from', Buffer.from('x'), putOptions());
      gcs.server.clearRequests();
      gcs.server.fail({ operation: 'objects.rewrite', with: { status, reason: 'x' } });
      const copying = gcs.driver.copy('from', 'to', { signal });
      expect(await rejection(copying)).toMatchObject({ code });
      expect(gcs.operations()).toHaveLength(count);
    },
  );
});

describe('a copy that creates only what is not there', () => {
  const CREATE_ONLY = { signal, ifNoneMatch: '*' } as const;
  const REWRITE = /\/rewriteTo\//;
  const UNKNOWN = { code: 'CONNECTION_FAILED', retryable: false };

  test('goes on when what was in its way has gone', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('from', Buffer.from('new'), putOptions());
    const refused = { status: 412, reason: 'conditionNotMet' };
    gcs.server.fail({ operation: 'objects.rewrite', with: refused });
    await gcs.driver.copy('from', 'to', CREATE_ONLY);
    expect(gcs.server.object('bucket', 'to')!.body.toString()).toBe('new');
  });

  test('is refused, for what was there before it began, also when an answer was lost', async () => {
    let offset = -30_000;
    await using gcs = await openGcs({ server: { now: () => Date.now() + offset } });
    await gcs.server.putObject('bucket', 'from', 'new');
    await gcs.server.putObject('bucket', 'to', 'theirs');
    offset = 0;
    gcs.server.fail({ operation: 'objects.rewrite', with: 'reset' });
    expect(await rejection(gcs.driver.copy('from', 'to', CREATE_ONLY))).toMatchObject({
      code: 'FILE_EXISTS',
    });
    expect(gcs.server.object('bucket', 'to')!.body.toString()).toBe('theirs');
  });

  test('is left open when nobody may look at what came of it', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('from', Buffer.from('new'), putOptions());
    const denied = { status: 403, reason: 'forbidden' };
    gcs.server.fail({ operation: 'objects.get', key: 'to', times: Infinity, with: denied });
    gcs.server.fail({ operation: 'objects.rewrite', with: 'reset-after-commit' });
    expect(await rejection(gcs.driver.copy('from', 'to', CREATE_ONLY))).toMatchObject(UNKNOWN);
    expect(gcs.server.object('bucket', 'to')!.body.toString()).toBe('new');
  });

  test('is made again when an answer was lost and nothing is there', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    await gcs.driver.put('from', Buffer.from('new'), putOptions());
    proxied.proxy.fail({ url: REWRITE, with: 'lose-answer' });
    const removed: (string | undefined)[] = [];
    proxied.proxy.fail({
      method: 'GET',
      url: /\/o\/to\?/,
      with: {
        before: async () => {
          removed.push(gcs.server.object('bucket', 'to')?.body.toString());
          await gcs.driver.deleteMany(['to'], { signal });
        },
      },
    });
    await proxied.driver.copy('from', 'to', CREATE_ONLY);
    expect(removed).toEqual(['new']);
    expect(gcs.server.object('bucket', 'to')!.body.toString()).toBe('new');
  });
});

/** What a copy has of its own. */
function pick({
  etag,
  version,
  lastModified,
}: {
  etag?: string;
  version?: string;
  lastModified?: Date;
}) {
  return { etag, version, lastModified };
}
