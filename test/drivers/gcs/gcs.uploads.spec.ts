import {
  StorageConnectionError,
  StorageFileExistsError,
  StorageIntegrityError,
  StoragePreconditionFailedError,
} from '../../../lib/core/errors.js';
import type { GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import {
  chunks,
  clientOf,
  MIB,
  openDriver,
  openGcs,
  openProxied,
  type OpenProxied,
  putOptions,
  randomBytes,
  read,
  rejection,
  signal,
} from './open-gcs.js';

const CREATE_ONLY = putOptions({ ifNoneMatch: '*' });
/** What a conditional write is told that may have taken place. */
const UNKNOWN = { name: StorageConnectionError.name, retryable: false };

/** A server half a minute ago, until `grown` is called: what was stored before is old then. */
async function openOld() {
  let offset = -30_000;
  const gcs = await openGcs({ server: { now: () => Date.now() + offset } });
  return Object.assign(gcs, { grown: () => void (offset = 0) });
}

/** Loses the answer to what is stored next, and lets its repetition through when something else has happened. */
function loseAnswer({ proxy }: OpenProxied, meanwhile: () => Promise<unknown>): void {
  const url = /uploadType=/;
  proxy.fail({ url, with: 'lose-answer' });
  proxy.fail({ url, with: { before: async () => void (await meanwhile()) } });
}

/** What each write was made conditional on, and how it ended. */
function writes(
  server: GcsTestServer,
): [precondition: string | undefined, status: number | undefined][] {
  return server.requests
    .filter(({ operation }) => operation === 'objects.insert')
    .map(({ query, status }) => [query['ifGenerationMatch'], status]);
}

describe('a body that fits into one request', () => {
  test.each([
    ['bytes', (bytes: Uint8Array) => bytes],
    ['a stream', (bytes: Uint8Array) => chunks(bytes)],
  ])('is one insert of %s with everything announced', async (_, bodyOf) => {
    await using gcs = await openGcs();
    const bytes = randomBytes(100_000);
    const attributes = {
      contentType: 'text/html',
      cacheControl: 'no-store',
      contentDisposition: 'attachment',
      contentEncoding: 'br',
      contentLanguage: 'de',
    };
    const metadata = { author: ' Zoë 🌍', empty: '' };
    const key = 'a b/ä%.html';
    const file = await gcs.driver.put(key, bodyOf(bytes), {
      ...putOptions({ metadata }),
      ...attributes,
    });
    expect(gcs.operations()).toEqual(['objects.insert']);
    const stored = gcs.server.object('bucket', key)!;
    expect(stored.body.equals(bytes)).toBe(true);
    expect(stored).toMatchObject(attributes);
    expect(file).toEqual({
      key,
      size: 100_000,
      ...attributes,
      metadata,
      etag: `"${stored.generation}"`,
      version: stored.generation,
      lastModified: stored.updated,
      checksum: { algorithm: 'crc32c', value: stored.crc32c },
    });
    expect(await gcs.driver.info(key, { signal })).toEqual(file);
  });

  test.each([8 * MIB, 0, 1])('may have %i bytes', async (size) => {
    await using gcs = await openGcs();
    const bytes = randomBytes(size);
    await gcs.driver.put('memory', bytes, putOptions());
    await gcs.driver.put('stream', chunks(bytes), putOptions());
    expect(gcs.operations()).not.toContain('resumable.start');
    for (const key of ['memory', 'stream']) {
      expect((await read(await gcs.driver.get(key, { signal }))).equals(bytes)).toBe(true);
    }
  });

  test('is refused by the service when other bytes arrive than were announced', async () => {
    await using gcs = await openGcs();
    const bytes = randomBytes(1000);
    const client = clientOf(gcs.server);
    const { authClient } = client;
    const headers = authClient.getRequestHeaders.bind(authClient);
    // Called between the computing of the checksum and the sending.
    authClient.getRequestHeaders = () => {
      bytes[500]! ^= 1;
      return headers();
    };
    const driver = await openDriver(gcs.server, { client });
    await expect(driver.put('key', bytes, putOptions())).rejects.toThrow(StorageIntegrityError);
    expect(gcs.server.objects('bucket').size).toBe(0);
    await driver.close();
  });

  test('is taken away again when the service says that it has other bytes', async () => {
    await using gcs = await openGcs();
    const options = putOptions({ contentType: 'text/plain' });
    const { checksum, version } = await gcs.driver.put('key', Buffer.from('hello'), options);
    const answer = JSON.stringify({
      name: 'key',
      generation: version,
      contentType: 'text/plain',
      size: '5',
      md5Hash: 'XUFAKrxLKna5cZ2REBfFkg==',
      crc32c: checksum!.value,
    });
    const corruptBodyAt = answer.indexOf(checksum!.value);
    gcs.server.fail({ operation: 'objects.insert', times: 2, with: { corruptBodyAt } });
    const put = () => rejection(gcs.driver.put('new', Buffer.from('hello'), options));
    expect(await put()).toMatchObject({
      code: 'INTEGRITY',
      message: 'The service stored other bytes than were sent, which were removed again',
    });
    expect([...gcs.server.objects('bucket').keys()]).toEqual(['key']);
    gcs.server.fail({ operation: 'objects.delete', with: { status: 403, reason: 'forbidden' } });
    expect(await put()).toMatchObject({
      code: 'INTEGRITY',
      message: 'The service stored other bytes than were sent',
    });
  });
});

describe('the generation precondition', () => {
  test('of a new key is that nothing is there, in one request', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', Buffer.from('x'), putOptions());
    expect(gcs.operations()).toEqual(['objects.insert']);
    expect(writes(gcs.server)).toEqual([['0', 200]]);
  });

  test('of a new key is guessed for a file of up to a megabyte', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', randomBytes(MIB), putOptions());
    expect(gcs.operations()).toEqual(['objects.insert']);
  });

  test('of a small file that is replaced is found out by the refusal', async () => {
    await using gcs = await openGcs();
    const { version } = await gcs.driver.put('key', Buffer.from('x'), putOptions());
    gcs.server.clearRequests();
    await gcs.driver.put('key', Buffer.from('y'), putOptions());
    expect(gcs.operations()).toEqual(['objects.insert', 'objects.get', 'objects.insert']);
    expect(writes(gcs.server)).toEqual([
      ['0', 412],
      [version, 200],
    ]);
  });

  test('of a larger file is read first, so that the body is sent once', async () => {
    await using gcs = await openGcs();
    const { version } = await gcs.driver.put('key', Buffer.from('x'), putOptions());
    gcs.server.clearRequests();
    await gcs.driver.put('key', randomBytes(MIB + 1), putOptions());
    expect(gcs.operations()).toEqual(['objects.get', 'objects.insert']);
    expect(writes(gcs.server)).toEqual([[version, 200]]);
  });

  test('of a conditional write is its condition, in one request', async () => {
    await using gcs = await openGcs();
    const { etag, version } = await gcs.driver.put('key', Buffer.from('1'), CREATE_ONLY);
    await gcs.driver.put('key', randomBytes(MIB + 1), putOptions({ ifMatch: etag! }));
    expect(gcs.operations()).toEqual(['objects.insert', 'objects.insert']);
    expect(writes(gcs.server)).toEqual([
      ['0', 200],
      [version, 200],
    ]);
  });

  test('of ifMatch "*" is whatever is there', async () => {
    await using gcs = await openGcs();
    const any = putOptions({ ifMatch: '*' });
    const none = gcs.driver.put('key', Buffer.from('1'), any);
    await expect(none).rejects.toThrow(StoragePreconditionFailedError);
    const large = gcs.driver.put('key', randomBytes(9 * MIB), any);
    await expect(large).rejects.toThrow(StoragePreconditionFailedError);
    expect(gcs.server.objects('bucket').size).toBe(0);
    await gcs.driver.put('key', Buffer.from('1'), putOptions());
    await gcs.driver.put('key', Buffer.from('2'), any);
    await gcs.driver.put('key', randomBytes(9 * MIB), any);
    expect(gcs.server.object('bucket', 'key')!.size).toBe(9 * MIB);
  });

  test('that does not hold refuses, and what was there stays', async () => {
    await using gcs = await openGcs();
    const { etag } = await gcs.driver.put('key', Buffer.from('1'), putOptions());
    await gcs.driver.put('key', Buffer.from('2'), putOptions());
    for (const body of [Buffer.from('x'), randomBytes(9 * MIB)]) {
      const created = gcs.driver.put('key', body, CREATE_ONLY);
      await expect(created).rejects.toThrow(StorageFileExistsError);
      for (const ifMatch of [etag!, '"of another service"', '"0"']) {
        const replaced = gcs.driver.put('key', body, putOptions({ ifMatch }));
        await expect(replaced).rejects.toThrow(StoragePreconditionFailedError);
      }
      const missing = gcs.driver.put('missing', body, putOptions({ ifMatch: etag! }));
      await expect(missing).rejects.toThrow(StoragePreconditionFailedError);
    }
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('2');
    expect(gcs.server.objects('bucket').size).toBe(1);
  });

  test('lets twenty unconditional writers through, each of them', async () => {
    await using gcs = await openGcs();
    const files = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        gcs.driver.put('key', Buffer.from(String(index)), putOptions()),
      ),
    );
    expect(new Set(files.map(({ etag }) => etag)).size).toBe(20);
    const last = files.toSorted((a, b) => Number(a.version) - Number(b.version)).at(-1)!;
    expect(await gcs.driver.info('key', { signal })).toEqual(last);
  });

  test('that never holds ends the attempts', async () => {
    await using gcs = await openGcs();
    gcs.server.fail({
      operation: 'objects.insert',
      times: Infinity,
      with: { status: 412, reason: 'conditionNotMet' },
    });
    expect(await rejection(gcs.driver.put('key', Buffer.from('x'), putOptions()))).toMatchObject({
      code: 'RATE_LIMITED',
      message: 'Other writers kept replacing the file; write to it less often, or from one place',
    });
    expect(writes(gcs.server)).toHaveLength(40);
  });
});

