import { errorAnswer } from '../../../lib/testing/fault-proxy/index.js';
import { randomBytes } from 'node:crypto';
import {
  StorageConnectionError,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StoragePreconditionFailedError,
} from '../../../lib/core/errors.js';
import { parseAttributes } from '../../../lib/core/attributes.js';
import { encodeMetadata } from '../../../lib/drivers/azure/azure.metadata.js';
import {
  expectStored,
  MIB,
  type OpenAzure,
  putOptions,
  readKey,
  signal,
  useAzurite,
  rejected,
} from './open-azure.js';

const { open } = useAzurite();
const ATTRIBUTES = {
  contentType: 'image/png',
  cacheControl: 'no-store',
  metadata: { title: 'Grüße', '0-a': '' },
};
const options = { signal };

async function start(
  { driver }: OpenAzure,
  key = 'key',
): Promise<{ key: string; uploadId: string }> {
  const attributes = parseAttributes(key, ATTRIBUTES);
  return { key, uploadId: await driver.startMultipartUpload(key, { signal, ...attributes }) };
}

test('an error with status 200 is no list without parts', async () => {
  await using azure = await open({ retry: { maxRetries: 1 } });
  const uploadId = await azure.driver.startMultipartUpload('key', putOptions());
  const upload = { key: 'key', uploadId };
  const part = await azure.driver.uploadPart(upload, 1, Buffer.from('part'), { signal });
  const list = () => azure.driver.listParts(upload, { signal });
  const failing = { url: /comp=blocklist/, with: errorAnswer('azure', 'ok-with-error') };
  azure.proxy.fail(failing);
  expect(await list()).toEqual([part]);
  azure.proxy.fail({ ...failing, times: Infinity });
  await expect(list()).rejects.toMatchObject({ code: 'CONNECTION_FAILED', retryable: true });
});

