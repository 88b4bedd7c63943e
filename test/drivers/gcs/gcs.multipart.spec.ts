import {
  StorageConnectionError,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StoragePreconditionFailedError,
} from '../../../lib/core/errors.js';
import { OBJECT_FIELDS } from '../../../lib/drivers/gcs/gcs.metadata.js';
import type { DriverUpload } from '../../../lib/core/storage-driver.js';
import { startChecksum } from '../../../lib/core/checksum.js';
import { startGcsServer } from '../../../lib/testing/gcs-server/index.js';
import {
  openDriver,
  openGcs,
  type OpenGcs,
  openProxied,
  type OpenProxied,
  putOptions,
  randomBytes,
  rejection,
  signal,
} from './open-gcs.js';

const RESERVED = '.nestjs-storages/uploads/';

async function begin(gcs: OpenGcs, key = 'key'): Promise<DriverUpload> {
  return { key, uploadId: await gcs.driver.startMultipartUpload(key, putOptions()) };
}

/** Resets the first request there, and lets the second one through when something else has happened. */
function failFirst({ proxy }: OpenProxied, url: RegExp, meanwhile: () => Promise<unknown>): void {
  proxy.fail({ url, with: 'reset' });
  proxy.fail({ url, with: { before: async () => void (await meanwhile()) } });
}

const GONE = { code: 'FILE_NOT_FOUND', message: 'The multipart upload is not there' };

/** What is left of uploads in the bucket. */
function left(gcs: OpenGcs): string[] {
  return [...gcs.server.objects('bucket').keys()].filter((name) => name.startsWith(RESERVED));
}