describe('a lost answer to an insert', () => {
  test.each([
    ['with retries', 3],
    ['without retries', 0],
  ])('is made up for, %s', async (_, maxRetries) => {
    await using gcs = await openGcs({ retry: { maxRetries } });
    const lose = () => gcs.server.fail({ operation: 'objects.insert', with: 'reset-after-commit' });
    const metadata = { author: 'Zoë' };
    lose();
    const plain = await gcs.driver.put('a', Buffer.from('1'), putOptions({ metadata }));
    expect(plain).toEqual(await gcs.driver.info('a', { signal }));
    lose();
    const created = await gcs.driver.put('b', Buffer.from('1'), CREATE_ONLY);
    expect(created).toEqual(await gcs.driver.info('b', { signal }));
    lose();
    const replaced = await gcs.driver.put(
      'b',
      Buffer.from('2'),
      putOptions({ ifMatch: created.etag! }),
    );
    expect(replaced).toEqual(await gcs.driver.info('b', { signal }));
    expect(replaced.metadata).toEqual({});
  });

  test('of a create-only write is not made up for by an equal file of somebody else', async () => {
    await using gcs = await openOld();
    await gcs.driver.put('key', Buffer.from('same'), CREATE_ONLY);
    gcs.grown();
    gcs.server.fail({ operation: 'objects.insert', with: 'reset' });
    const put = gcs.driver.put('key', Buffer.from('same'), CREATE_ONLY);
    await expect(put).rejects.toThrow(StorageFileExistsError);
  });

  test('of a replacement is not made up for when somebody else was faster with equal bytes', async () => {
    await using gcs = await openOld();
    const { etag } = await gcs.driver.put('key', Buffer.from('free'), putOptions());
    const take = putOptions({ ifMatch: etag! });
    await gcs.driver.put('key', Buffer.from('taken'), take);
    gcs.grown();
    gcs.server.fail({
      operation: 'objects.insert',
      with: { status: 503, reason: 'backendError' },
    });
    const put = gcs.driver.put('key', Buffer.from('taken'), take);
    await expect(put).rejects.toThrow(StoragePreconditionFailedError);
  });

  test('does not make the repetition store over what others have stored since', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    loseAnswer(proxied, () => gcs.server.putObject('bucket', 'key', 'theirs'));
    const put = proxied.driver.put('key', Buffer.from('mine'), CREATE_ONLY);
    expect(await rejection(put)).toMatchObject(UNKNOWN);
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('theirs');
  });

  test('of a replacement that somebody has replaced since is not called a conflict', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    for (const ifMatch of ['etag', '*'] as const) {
      const { etag } = await gcs.driver.put('key', Buffer.from('old'), putOptions());
      let stored: string | undefined;
      loseAnswer(proxied, () => {
        stored = gcs.server.object('bucket', 'key')?.body.toString();
        return gcs.driver.deleteMany(['key'], { signal });
      });
      const options = putOptions({ ifMatch: ifMatch === '*' ? '*' : etag! });
      const put = proxied.driver.put('key', Buffer.from('mine'), options);
      expect(await rejection(put)).toMatchObject(UNKNOWN);
      expect(stored).toBe('mine');
      expect(gcs.server.object('bucket', 'key')).toBeUndefined();
    }
  });

  test('leaves a conditional write open when nobody may look at what is stored', async () => {
    await using gcs = await openGcs();
    const denied = { status: 403, reason: 'forbidden' };
    gcs.server.fail({ operation: 'objects.get', times: Infinity, with: denied });
    gcs.server.fail({ operation: 'objects.insert', with: 'reset-after-commit' });
    const put = gcs.driver.put('key', Buffer.from('mine'), CREATE_ONLY);
    expect(await rejection(put)).toMatchObject(UNKNOWN);
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('mine');
  });
});

