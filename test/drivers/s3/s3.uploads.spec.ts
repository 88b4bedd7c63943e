import { createHash } from 'node:crypto';
import { startChecksum } from '../../../lib/core/checksum.js';
import {
  StorageFileExistsError,
  StorageIntegrityError,
  StorageInvalidArgumentError,
  StoragePreconditionFailedError,
} from '../../../lib/core/errors.js';
import {
  chunks,
  expectSameFile,
  listAll,
  MIB,
  ODD_KEYS,
  openS3,
  PART,
  putOptions,
  randomBytes,
  read,
  signal,
} from './open-s3.js';

describe('put', () => {
  test.each([0, 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 1])(
    'stores a stream of unknown length that turns out to have %i bytes',
    async (size) => {
      await using s3 = await openS3();
      const bytes = randomBytes(size);
      const file = await s3.driver.put('key', chunks(bytes), putOptions({ partSize: PART }));
      expect(file.size).toBe(size);
      expect(s3.server.objects('bucket').get('key')?.body.equals(bytes)).toBe(true);
      expectSameFile(file, await s3.driver.info('key', { signal }));
      expect(s3.server.multipartUploads('bucket')).toEqual([]);
      const parts = s3.server.requests.filter(({ operation }) => operation === 'UploadPart');
      expect(parts).toHaveLength(size <= PART ? 0 : Math.ceil(size / PART));
    },
  );

  test('stores bytes in memory in parallel parts when they do not fit into one', async () => {
    await using s3 = await openS3();
    const bytes = randomBytes(2 * PART + 1);
    await s3.driver.put('key', bytes, putOptions({ partSize: PART }));
    expect(s3.server.objects('bucket').get('key')?.body.equals(bytes)).toBe(true);
    expect(s3.server.requests.map(({ operation }) => operation)).toContain('UploadPart');
  });

  test('keeps order and content when the chunks are larger than a part', async () => {
    await using s3 = await openS3();
    const bytes = randomBytes(3 * PART + 17);
    await s3.driver.put('key', chunks(bytes, 2 * PART + 3), putOptions({ partSize: PART }));
    expect(s3.server.objects('bucket').get('key')?.body.equals(bytes)).toBe(true);
  });

  test('makes one request of a small body, with its length and never in aws-chunks', async () => {
    for (const provider of ['aws', 'generic'] as const) {
      await using s3 = await openS3({ provider });
      await s3.driver.put('key', chunks(Buffer.from('hello'), 2), putOptions());
      expect(s3.server.requests).toHaveLength(1);
      const { headers } = s3.server.requests[0]!;
      expect(headers['content-length']).toBe('5');
      expect(headers['content-encoding']).toBeUndefined();
      expect(headers['expect']).toBeUndefined();
      expect(headers['x-amz-acl']).toBeUndefined();
    }
  });

  test('tells what info tells', async () => {
    await using s3 = await openS3();
    const options = {
      ...putOptions({
        contentType: 'text/html',
        metadata: { author: 'Zoë', note: ' two  spaces ' },
      }),
      cacheControl: 'max-age=60',
      contentDisposition: 'attachment; filename="x"',
      contentEncoding: 'gzip',
      contentLanguage: 'de',
    };
    const small = await s3.driver.put('small', Buffer.from('<p>'), options);
    expectSameFile(small, await s3.driver.info('small', { signal }));
    expect(small).toMatchObject({
      contentType: 'text/html',
      metadata: options.metadata,
      contentLanguage: 'de',
    });
    const large = await s3.driver.put('large', chunks(randomBytes(PART + 1)), {
      ...options,
      partSize: PART,
    });
    expect(large).toEqual(await s3.driver.info('large', { signal }));
    expect(large).toMatchObject({ contentEncoding: 'gzip', metadata: options.metadata });
  });

  test('sends no more parts at once than asked, over as many connections', async () => {
    await using s3 = await openS3({ server: { latency: 500 } });
    let most = 0;
    const watch = s3.server.until(({ requests }) => {
      const open = requests.filter(
        (r) => r.operation === 'UploadPart' && r.status === undefined && !r.aborted,
      );
      most = Math.max(most, open.length);
      return false;
    });
    watch.catch(() => {});
    await s3.driver.put(
      'key',
      chunks(randomBytes(6 * PART)),
      putOptions({ partSize: PART, concurrency: 3 }),
    );
    expect(most).toBe(3);
    expect(s3.server.totalConnections).toBeLessThanOrEqual(4);
  });

  test('reads ahead of the network by no more than the parts in flight and the next one', async () => {
    await using s3 = await openS3({ server: { latency: 15 } });
    const concurrency = 2;
    let sent = 0;
    let mostAhead = 0;
    async function* body(): AsyncGenerator<Uint8Array, void> {
      for await (const chunk of chunks(randomBytes(6 * PART))) {
        sent += chunk.byteLength;
        const done = s3.server.requests.filter(
          (r) => r.operation === 'UploadPart' && r.status === 200,
        );
        mostAhead = Math.max(mostAhead, sent - done.length * PART);
        yield chunk;
      }
    }
    await s3.driver.put('key', body(), putOptions({ partSize: PART, concurrency }));
    expect(mostAhead).toBeLessThanOrEqual((concurrency + 1) * PART + 2 * MIB);
  });

  test('round-trips odd keys', async () => {
    await using s3 = await openS3();
    for (const key of ODD_KEYS) {
      await s3.driver.put(key, Buffer.from(key), putOptions());
      expect((await read(await s3.driver.get(key, { signal }))).toString()).toBe(key);
      expect((await s3.driver.info(key, { signal })).key).toBe(key);
    }
    expect((await listAll(s3.driver)).keys.sort()).toEqual([...ODD_KEYS].sort());
    expect([...s3.server.objects('bucket').keys()].sort()).toEqual([...ODD_KEYS].sort());
  });

  test('hands announced checksums to S3, and reads them back', async () => {
    await using s3 = await openS3();
    const bytes = Buffer.from('checked');
    const [crc, crcC] = (['crc32', 'crc32c'] as const).map((algorithm) => {
      const running = startChecksum(algorithm);
      running.update(bytes);
      return running.digest();
    });
    const checksums = [
      { algorithm: 'sha256', value: createHash('sha256').update(bytes).digest('base64') },
      { algorithm: 'sha1', value: createHash('sha1').update(bytes).digest('base64') },
      crc!,
      crcC!,
    ] as const;
    for (const checksum of checksums) {
      const file = await s3.driver.put('key', bytes, putOptions({ checksum }));
      expect(file.checksum).toEqual(checksum);
      expect((await s3.driver.info('key', { signal })).checksum).toEqual(checksum);
      expect((await s3.driver.get('key', { signal })).file.checksum).toEqual(checksum);
    }
    const md5 = {
      algorithm: 'md5',
      value: createHash('md5').update('other').digest('base64'),
    } as const;
    await expect(s3.driver.put('key', bytes, putOptions({ checksum: md5 }))).rejects.toThrow(
      StorageIntegrityError,
    );
  });

  test.each(['crc32', 'crc32c'] as const)(
    'keeps the %s of the whole of a file that went up in parts, and has S3 compare it',
    async (algorithm) => {
      await using s3 = await openS3();
      const bytes = randomBytes(2 * PART);
      const running = startChecksum(algorithm);
      running.update(bytes);
      const checksum = running.digest();
      const options = { ...putOptions({ partSize: PART }), checksum };
      expect((await s3.driver.put('a', chunks(bytes), options)).checksum).toEqual(checksum);
      expect((await s3.driver.info('a', { signal })).checksum).toEqual(checksum);
      const wrong = { ...options, checksum: { algorithm, value: 'AAAAAA==' } };
      await expect(s3.driver.put('b', chunks(bytes), wrong)).rejects.toThrow(StorageIntegrityError);
      expect(s3.server.objects('bucket').has('b')).toBe(false);
      expect(s3.server.multipartUploads('bucket')).toEqual([]);
    },
  );

  test('keeps the CRC-32 of a file in parts when nothing was announced, or what S3 cannot join', async () => {
    await using s3 = await openS3();
    const bytes = randomBytes(PART + 1);
    const running = startChecksum('crc32');
    running.update(bytes);
    const crc = running.digest();
    const options = putOptions({ partSize: PART });
    expect((await s3.driver.put('a', chunks(bytes), options)).checksum).toEqual(crc);
    const sha256 = {
      algorithm: 'sha256',
      value: createHash('sha256').update(bytes).digest('base64'),
    } as const;
    const file = await s3.driver.put('b', chunks(bytes), { ...options, checksum: sha256 });
    expect(file.checksum).toEqual(crc);
  });

  test('repeats a part that fails in passing, and only that one', async () => {
    await using s3 = await openS3();
    s3.server.fail({ operation: 'UploadPart', after: 1, times: 2, with: 'reset-mid-body' });
    s3.server.fail({ operation: 'CreateMultipartUpload', with: { status: 503, code: 'SlowDown' } });
    const bytes = randomBytes(3 * PART);
    await s3.driver.put('key', chunks(bytes), putOptions({ partSize: PART }));
    expect(s3.server.objects('bucket').get('key')?.body.equals(bytes)).toBe(true);
    expect(s3.server.requests.filter(({ operation }) => operation === 'UploadPart')).toHaveLength(
      5,
    );
  });

  test('says that metadata is too large as it is encoded, before anything is sent', async () => {
    await using s3 = await openS3();
    const metadata = { big: 'ü'.repeat(1000) };
    const calls = [
      () => s3.driver.put('key', Buffer.from('x'), putOptions({ metadata })),
      () =>
        s3.driver.put(
          'key',
          chunks(randomBytes(PART + 1)),
          putOptions({ metadata, partSize: PART }),
        ),
      () => s3.driver.copy('key', 'to', { signal, metadata }),
      () => s3.driver.startMultipartUpload('key', putOptions({ metadata })),
    ];
    for (const call of calls) {
      const error = await call().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StorageInvalidArgumentError);
      expect((error as Error).message).toMatch(/metadata is 2683 bytes as S3 encodes it.* 2048/);
    }
    expect(s3.server.requests).toEqual([]);
  });

  test('refuses the metadata key that it needs for itself', async () => {
    await using s3 = await openS3();
    const metadata = { 'nestjs-storages-write': 'x' };
    const put = s3.driver.put('key', Buffer.from('x'), putOptions({ metadata }));
    await expect(put).rejects.toThrow(StorageInvalidArgumentError);
  });
});