describe('a multipart upload', () => {
  test('has no part of blocks that somebody else has put there', async () => {
    await using azure = await open();
    const upload = await start(azure);
    const part = await azure.driver.uploadPart(upload, 1, Buffer.from('part'), options);
    const { value: listed } = await azure.direct.listBlobsFlat().next();
    const blob = azure.direct.getBlockBlobClient(listed!.name);
    const { uncommittedBlocks } = await blob.getBlockList('uncommitted');
    // The service wants the ids of one blob to be of one length.
    const { length } = Buffer.from(uncommittedBlocks![0]!.name, 'base64');
    await blob.stageBlock(Buffer.alloc(length, 'x').toString('base64'), 'other', 5);
    expect(await azure.driver.listParts(upload, options)).toEqual([part]);
    await azure.driver.completeMultipartUpload(upload, [part], options);
    expect(String(await readKey(azure.driver, 'key'))).toBe('part');
  });

  test('is joined from its parts, with its attributes, and leaves nothing else', async () => {
    await using azure = await open();
    const { driver } = azure;
    const upload = await start(azure);
    const bytes = randomBytes(3 * MIB);
    const [one, two, three] = [0, 1, 2].map((part) => bytes.subarray(part * MIB, (part + 1) * MIB));
    const parts = await Promise.all([
      driver.uploadPart(upload, 7, two!, options),
      driver.uploadPart(upload, 1, one!, options),
      driver.uploadPart(upload, 50_000, three!, options),
    ]);
    const named = parts.toSorted((left, right) => left.partNumber - right.partNumber);
    expect(await driver.listParts(upload, options)).toEqual(named);
    const file = await driver.completeMultipartUpload(upload, named, options);
    expect(file).toEqual(await driver.info('key', { signal }));
    expect(file).toMatchObject({ ...ATTRIBUTES, size: bytes.byteLength });
    await expectStored(driver, 'key', bytes);
    const blobs = [];
    for await (const { name } of azure.direct.listBlobsFlat({ includeUncommitedBlobs: true }))
      blobs.push(name);
    expect(blobs).toEqual(['key']);
  });

  test('goes on in another process', async () => {
    await using azure = await open();
    const upload = JSON.parse(JSON.stringify(await start(azure))) as {
      key: string;
      uploadId: string;
    };
    const part = await azure.other.uploadPart(upload, 1, Buffer.from('hello'), options);
    await azure.driver.completeMultipartUpload(upload, [part], options);
    expect(String(await readKey(azure.driver, 'key'))).toBe('hello');
  });

  test('survives every other write to its key', async () => {
    await using azure = await open();
    const upload = await start(azure);
    const part = await azure.driver.uploadPart(upload, 1, Buffer.from('upload'), options);
    await azure.driver.put('key', randomBytes(3 * MIB), putOptions({ partSize: MIB }));
    await azure.driver.deleteMany(['key'], options);
    await azure.driver.completeMultipartUpload(upload, [part], options);
    expect(String(await readKey(azure.driver, 'key'))).toBe('upload');
  });

  test('takes exactly the part that is named of those that were sent under a number', async () => {
    await using azure = await open();
    const upload = await start(azure);
    const first = await azure.driver.uploadPart(upload, 1, Buffer.from('first'), options);
    const again = await azure.driver.uploadPart(upload, 1, Buffer.from('again'), options);
    expect(again.etag).not.toBe(first.etag);
    await azure.driver.completeMultipartUpload(upload, [first], options);
    expect(String(await readKey(azure.driver, 'key'))).toBe('first');
  });

  test('leaves empty parts out, and may have none but those', async () => {
    await using azure = await open();
    for (const [key, bodies] of [
      ['mixed', ['', 'a', '', 'b']],
      ['empty', ['', '']],
    ] as const) {
      const upload = await start(azure, key);
      const parts = [];
      for (const [index, body] of bodies.entries()) {
        parts.push(await azure.driver.uploadPart(upload, index + 1, Buffer.from(body), options));
      }
      expect((await azure.driver.listParts(upload, options)).map(({ size }) => size)).toEqual(
        bodies.map(({ length }) => length),
      );
      const file = await azure.driver.completeMultipartUpload(upload, parts, options);
      expect(file).toEqual(await azure.driver.info(key, { signal }));
      expect(String(await readKey(azure.driver, key))).toBe(bodies.join(''));
    }
  });

  test('stays as it was when completing it is refused', async () => {
    await using azure = await open();
    const upload = await start(azure);
    await azure.driver.put('key', Buffer.from('old'), putOptions());
    const parts = [
      await azure.driver.uploadPart(upload, 1, Buffer.from('one'), options),
      await azure.driver.uploadPart(upload, 2, Buffer.from('two'), options),
    ];
    const complete = (named: typeof parts, conditions = {}): Promise<unknown> =>
      azure.driver.completeMultipartUpload(upload, named, { signal, ...conditions });
    expect(await rejected(complete([{ ...parts[0]!, partNumber: 3 }]))).toBeInstanceOf(
      StorageInvalidArgumentError,
    );
    expect(await rejected(complete(parts.slice(0, 1), { ifNoneMatch: '*' }))).toBeInstanceOf(
      StorageFileExistsError,
    );
    expect(await rejected(complete(parts.slice(0, 1), { ifMatch: '"other"' }))).toBeInstanceOf(
      StoragePreconditionFailedError,
    );
    expect(await azure.driver.listParts(upload, options)).toEqual(parts);
    expect(String(await readKey(azure.driver, 'key'))).toBe('old');
    await complete(parts);
    expect(String(await readKey(azure.driver, 'key'))).toBe('onetwo');
  });

  test('can be completed again when the copy of the joined parts failed', async () => {
    await using azure = await open({ retry: { maxRetries: 0 } });
    const upload = await start(azure);
    const part = await azure.driver.uploadPart(upload, 1, Buffer.from('hello'), options);
    azure.proxy.fail({ method: 'PUT', url: /\/key$/, with: { status: 500 } });
    const complete = (): Promise<unknown> =>
      azure.driver.completeMultipartUpload(upload, [part], options);
    expect(await rejected(complete())).toBeInstanceOf(StorageConnectionError);
    expect(await azure.driver.listParts(upload, options)).toEqual([part]);
    await complete();
    expect(String(await readKey(azure.driver, 'key'))).toBe('hello');
  });

  test('is of the parts that are named last, when an earlier attempt has joined others', async () => {
    await using azure = await open({ retry: { maxRetries: 0 } });
    const upload = await start(azure);
    const full = await azure.driver.uploadPart(upload, 1, Buffer.from('hello'), options);
    const empty = await azure.driver.uploadPart(upload, 2, Buffer.alloc(0), options);
    azure.proxy.fail({ method: 'PUT', url: /\/key$/, with: { status: 500 } });
    await rejected(azure.driver.completeMultipartUpload(upload, [full, empty], options));
    await azure.driver.uploadPart(upload, 2, Buffer.from('more'), options);
    const again = await azure.driver.uploadPart(upload, 1, Buffer.alloc(0), options);
    await azure.driver.completeMultipartUpload(upload, [again], options);
    expect((await azure.driver.info('key', { signal })).size).toBe(0);
  });

  test('is listed by the longest of keys, with all the metadata that there may be', async () => {
    await using azure = await open();
    const key = `${`${'é'.repeat(100)}/`.repeat(5)}${'k'.repeat(19)}`;
    expect(Buffer.byteLength(key)).toBe(1024);
    const attributes = parseAttributes(key, { metadata: { a: 'é'.repeat(1023) } });
    const uploadId = await azure.driver.startMultipartUpload(key, { signal, ...attributes });
    const part = await azure.driver.uploadPart({ key, uploadId }, 1, Buffer.from('x'), options);
    const listed = [];
    for await (const page of azure.driver.listMultipartUploads({ prefix: 'é', signal })) {
      listed.push(...page);
    }
    expect(listed).toEqual([{ key, uploadId, startedAt: expect.any(Date) as Date }]);
    const file = await azure.driver.completeMultipartUpload({ key, uploadId }, [part], options);
    expect(file.metadata).toEqual(attributes.metadata);
  });

  test('is not what others have put into its folder', async () => {
    await using azure = await open();
    const { uploadId } = await start(azure);
    const folder = '.nestjs-storages/uploads/';
    const metadata = encodeMetadata({
      'nestjs-storages-key': Buffer.from('key').toString('base64url'),
    });
    const other = '00000000-0000-4000-8000-00000000000';
    await azure.direct.getBlockBlobClient(`${folder}${other}`).upload('', 0, { metadata });
    await azure.direct.getBlockBlobClient(`${folder}${other}00`).upload('', 0, { metadata });
    await azure.direct.getBlockBlobClient(`${folder}${other}0`).upload('', 0);
    const listed = [];
    for await (const page of azure.driver.listMultipartUploads({ prefix: '', signal })) {
      listed.push(...page.map((upload) => upload.uploadId));
    }
    expect(listed).toEqual([uploadId]);
  });

  test.each<[string, string, (time: number, asked: number) => boolean]>([
    [
      'when it was written last, where its start is not told',
      'Last-Modified',
      (time) => time === Date.UTC(2026, 0),
    ],
    ['now, where nothing is told', 'Other', (time, asked) => time >= asked],
  ])('counts as begun %s', async (_, element, isRight) => {
    await using azure = await open();
    const name = '.nestjs-storages/uploads/00000000-0000-4000-8000-000000000000';
    const encoded = encodeMetadata({
      'nestjs-storages-key': Buffer.from('key').toString('base64url'),
    });
    const metadata = Object.entries(encoded).map(([field, text]) => `<${field}>${text}</${field}>`);
    const time = `<${element}>Thu, 01 Jan 2026 00:00:00 GMT</${element}>`;
    const blob = `<Blob><Name>${name}</Name><Properties>${time}</Properties><Metadata>${metadata.join('')}</Metadata></Blob>`;
    azure.proxy.fail({
      with: {
        status: 200,
        headers: { 'x-ms-request-id': 'id', 'content-type': 'application/xml' },
        body: `<?xml version="1.0"?><EnumerationResults><Blobs>${blob}</Blobs><NextMarker /></EnumerationResults>`,
      },
    });
    const asked = Date.now();
    const listed = [];
    for await (const page of azure.driver.listMultipartUploads({ prefix: '', signal })) {
      listed.push(...page.map(({ startedAt }) => isRight(startedAt.getTime(), asked)));
    }
    expect(listed).toEqual([true]);
  });

  test('cannot have the metadata that it keeps for itself', async () => {
    await using azure = await open();
    const metadata = { 'nestjs-storages-key': 'x' };
    const attributes = parseAttributes('key', { metadata });
    const started = azure.driver.startMultipartUpload('key', { signal, ...attributes });
    expect(await rejected(started)).toBeInstanceOf(StorageInvalidArgumentError);
    expect(azure.proxy.requests).toEqual([]);
  });

  test.each([
    ['joins', /comp=blocklist/],
    ['copies', /\/key$/],
  ])('succeeds when the answer is lost of what %s it', async (_, url) => {
    await using azure = await open({ retry: { maxRetries: 0 } });
    const upload = await start(azure);
    const part = await azure.driver.uploadPart(upload, 1, Buffer.from('hello'), options);
    azure.proxy.fail({ method: 'PUT', url, with: 'lose-answer' });
    const conditions = { signal, ifNoneMatch: '*' } as const;
    const file = await azure.driver.completeMultipartUpload(upload, [part], conditions);
    expect(file).toEqual(await azure.driver.info('key', { signal }));
  });

  test('succeeds even when what is left of it cannot be removed', async () => {
    await using azure = await open({ retry: { maxRetries: 0 } });
    const upload = await start(azure);
    const part = await azure.driver.uploadPart(upload, 1, Buffer.from('hello'), options);
    azure.proxy.fail({ method: 'DELETE', with: { status: 500 } });
    await azure.driver.completeMultipartUpload(upload, [part], options);
    expect(String(await readKey(azure.driver, 'key'))).toBe('hello');
    await azure.driver.abortMultipartUpload(upload, options);
    expect(await azure.driver.info('key', { signal })).toBeDefined();
  });

  test('is not there once it is over, nor under another key, nor by an id that is a path', async () => {
    await using azure = await open();
    const upload = await start(azure);
    await azure.driver.put('victim', Buffer.from('old'), putOptions());
    for (const other of [
      { ...upload, key: 'other' },
      { ...upload, uploadId: '../victim' },
      { ...upload, uploadId: '../../victim' },
      { ...upload, uploadId: `${upload.uploadId}/../../victim` },
    ]) {
      await azure.driver.abortMultipartUpload(other, options);
      const calls = [
        azure.driver.uploadPart(other, 1, Buffer.from('a'), options),
        azure.driver.listParts(other, options),
        azure.driver.completeMultipartUpload(other, [{ partNumber: 1, etag: '"a"' }], options),
      ];
      for (const result of await Promise.allSettled(calls)) {
        expect(result.status === 'rejected' && result.reason).toBeInstanceOf(
          StorageFileNotFoundError,
        );
      }
    }
    expect(await azure.driver.listParts(upload, options)).toEqual([]);
    await azure.driver.abortMultipartUpload(upload, options);
    expect(await rejected(azure.driver.listParts(upload, options))).toBeInstanceOf(
      StorageFileNotFoundError,
    );
    expect(String(await readKey(azure.driver, 'victim'))).toBe('old');
  });
});