describe('the token of a write', () => {
  test('is in the metadata, and shown to nobody', async () => {
    await using gcs = await openGcs();
    const metadata = { author: 'Zoë' };
    const file = await gcs.driver.put('key', Buffer.from('x'), putOptions({ metadata }));
    const stored = gcs.server.object('bucket', 'key')!.metadata;
    expect(Object.keys(stored).toSorted()).toEqual(['author', 'nestjs-storages-write']);
    expect(file.metadata).toEqual(metadata);
    const download = await gcs.driver.get('key', { signal });
    expect(download.file.metadata).toEqual(metadata);
    await read(download);
    const copied = await gcs.driver.copy('key', 'copy', { signal });
    expect(copied.metadata).toEqual(metadata);
    expect(gcs.server.object('bucket', 'copy')!.metadata['nestjs-storages-write']).not.toBe(
      stored['nestjs-storages-write'],
    );
  });

  test('cannot be forged by metadata of the caller', async () => {
    await using gcs = await openGcs();
    const forged = putOptions({ metadata: { 'nestjs-storages-write': 'x' } });
    for (const call of [
      gcs.driver.put('key', Buffer.from('x'), forged),
      gcs.driver.copy('a', 'b', forged),
      gcs.driver.startMultipartUpload('key', forged),
    ]) {
      expect(await rejection(call)).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: 'metadata key "nestjs-storages-write" is the gcs driver\'s own; take another',
      });
    }
    expect(gcs.server.requests).toHaveLength(0);
  });
});

test('repeats what the service could not do, and waits as long as it asks', async () => {
  await using gcs = await openGcs();
  gcs.server.fail({
    operation: 'objects.insert',
    with: { status: 429, reason: 'rateLimitExceeded', retryAfter: 1 },
  });
  gcs.server.fail({
    operation: 'objects.insert',
    with: { status: 403, reason: 'rateLimitExceeded' },
  });
  gcs.server.fail({ operation: 'objects.insert', with: { status: 500, reason: 'backendError' } });
  const before = performance.now();
  await gcs.driver.put('key', Buffer.from('x'), putOptions());
  expect(performance.now() - before).toBeGreaterThan(900);
  expect(writes(gcs.server).map(([, status]) => status)).toEqual([429, 403, 500, 200]);
});