describe('an upload in parts', () => {
  test('begins also when somebody on the way sends the request twice', async () => {
    await using server = await startGcsServer();
    await using proxied = await openProxied(server);
    const { driver, proxy } = proxied;
    proxy.fail({ with: 'forward-twice' });
    const uploadId = await driver.startMultipartUpload('key', putOptions());
    expect(await driver.listParts({ key: 'key', uploadId }, { signal })).toEqual([]);
  });

  test('joins them by their numbers, with the attributes of its start, and leaves nothing', async () => {
    await using gcs = await openGcs();
    const uploadId = await gcs.driver.startMultipartUpload('key', {
      ...putOptions({ contentType: 'image/png', metadata: { author: 'Zoë' } }),
      cacheControl: 'no-store',
    });
    const upload = { key: 'key', uploadId };
    const bytes = [randomBytes(10), randomBytes(20), randomBytes(30)];
    const parts = await Promise.all(
      [3, 1, 2].map((number) =>
        gcs.driver.uploadPart(upload, number, bytes[number - 1]!, { signal }),
      ),
    );
    const sorted = parts.toSorted((a, b) => a.partNumber - b.partNumber);
    expect(await gcs.driver.listParts(upload, { signal })).toEqual(sorted);
    const file = await gcs.driver.completeMultipartUpload(upload, sorted, { signal });
    const whole = Buffer.concat(bytes);
    expect(gcs.server.object('bucket', 'key')!.body.equals(whole)).toBe(true);
    expect(file).toEqual(await gcs.driver.info('key', { signal }));
    const running = startChecksum('crc32c');
    running.update(whole);
    expect(file).toMatchObject({
      contentType: 'image/png',
      cacheControl: 'no-store',
      metadata: { author: 'Zoë' },
      checksum: running.digest(),
    });
    expect(left(gcs)).toEqual([]);
  });

  test.each([
    [32, 1],
    [33, 2],
    [65, 3],
    [1030, 35],
  ])('of %i is joined by %i calls of 32 at most', async (count, calls) => {
    await using gcs = await openGcs();
    const upload = await begin(gcs);
    const bytes = randomBytes(count);
    const parts = await Promise.all(
      Array.from(bytes, (_, index) =>
        gcs.driver.uploadPart(upload, index + 1, bytes.subarray(index, index + 1), { signal }),
      ),
    );
    gcs.server.clearRequests();
    await gcs.driver.completeMultipartUpload(upload, parts, { signal });
    expect(gcs.operations().filter((operation) => operation === 'objects.compose')).toHaveLength(
      calls,
    );
    expect(gcs.server.object('bucket', 'key')!.body.equals(bytes)).toBe(true);
    expect(left(gcs)).toEqual([]);
  });

  test('cannot have the metadata that it keeps for itself', async () => {
    await using gcs = await openGcs();
    for (const name of ['nestjs-storages-key', 'nestjs-storages-upload']) {
      const attributes = putOptions({ metadata: { [name]: 'x' } });
      const starting = gcs.driver.startMultipartUpload('key', attributes);
      expect(await rejection(starting)).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: `metadata key "${name}" is the gcs driver's own; take another`,
      });
    }
    expect(left(gcs)).toEqual([]);
  });

  test('is completed by another process', async () => {
    await using gcs = await openGcs();
    const saved = JSON.stringify(await begin(gcs));
    const part = JSON.stringify(
      await gcs.driver.uploadPart(JSON.parse(saved) as DriverUpload, 1, Buffer.from('x'), {
        signal,
      }),
    );
    const other = await openDriver(gcs.server);
    await other.completeMultipartUpload(
      JSON.parse(saved) as DriverUpload,
      [JSON.parse(part) as { partNumber: number; etag: string }],
      { signal },
    );
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('x');
    await other.close();
  });

  test('takes parts by signed requests, which end with their time and answer with the etag', async () => {
    let now = Date.now();
    await using gcs = await openGcs({ server: { now: () => now } });
    const upload = await begin(gcs);
    const options = { signal, expiresIn: 60, size: 5 };
    const { url, headers } = await gcs.driver.uploadPartUrl(upload, 7, options);
    expect(headers).toEqual({ 'x-goog-content-length-range': '5,5' });
    const put = (): Promise<Response> => fetch(url, { method: 'PUT', headers, body: 'hello' });
    now += 120_000;
    expect((await put()).status).toBe(400);
    expect(await gcs.driver.listParts(upload, { signal })).toEqual([]);
    now -= 120_000;
    const etag = (await put()).headers.get('etag');
    const sent = await gcs.driver.uploadPart(upload, 8, Buffer.from('hello'), { signal });
    expect(sent.etag).toBe(etag);
    const parts = [{ partNumber: 7, etag, size: 5 }, sent];
    expect(await gcs.driver.listParts(upload, { signal })).toEqual(parts);
    await gcs.driver.abortMultipartUpload(upload, { signal });
    // One that comes now stays, but only until the upload is aborted once more.
    expect((await put()).status).toBe(200);
    expect(left(gcs)).toHaveLength(1);
    await gcs.driver.abortMultipartUpload(upload, { signal });
    expect(left(gcs)).toEqual([]);
  });

  test('refuses an etag that is not that of the part', async () => {
    await using gcs = await openGcs();
    const upload = await begin(gcs);
    const stale = await gcs.driver.uploadPart(upload, 1, Buffer.from('first'), { signal });
    const part = await gcs.driver.uploadPart(upload, 1, Buffer.from('second'), { signal });
    expect(part.etag).not.toBe(stale.etag);
    for (const parts of [[stale], [{ ...part, partNumber: 2 }], [{ ...part, etag: '"1"' }]]) {
      const completing = gcs.driver.completeMultipartUpload(upload, parts, { signal });
      expect(await rejection(completing)).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: `Part ${parts[0]!.partNumber} was not uploaded, or not with this etag`,
      });
    }
    expect(gcs.server.object('bucket', 'key')).toBeUndefined();
    await gcs.driver.completeMultipartUpload(upload, [part], { signal });
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('second');
  });

  test('refuses a part that is replaced while it is completed', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    const upload = await begin(gcs);
    const part = await gcs.driver.uploadPart(upload, 1, Buffer.from('first'), { signal });
    failFirst(proxied, /\/compose\b/, () =>
      gcs.driver.uploadPart(upload, 1, Buffer.from('second'), { signal }),
    );
    const completing = proxied.driver.completeMultipartUpload(upload, [part], { signal });
    expect(await rejection(completing)).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'A part was replaced or removed while the upload was completed',
    });
    expect(gcs.server.object('bucket', 'key')).toBeUndefined();
  });

  test('keeps its parts in a folder of its own, by numbers that sort', async () => {
    await using gcs = await openGcs();
    const upload = await begin(gcs);
    for (const number of [10, 2, 10_000]) {
      await gcs.driver.uploadPart(upload, number, Buffer.from('x'), { signal });
    }
    const [manifest] = left(gcs);
    expect(manifest).toMatch(/^\.nestjs-storages\/uploads\/[\da-f]{40}\/manifest$/);
    const folder = manifest!.replace(/manifest$/, '');
    expect(left(gcs).map((name) => name.replace(folder, ''))).toEqual([
      'manifest',
      'parts/00002',
      'parts/00010',
      'parts/10000',
    ]);
    const parts = await gcs.driver.listParts(upload, { signal });
    expect(parts.map(({ partNumber }) => partNumber)).toEqual([2, 10, 10_000]);
  });

  test('joins its parts within its folder before they become the file, and asks for what it reads', async () => {
    await using gcs = await openGcs();
    const upload = await begin(gcs);
    const parts = await Promise.all(
      Array.from({ length: 34 }, (_, index) =>
        gcs.driver.uploadPart(upload, index + 1, Buffer.from('x'), { signal }),
      ),
    );
    const folder = left(gcs)[0]!.replace(/manifest$/, '');
    gcs.server.clearRequests();
    await gcs.driver.completeMultipartUpload(upload, parts, { signal });
    const composed = gcs.server.requests.filter(({ operation }) => operation === 'objects.compose');
    const keys = composed.map(({ key }) => key.replace(folder, '').replace(/^(joined\/).+$/, '$1'));
    expect(keys).toEqual(['joined/', 'joined/', 'key']);
    for (const { query } of composed) {
      expect(query).toEqual({ ifGenerationMatch: '0', fields: OBJECT_FIELDS });
    }
  });

  test('has the type of bytes for its parts, and none of its own where it is given none', async () => {
    await using gcs = await openGcs();
    const upload = await begin(gcs);
    await gcs.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
    const part = gcs.server.object('bucket', left(gcs)[1]!)!;
    expect(part.contentType).toBe('application/octet-stream');
  });

  test('tells a part by its generation where the service has no MD5 of it', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    const upload = await begin(gcs);
    const name = left(gcs)[0]!.replace(/manifest$/, 'parts/00003');
    const items = [{ name, size: '7', generation: '17' }];
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ items });
    proxied.proxy.fail({ url: /prefix=/, with: { status: 200, headers, body } });
    expect(await proxied.driver.listParts(upload, { signal })).toEqual([
      { partNumber: 3, etag: '"17"', size: 7 },
    ]);
  });

  test('that is refused for its condition is not looked for again', async () => {
    await using gcs = await openGcs();
    await gcs.driver.put('key', Buffer.from('old'), putOptions());
    const upload = await begin(gcs);
    const part = await gcs.driver.uploadPart(upload, 1, Buffer.from('new'), { signal });
    gcs.server.clearRequests();
    const options = { signal, ifNoneMatch: '*' } as const;
    await rejection(gcs.driver.completeMultipartUpload(upload, [part], options));
    expect(gcs.operations()).toEqual(['objects.get', 'objects.list', 'objects.compose']);
  });

  test('is completed only where its condition holds, and can be tried again', async () => {
    await using gcs = await openGcs();
    const { etag } = await gcs.driver.put('key', Buffer.from('old'), putOptions());
    const upload = await begin(gcs);
    const part = await gcs.driver.uploadPart(upload, 1, Buffer.from('new'), { signal });
    const complete = (options: object) =>
      gcs.driver.completeMultipartUpload(upload, [part], { signal, ...options });
    await expect(complete({ ifNoneMatch: '*' })).rejects.toThrow(StorageFileExistsError);
    await expect(complete({ ifMatch: '"1"' })).rejects.toThrow(StoragePreconditionFailedError);
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('old');
    gcs.server.clearRequests();
    await complete({ ifMatch: etag! });
    const composed = gcs.server.requests.find(({ operation }) => operation === 'objects.compose')!;
    expect(`"${composed.query['ifGenerationMatch']}"`).toBe(etag);
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('new');
  });

  test.each([0, 3])(
    'makes up for lost answers at each step, with %i retries',
    async (maxRetries) => {
      await using gcs = await openGcs({ retry: { maxRetries } });
      const lose = (operation: 'objects.insert' | 'objects.compose') =>
        gcs.server.fail({ operation, with: 'reset-after-commit' });
      lose('objects.insert');
      const upload = await begin(gcs);
      lose('objects.insert');
      const part = await gcs.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
      lose('objects.compose');
      const file = await gcs.driver.completeMultipartUpload(upload, [part], {
        signal,
        ifNoneMatch: '*',
      });
      expect(file).toEqual(await gcs.driver.info('key', { signal }));
      expect(left(gcs)).toEqual([]);
    },
  );

  test('is complete although what it was made of cannot be removed', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    const upload = await begin(gcs);
    const part = await gcs.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
    gcs.server.fail({
      operation: 'objects.delete',
      times: Infinity,
      with: { status: 403, reason: 'retentionPolicyNotMet' },
    });
    await gcs.driver.completeMultipartUpload(upload, [part], { signal });
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('x');
  });
});