describe('put with conditions', () => {
  test.each([
    ['in one request', 10],
    ['in parts', PART + 1],
  ])('creates only, %s', async (_, size) => {
    await using s3 = await openS3();
    const options = putOptions({ partSize: PART, ifNoneMatch: '*' });
    await s3.driver.put('key', chunks(randomBytes(size)), options);
    const etag = s3.server.objects('bucket').get('key')!.etag;
    const again = s3.driver.put('key', chunks(randomBytes(size + 1)), options);
    await expect(again).rejects.toThrow(StorageFileExistsError);
    expect(s3.server.objects('bucket').get('key')!.etag).toBe(etag);
    expect(s3.server.multipartUploads('bucket')).toEqual([]);
  });

  test.each([
    ['in one request', 10],
    ['in parts', PART + 1],
  ])('replaces only the version that it names, %s', async (_, size) => {
    await using s3 = await openS3();
    const options = putOptions({ partSize: PART });
    const first = await s3.driver.put('key', Buffer.from('1'), options);
    const second = await s3.driver.put('key', chunks(randomBytes(size)), {
      ...options,
      ifMatch: first.etag!,
    });
    const stale = s3.driver.put('key', chunks(randomBytes(size + 1)), {
      ...options,
      ifMatch: first.etag!,
    });
    await expect(stale).rejects.toThrow(StoragePreconditionFailedError);
    expect((await s3.driver.info('key', { signal })).etag).toBe(second.etag);
    const absent = s3.driver.put('absent', chunks(randomBytes(size)), {
      ...options,
      ifMatch: first.etag!,
    });
    await expect(absent).rejects.toThrow(StoragePreconditionFailedError);
    expect(s3.server.multipartUploads('bucket')).toEqual([]);
  });

  test('lets exactly one of 20 creators win', async () => {
    await using s3 = await openS3();
    const creators = Array.from({ length: 20 }, (_, index) =>
      s3.driver.put('key', Buffer.from(`creator ${index}`), putOptions({ ifNoneMatch: '*' })),
    );
    const results = await Promise.allSettled(creators);
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(won).toHaveLength(1);
    expect(`"${s3.server.objects('bucket').get('key')!.etag}"`).toBe(won[0]!.etag);
    const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    for (const reason of lost) expect(reason).toBeInstanceOf(StorageFileExistsError);
  });

  test('tries again when the service calls two writes a conflict', async () => {
    await using s3 = await openS3();
    s3.server.fail({
      operation: 'PutObject',
      times: 2,
      with: { status: 409, code: 'ConditionalRequestConflict' },
    });
    await s3.driver.put('key', Buffer.from('x'), putOptions({ ifNoneMatch: '*' }));
    expect(s3.server.requests.map(({ status }) => status)).toEqual([409, 409, 200]);
    s3.server.fail({
      operation: 'PutObject',
      times: 9,
      with: { status: 409, code: 'ConditionalRequestConflict' },
    });
    const lost = s3.driver.put('other', Buffer.from('x'), putOptions({ ifNoneMatch: '*' }));
    await expect(lost).rejects.toThrow(StorageFileExistsError);
  });

  test.each([
    [{ ifNoneMatch: '*' as const }, StorageFileExistsError],
    [{ ifMatch: '"of another"' }, StoragePreconditionFailedError],
  ])('is told of a conflict that ended its upload in parts: %j', async (condition, failure) => {
    await using s3 = await openS3();
    const answers = [
      { status: 409, code: 'ConditionalRequestConflict' },
      { status: 404, code: 'NoSuchUpload' },
    ];
    for (const answer of answers) {
      s3.server.fail({ operation: 'CompleteMultipartUpload', with: answer });
    }
    const body = chunks(randomBytes(PART + 1));
    const put = s3.driver.put('key', body, putOptions({ partSize: PART, ...condition }));
    await expect(put).rejects.toThrow(failure);
  });
});
