import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type GetObjectCommandInput,
  type PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3';
import { Readable } from 'node:stream';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import { startS3Server, type S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { connect, refusal } from './s3-test-client.js';

describe('objects', () => {
  let server: S3TestServer;
  let client: S3Client;

  beforeAll(async () => {
    server = await startS3Server();
    client = connect(server);
  });

  afterAll(async () => {
    client.destroy();
    await server.close();
  });

  const put = (Key: string, rest: Partial<PutObjectCommandInput> = {}) =>
    client.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body: 'hello', ...rest }));
  const get = (Key: string, rest: Partial<GetObjectCommandInput> = {}) =>
    client.send(new GetObjectCommand({ Bucket: 'bucket', Key, ...rest }));
  const head = (Key: string, rest: Partial<GetObjectCommandInput> = {}) =>
    client.send(new HeadObjectCommand({ Bucket: 'bucket', Key, ...rest }));

  it('gives back the bytes that were put', async () => {
    await put('plain');
    const { Body } = await get('plain');
    expect(await Body?.transformToString()).toBe('hello');
  });

  it('has objects that are put in place as fixtures', async () => {
    const put = await server.putObject('bucket', 'a/ä', 'hello', {
      'content-type': 'text/plain',
      'x-amz-meta-by': 'me',
    });
    expect(put).toMatchObject({ size: 5, contentType: 'text/plain', metadata: { by: 'me' } });
    expect(server.objects('bucket').get('a/ä')).toEqual(put);
    const found = await get('a/ä', { ChecksumMode: 'ENABLED' });
    expect(await found.Body?.transformToString()).toBe('hello');
    expect(found).toMatchObject({
      ETag: `"${put.etag}"`,
      ContentType: 'text/plain',
      ChecksumCRC64NVME: put.checksum!.value,
      Metadata: { by: 'me' },
    });
    const bytes = await server.putObject('bucket', 'a/ä', Buffer.from([0, 255]));
    expect(bytes.body).toEqual(Buffer.from([0, 255]));
    expect(bytes.contentType).toBe('binary/octet-stream');
    await expect(server.putObject('missing', 'a', 'x')).rejects.toThrow('does not exist');
  });

  it('has credentials that a storage takes after a client of the SDK has written into them', async () => {
    const { endpoint, region } = server;
    const options = { endpoint, region, forcePathStyle: true, credentials: server.credentials };
    const sdk = new S3Client(options);
    await sdk.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'sdk', Body: 'hello' }));
    sdk.destroy();
    await using storage = await openStorage('files', {
      driver: 's3',
      provider: 'aws',
      bucket: 'bucket',
      endpoint,
      region,
      ...server.credentials,
    });
    expect((await storage.getBytes('sdk')).toString()).toBe('hello');
    expect(Object.keys(server.credentials)).toEqual(['accessKeyId', 'secretAccessKey']);
  });

  it('names an object by the quoted MD5 of its bytes', async () => {
    const { ETag } = await put('etag');
    expect(ETag).toBe('"5d41402abc4b2a76b9719d911017c592"');
  });

  it('takes a stream of known length, framed by the SDK', async () => {
    const Body = Readable.from([Buffer.alloc(70_000, 'a'), Buffer.from('b')]);
    await put('stream', { Body, ContentLength: 70_001 });
    expect(server.objects('bucket').get('stream')).toMatchObject({
      size: 70_001,
      headers: { 'content-type': 'application/octet-stream' },
    });
    expect(server.requests.at(-1)?.headers['content-encoding']).toBe('aws-chunked');
  });

  it.each([
    'a b',
    'ünï/çödé/日本/😀',
    `#%?&+'"=;:@$,!*()~`,
    '%41',
    'a+b',
    'folder//double',
    '/leading',
    'trailing/',
    'new\nline',
  ])('keeps the key %j as it is', async (key) => {
    await put(key);
    expect(server.objects('bucket').has(key)).toBe(true);
    const { Body } = await get(key);
    expect(await Body?.transformToString()).toBe('hello');
  });

  it('refuses a key of more than 1024 bytes', async () => {
    await expect(refusal(put('é'.repeat(513)))).resolves.toEqual({
      code: 'KeyTooLongError',
      status: 400,
    });
  });

  it('keeps the headers that describe an object', async () => {
    await put('described', {
      ContentType: 'text/html; charset=utf-8',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="x"',
      ContentEncoding: 'gzip',
      ContentLanguage: 'de',
      Expires: new Date('2030-01-01T00:00:00Z'),
      StorageClass: 'STANDARD_IA',
      Metadata: { Owner: 'somebody' },
    });
    expect(await head('described')).toMatchObject({
      ContentType: 'text/html; charset=utf-8',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="x"',
      ContentEncoding: 'gzip',
      ContentLanguage: 'de',
      ExpiresString: 'Tue, 01 Jan 2030 00:00:00 GMT',
      StorageClass: 'STANDARD_IA',
      Metadata: { owner: 'somebody' },
    });
  });

  it('answers metadata beyond ASCII as RFC 2047 words', async () => {
    const word = `=?UTF-8?B?${Buffer.from('Žluť').toString('base64')}?=`;
    await put('words', { Metadata: { name: word } });
    expect(server.objects('bucket').get('words')?.metadata).toEqual({
      name: 'Žluť',
    });
    expect((await head('words')).Metadata).toEqual({ name: word });
  });

  it('refuses more than 2 KiB of metadata', async () => {
    const outcome = put('much', { Metadata: { a: 'x'.repeat(2048) } });
    await expect(refusal(outcome)).resolves.toMatchObject({
      code: 'MetadataTooLarge',
    });
  });

  it('refuses ACLs, as buckets without ACLs do', async () => {
    await expect(refusal(put('acl', { ACL: 'public-read' }))).resolves.toMatchObject({
      code: 'AccessControlListNotSupported',
    });
  });

  it('answers 501 to headers it would have to ignore', async () => {
    await expect(refusal(put('tags', { Tagging: 'a=b' }))).resolves.toEqual({
      code: 'NotImplemented',
      status: 501,
    });
  });

  it('tells a missing key from a missing bucket', async () => {
    await expect(refusal(get('missing'))).resolves.toEqual({
      code: 'NoSuchKey',
      status: 404,
    });
    await expect(refusal(get('x', { Bucket: 'nowhere' }))).resolves.toEqual({
      code: 'NoSuchBucket',
      status: 404,
    });
  });

  it('deletes an object, and one that is not there', async () => {
    await put('short-lived');
    for (let time = 0; time < 2; time++) {
      await client.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: 'short-lived' }));
    }
    expect(server.objects('bucket').has('short-lived')).toBe(false);
  });

  it('deletes only the version a condition names', async () => {
    await put('guarded');
    const outcome = client.send(
      new DeleteObjectCommand({
        Bucket: 'bucket',
        Key: 'guarded',
        IfMatch: '"0"',
      }),
    );
    await expect(refusal(outcome)).resolves.toMatchObject({ status: 412 });
    expect(server.objects('bucket').has('guarded')).toBe(true);
  });

  it('overrides headers of an answer when the request asks to', async () => {
    await put('overridden');
    expect(
      await get('overridden', {
        ResponseContentType: 'text/plain',
        ResponseContentDisposition: 'inline',
      }),
    ).toMatchObject({
      ContentType: 'text/plain',
      ContentDisposition: 'inline',
    });
  });

  describe('ranges', () => {
    beforeAll(async () => {
      await put('digits', { Body: '0123456789' });
      await put('empty', { Body: Buffer.alloc(0) });
    });

    it.each([
      ['bytes=2-4', '234', 'bytes 2-4/10'],
      ['bytes=7-', '789', 'bytes 7-9/10'],
      ['bytes=-2', '89', 'bytes 8-9/10'],
      ['bytes=-20', '0123456789', 'bytes 0-9/10'],
      ['bytes=8-100', '89', 'bytes 8-9/10'],
    ])('sends %s as a 206', async (Range, text, ContentRange) => {
      const answer = await get('digits', { Range });
      expect(await answer.Body?.transformToString()).toBe(text);
      expect(answer).toMatchObject({
        ContentRange,
        ContentLength: text.length,
        $metadata: { httpStatusCode: 206 },
      });
    });

    it.each(['bytes=4-2', 'bytes=a-b', 'lines=1-2', 'bytes=0-1,3-4'])(
      'ignores %s and sends everything',
      async (Range) => {
        const answer = await get('digits', { Range });
        expect(answer.$metadata.httpStatusCode).toBe(200);
        expect(await answer.Body?.transformToString()).toBe('0123456789');
      },
    );

    it.each([
      ['digits', 'bytes=10-'],
      ['digits', 'bytes=-0'],
      ['empty', 'bytes=0-0'],
      ['empty', 'bytes=-1'],
    ])('answers 416 when of %s %s is asked', async (key, Range) => {
      await expect(refusal(get(key, { Range }))).resolves.toEqual({
        code: 'InvalidRange',
        status: 416,
      });
    });

    it('answers a ranged HEAD with 206 too', async () => {
      expect(await head('digits', { Range: 'bytes=0-3' })).toMatchObject({
        ContentLength: 4,
        $metadata: { httpStatusCode: 206 },
      });
    });
  });

  describe('conditional reads', () => {
    const past = new Date(0);
    const later = new Date(Date.now() + 60_000);
    let etag: string;

    beforeAll(async () => {
      etag = (await put('conditional')).ETag ?? '';
    });

    it.each<[string, () => Partial<GetObjectCommandInput>, number]>([
      ['If-Match holds', () => ({ IfMatch: etag }), 200],
      ['If-Match is *', () => ({ IfMatch: '*' }), 200],
      ['If-Match fails', () => ({ IfMatch: '"0"' }), 412],
      ['If-None-Match holds', () => ({ IfNoneMatch: '"0"' }), 200],
      ['If-None-Match fails', () => ({ IfNoneMatch: etag }), 304],
      ['it changed since', () => ({ IfModifiedSince: past }), 200],
      ['it did not change since', () => ({ IfModifiedSince: later }), 304],
      ['it changed meanwhile', () => ({ IfUnmodifiedSince: past }), 412],
      ['If-Match holds whatever the date', () => ({ IfMatch: etag, IfUnmodifiedSince: past }), 200],
      [
        'If-None-Match holds whatever the date',
        () => ({ IfNoneMatch: '"0"', IfModifiedSince: later }),
        200,
      ],
    ])('decide when %s', async (_, condition, status) => {
      const answer = await get('conditional', condition()).catch((error: unknown) => error);
      expect(answer).toMatchObject({ $metadata: { httpStatusCode: status } });
    });
  });

  describe('conditional writes', () => {
    it('let exactly one of many creators win', async () => {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, (_, index) =>
          put('race', { Body: `writer ${index}`, IfNoneMatch: '*' }),
        ),
      );
      const winners = outcomes.flatMap(({ status }, index) =>
        status === 'fulfilled' ? [index] : [],
      );
      expect(winners).toHaveLength(1);
      const { body } = server.objects('bucket').get('race') ?? {};
      expect(body?.toString()).toBe(`writer ${winners[0]}`);
    });

    it('refuse to create what exists with 412', async () => {
      await put('taken');
      await expect(refusal(put('taken', { IfNoneMatch: '*' }))).resolves.toEqual({
        code: 'PreconditionFailed',
        status: 412,
      });
    });

    it('replace only the version named by If-Match', async () => {
      const { ETag } = await put('versioned');
      await put('versioned', { Body: 'second', IfMatch: ETag });
      await expect(
        refusal(put('versioned', { Body: 'third', IfMatch: ETag })),
      ).resolves.toMatchObject({ status: 412 });
    });

    it('answer 404 to If-Match on a missing key', async () => {
      await expect(refusal(put('never', { IfMatch: '"0"' }))).resolves.toEqual({
        code: 'NoSuchKey',
        status: 404,
      });
    });

    it('answer 501 to If-None-Match with an entity tag', async () => {
      await expect(refusal(put('never', { IfNoneMatch: '"0"' }))).resolves.toEqual({
        code: 'NotImplemented',
        status: 501,
      });
    });
  });

  describe('DeleteObjects', () => {
    const deleteAll = (keys: readonly string[], Quiet = false) =>
      client.send(
        new DeleteObjectsCommand({
          Bucket: 'bucket',
          Delete: { Objects: keys.map((Key) => ({ Key })), Quiet },
        }),
      );

    it('deletes every key named', async () => {
      await put('batch/<1>&');
      const { Deleted } = await deleteAll(['batch/<1>&', 'batch/none']);
      expect(Deleted?.map(({ Key }) => Key)).toEqual(['batch/<1>&', 'batch/none']);
      expect(server.objects('bucket').has('batch/<1>&')).toBe(false);
    });

    it('says nothing of successes when quiet', async () => {
      expect((await deleteAll(['batch/none'], true)).Deleted).toBeUndefined();
    });

    it('reports the keys told to fail, and deletes the others', async () => {
      await put('batch/kept');
      await put('batch/gone');
      const fault = server.failKeys({
        operation: 'DeleteObjects',
        keys: ['batch/kept'],
        code: 'AccessDenied',
      });
      const { Errors, Deleted } = await deleteAll(['batch/kept', 'batch/gone']);
      fault.clear();
      expect(Errors).toMatchObject([{ Key: 'batch/kept', Code: 'AccessDenied' }]);
      expect(Deleted).toEqual([{ Key: 'batch/gone' }]);
      expect(server.objects('bucket').has('batch/kept')).toBe(true);
    });

    it('deletes nothing by a list with an empty key in it', async () => {
      await put('batch/kept');
      await expect(refusal(deleteAll(['batch/kept', '']))).resolves.toMatchObject({
        code: 'MalformedXML',
      });
      expect(server.objects('bucket').has('batch/kept')).toBe(true);
    });

    it('refuses more than 1000 keys', async () => {
      const keys = Array.from({ length: 1001 }, (_, index) => `${index}`);
      await expect(refusal(deleteAll(keys))).resolves.toMatchObject({
        code: 'MalformedXML',
      });
    });
  });
});