describe('an upload that is completed by one call while another is at it', () => {
  test.each([
    ['finds its parts gone', /\/o\?/],
    ['is to join them', /\/compose\b/],
  ])('is over for that one, which %s', async (_, url) => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    const upload = await begin(gcs);
    const part = await gcs.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
    failFirst(proxied, url, () => gcs.driver.completeMultipartUpload(upload, [part], { signal }));
    const late = proxied.driver.completeMultipartUpload(upload, [part], { signal });
    expect(await rejection(late)).toMatchObject(GONE);
    expect(gcs.server.object('bucket', 'key')!.body.toString()).toBe('x');
  });
});

describe('an upload that is aborted', () => {
  test('leaves nothing, and is not there any more', async () => {
    await using gcs = await openGcs();
    const upload = await begin(gcs);
    await gcs.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
    await gcs.driver.uploadPart(upload, 2, Buffer.from('y'), { signal });
    await gcs.driver.abortMultipartUpload(upload, { signal });
    expect(gcs.server.objects('bucket').size).toBe(0);
    await gcs.driver.abortMultipartUpload(upload, { signal });
    expect(await rejection(gcs.driver.listParts(upload, { signal }))).toMatchObject(GONE);
    const completing = gcs.driver.completeMultipartUpload(upload, [], { signal });
    await expect(completing).rejects.toThrow(StorageFileNotFoundError);
  });

  test('while a part is under way has that take itself away', async () => {
    await using gcs = await openGcs();
    await using proxied = await openProxied(gcs.server);
    const upload = await begin(gcs);
    failFirst(proxied, /uploadType=/, () => gcs.driver.abortMultipartUpload(upload, { signal }));
    const late = proxied.driver.uploadPart(upload, 1, Buffer.from('late'), { signal });
    expect(await rejection(late)).toMatchObject(GONE);
    expect(left(gcs)).toEqual([]);
  });

  test('tries parts again that are refused at first', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    const upload = await begin(gcs);
    await gcs.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
    const kept = { status: 403, reason: 'retentionPolicyNotMet' };
    gcs.server.fail({ operation: 'objects.delete', after: 1, times: 4, with: kept });
    await gcs.driver.abortMultipartUpload(upload, { signal });
    expect(left(gcs)).toEqual([]);
  });

  test('rejects when its parts cannot be removed', async () => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    const upload = await begin(gcs);
    await gcs.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
    gcs.server.fail({ operation: 'objects.list', with: { status: 503, reason: 'backendError' } });
    const aborting = gcs.driver.abortMultipartUpload(upload, { signal });
    await expect(aborting).rejects.toThrow(StorageConnectionError);
    const kept = { status: 403, reason: 'retentionPolicyNotMet' };
    gcs.server.fail({ operation: 'objects.delete', after: 1, times: 5, with: kept });
    const refused = gcs.driver.abortMultipartUpload(upload, { signal });
    expect(await rejection(refused)).toMatchObject({ code: 'PERMISSION_DENIED' });
    await gcs.driver.abortMultipartUpload(upload, { signal });
    expect(left(gcs)).toEqual([]);
  });
});