describe('an upload that two complete at once', () => {
  test('is joined once or twice, and nobody is told of a condition that he has not set', async () => {
    await using azure = await open();
    for (let round = 0; round < 5; round++) {
      const upload = await start(azure, `key-${round}`);
      const parts = [
        await azure.driver.uploadPart(upload, 1, Buffer.from('one'), options),
        await azure.driver.uploadPart(upload, 2, Buffer.from('two'), options),
      ];
      const outcomes = await Promise.allSettled(
        [azure.driver, azure.other].map((driver) =>
          driver.completeMultipartUpload(upload, parts, options),
        ),
      );
      const refused = outcomes.filter(({ status }) => status === 'rejected');
      expect(refused.length).toBeLessThan(2);
      for (const { reason } of refused as PromiseRejectedResult[]) {
        expect(reason).toBeInstanceOf(StorageFileNotFoundError);
      }
      await expectStored(azure.driver, upload.key, Buffer.from('onetwo'));
    }
  });

  test('is joined anew when the other one did so before the copy', async () => {
    await using azure = await open();
    const upload = await start(azure);
    const parts = [await azure.driver.uploadPart(upload, 1, Buffer.from('one'), options)];
    const id = Buffer.from(parts[0]!.etag.slice(1, -1)).toString('base64');
    azure.proxy.fail({
      method: 'PUT',
      url: /\/key$/,
      with: {
        before: async () => {
          const name = `.nestjs-storages/uploads/${upload.uploadId}`;
          const { metadata } = await azure.direct.getBlobClient(name).getProperties();
          await azure.direct
            .getBlockBlobClient(name)
            .commitBlockList([id], { metadata: metadata! });
        },
      },
    });
    const file = await azure.driver.completeMultipartUpload(upload, parts, options);
    expect(file).toEqual(await azure.driver.info('key', options));
    await expectStored(azure.driver, 'key', Buffer.from('one'));
  });
});
