import {
  StorageConfigurationError,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StoragePreconditionFailedError,
} from '../../../lib/core/errors.js';
import { openDriver, openS3, PART, putOptions, randomBytes, signal } from './open-s3.js';

const SMALL_PARTS = { server: { minPartSize: 1 } };

describe('an explicit multipart upload', () => {
  test('joins the parts in order, with the attributes', async () => {
    await using s3 = await openS3();
    const options = putOptions({ contentType: 'video/mp4', metadata: { title: 'Ø' } });
    const upload = {
      key: 'ö/key',
      uploadId: await s3.driver.startMultipartUpload('ö/key', options),
    };
    const bytes = randomBytes(PART + 10);
    const last = await s3.driver.uploadPart(upload, 2, bytes.subarray(PART), { signal });
    const first = await s3.driver.uploadPart(upload, 1, bytes.subarray(0, PART), { signal });
    expect(last).toMatchObject({ partNumber: 2, size: 10 });
    expect(await s3.driver.listParts(upload, { signal })).toEqual([first, last]);
    const file = await s3.driver.completeMultipartUpload(upload, [first, last], { signal });
    expect(file).toEqual(await s3.driver.info('ö/key', { signal }));
    expect(file).toMatchObject({
      size: PART + 10,
      contentType: 'video/mp4',
      metadata: { title: 'Ø' },
    });
    expect(s3.server.objects('bucket').get('ö/key')?.body.equals(bytes)).toBe(true);
  });

  test('goes on in another process', async () => {
    await using s3 = await openS3(SMALL_PARTS);
    const upload = {
      key: 'key',
      uploadId: await s3.driver.startMultipartUpload('key', putOptions()),
    };
    await s3.driver.uploadPart(upload, 1, Buffer.from('one'), { signal });
    const other = await openDriver(s3.server);
    await other.uploadPart(upload, 1, Buffer.from('1'), { signal });
    await other.uploadPart(upload, 7, Buffer.from('7'), { signal });
    await other.completeMultipartUpload(upload, await other.listParts(upload, { signal }), {
      signal,
    });
    expect(s3.server.objects('bucket').get('key')?.body.toString()).toBe('17');
    await other.close();
  });

  test('lists more parts than one page holds', async () => {
    await using s3 = await openS3(SMALL_PARTS);
    const upload = {
      key: 'key',
      uploadId: await s3.driver.startMultipartUpload('key', putOptions()),
    };
    const numbers = Array.from({ length: 1005 }, (_, index) => index + 1);
    await Promise.all(
      numbers.map((n) => s3.driver.uploadPart(upload, n, Buffer.from('x'), { signal })),
    );
    const parts = await s3.driver.listParts(upload, { signal });
    expect(parts.map(({ partNumber }) => partNumber)).toEqual(numbers);
  });

  test('is listed over pages that end between uploads to one key, though all on them are aborted', async () => {
    await using s3 = await openS3();
    const { driver, server } = s3;
    driver.client.middlewareStack.add(
      (next, { commandName }) =>
        ({ input }) =>
          next({
            input:
              commandName === 'ListMultipartUploadsCommand' ? { ...input, MaxUploads: 2 } : input,
          }),
      { step: 'initialize' },
    );
    const keys = ['a/1', 'a/ü +', 'a/ü +', 'a/ü +', 'a/ü +', 'b'];
    for (const key of keys) await driver.startMultipartUpload(key, putOptions());
    const pages: string[][] = [];
    for await (const page of driver.listMultipartUploads({ prefix: 'a/', signal })) {
      pages.push(page.map(({ key }) => key));
      for (const upload of page) await driver.abortMultipartUpload(upload, { signal });
    }
    expect(pages).toEqual([['a/1', 'a/ü +'], ['a/ü +', 'a/ü +'], ['a/ü +']]);
    expect(server.multipartUploads('bucket').map(({ key }) => key)).toEqual(['b']);
  });

  test('obeys conditions when it is completed', async () => {
    await using s3 = await openS3(SMALL_PARTS);
    const begin = async () => {
      const upload = {
        key: 'key',
        uploadId: await s3.driver.startMultipartUpload('key', putOptions()),
      };
      return {
        upload,
        parts: [await s3.driver.uploadPart(upload, 1, Buffer.from('x'), { signal })],
      };
    };
    const created = await begin();
    const first = await s3.driver.completeMultipartUpload(created.upload, created.parts, {
      signal,
      ifNoneMatch: '*',
    });
    const { upload, parts } = await begin();
    const complete = (conditions: object) =>
      s3.driver.completeMultipartUpload(upload, parts, { signal, ...conditions });
    await expect(complete({ ifNoneMatch: '*' })).rejects.toThrow(StorageFileExistsError);
    await expect(complete({ ifMatch: '"other"' })).rejects.toThrow(StoragePreconditionFailedError);
    await complete({ ifMatch: first.etag });
  });

  test.each([
    ['may not be looked at', { status: 403, code: 'AccessDenied' }],
    ['cannot be looked at', { status: 503, code: 'SlowDown' }],
  ])('is completed although its file %s', async (_, effect) => {
    await using s3 = await openS3({ ...SMALL_PARTS, retry: { maxRetries: 0 } });
    const { driver, server } = s3;
    const upload = { key: 'key', uploadId: await driver.startMultipartUpload('key', putOptions()) };
    const parts = [
      await driver.uploadPart(upload, 1, Buffer.from('one'), { signal }),
      await driver.uploadPart(upload, 2, Buffer.from('two'), { signal }),
    ];
    server.fail({ operation: 'HeadObject', with: effect });
    const file = await driver.completeMultipartUpload(upload, parts, { signal });
    const { etag, size } = await driver.info('key', { signal });
    expect(file).toMatchObject({ key: 'key', etag, size });
  });

  test('that is completed is not taken for a newer file, and tells so where its size is not known', async () => {
    await using s3 = await openS3({ ...SMALL_PARTS, engine: 'sdk', retry: { maxRetries: 0 } });
    const { driver, server } = s3;
    const other = await openDriver(server);
    for (const [listed, outcome] of [
      [true, { value: { size: 4 } }],
      [false, { reason: { retryable: false } }],
    ] as const) {
      const uploadId = await driver.startMultipartUpload('key', putOptions());
      const upload = { key: 'key', uploadId };
      const part = await driver.uploadPart(upload, 1, Buffer.from('mine'), { signal });
      if (!listed) {
        server.fail({ operation: 'ListParts', with: { status: 403, code: 'AccessDenied' } });
      }
      driver.client.middlewareStack.add(
        (next, { commandName }) =>
          async (args) => {
            if (commandName === 'HeadObjectCommand') {
              await other.put('key', Buffer.from('a newer one'), putOptions());
            }
            return next(args);
          },
        { name: 'newer', step: 'initialize', override: true },
      );
      const completion = driver.completeMultipartUpload(upload, [part], { signal });
      expect((await Promise.allSettled([completion]))[0]).toMatchObject(outcome);
    }
    await other.close();
  });

  test('that is completed is over, and is not completed again', async () => {
    await using s3 = await openS3(SMALL_PARTS);
    const upload = {
      key: 'key',
      uploadId: await s3.driver.startMultipartUpload('key', putOptions()),
    };
    const part = await s3.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
    await s3.driver.completeMultipartUpload(upload, [part], { signal });
    const again = s3.driver.completeMultipartUpload(upload, [part], { signal });
    await expect(again).rejects.toThrow(StorageFileNotFoundError);
  });

  test('is not there once it is aborted, and aborting it again is no error', async () => {
    await using s3 = await openS3(SMALL_PARTS);
    const upload = {
      key: 'key',
      uploadId: await s3.driver.startMultipartUpload('key', putOptions()),
    };
    const part = await s3.driver.uploadPart(upload, 1, Buffer.from('x'), { signal });
    await s3.driver.abortMultipartUpload(upload, { signal });
    await s3.driver.abortMultipartUpload(upload, { signal });
    expect(s3.server.multipartUploads('bucket')).toEqual([]);
    const gone = [
      () => s3.driver.uploadPart(upload, 1, Buffer.from('x'), { signal }),
      () => s3.driver.listParts(upload, { signal }),
      () => s3.driver.completeMultipartUpload(upload, [part], { signal }),
    ];
    for (const call of gone) {
      const error = await call().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StorageFileNotFoundError);
      expect((error as Error).message).toContain('The multipart upload is not there');
    }
  });

  test('is kept when completing it is refused', async () => {
    await using s3 = await openS3();
    const upload = {
      key: 'key',
      uploadId: await s3.driver.startMultipartUpload('key', putOptions()),
    };
    const parts = [
      await s3.driver.uploadPart(upload, 1, Buffer.from('too small'), { signal }),
      await s3.driver.uploadPart(upload, 2, Buffer.from('x'), { signal }),
    ];
    await expect(s3.driver.completeMultipartUpload(upload, parts, { signal })).rejects.toThrow(
      StorageInvalidArgumentError,
    );
    expect(await s3.driver.listParts(upload, { signal })).toHaveLength(2);
  });

  test('needs a bucket', async () => {
    await using s3 = await openS3({ bucket: 'nowhere' });
    await expect(s3.driver.startMultipartUpload('key', putOptions())).rejects.toThrow(
      StorageConfigurationError,
    );
  });
});