test('a listing of uploads tells those of manifests in their places, and nothing else', async () => {
  await using gcs = await openGcs();
  const upload = await begin(gcs, 'a/key');
  await begin(gcs, 'b/key');
  await gcs.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
  const manifest = left(gcs)
    .map((name) => gcs.server.object('bucket', name)!)
    .find(({ metadata }) => metadata['nestjs-storages-key'] === 'a/key')!;
  // As somebody might have copied it.
  const { metadata, updated } = manifest;
  await gcs.server.putObject('bucket', `${manifest.name}-copy`, '', { metadata });
  const listed = async (prefix: string, { driver }: Pick<OpenGcs, 'driver'> = gcs) => {
    const uploads: unknown[] = [];
    for await (const page of driver.listMultipartUploads({ prefix, signal })) {
      uploads.push(...page);
    }
    return uploads;
  };
  expect(await listed('a/')).toEqual([{ ...upload, startedAt: updated }]);
  expect(await listed('key')).toEqual([]);
  expect(await listed('')).toHaveLength(2);
  await using proxied = await openProxied(gcs.server);
  const items = [{ name: manifest.name, size: '0', generation: '1', metadata }];
  const headers = { 'content-type': 'application/json' };
  proxied.proxy.fail({ with: { status: 200, headers, body: JSON.stringify({ items }) } });
  // Without a time nobody can tell whether it is one of today.
  expect(await listed('', proxied)).toEqual([]);
});

test('an upload under another key or id is not there, and touches nothing', async () => {
  await using gcs = await openGcs();
  const upload = await begin(gcs);
  const part = await gcs.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
  for (const other of [
    { ...upload, key: 'other' },
    { ...upload, uploadId: '../../key' },
  ]) {
    for (const call of [
      gcs.driver.uploadPart(other, 1, Buffer.from('y'), { signal }),
      gcs.driver.listParts(other, { signal }),
      gcs.driver.completeMultipartUpload(other, [part], { signal }),
    ]) {
      await expect(call).rejects.toThrow(StorageFileNotFoundError);
    }
    await gcs.driver.abortMultipartUpload(other, { signal });
  }
  expect(await gcs.driver.listParts(upload, { signal })).toEqual([part]);
  expect(left(gcs)).toHaveLength(2);
});
