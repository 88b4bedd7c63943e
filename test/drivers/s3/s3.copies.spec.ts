import {
  StorageAbortedError,
  StorageConnectionError,
  StorageFileExistsError,
  StorageFileNotFoundError,
} from '../../../lib/core/errors.js';
import { MIB, ODD_KEYS, openS3, PART, putOptions, randomBytes, signal } from './open-s3.js';

const ATTRIBUTES = {
  ...putOptions({ contentType: 'text/css', metadata: { author: 'Zoë', kind: 'x' } }),
  cacheControl: 'no-store',
};

describe('copy', () => {
  test('keeps the attributes and tells what info tells', async () => {
    await using s3 = await openS3();
    await s3.driver.put('from', Buffer.from('body'), ATTRIBUTES);
    const file = await s3.driver.copy('from', 'to', { signal });
    expect(file).toEqual(await s3.driver.info('to', { signal }));
    expect(file).toMatchObject({
      contentType: 'text/css',
      cacheControl: 'no-store',
      metadata: ATTRIBUTES.metadata,
    });
  });

  test('replaces what is given and keeps the rest', async () => {
    await using s3 = await openS3();
    await s3.driver.put('from', Buffer.from('body'), ATTRIBUTES);
    const file = await s3.driver.copy('from', 'to', {
      signal,
      metadata: { other: '1' },
      contentLanguage: 'fr',
    });
    expect(file).toEqual(await s3.driver.info('to', { signal }));
    expect(file).toMatchObject({
      contentType: 'text/css',
      cacheControl: 'no-store',
      contentLanguage: 'fr',
    });
    expect(file.metadata).toEqual({ other: '1' });
  });

  test('copies odd keys onto odd keys', async () => {
    await using s3 = await openS3();
    for (const key of ODD_KEYS) {
      await s3.driver.put(key, Buffer.from(key), putOptions());
      await s3.driver.copy(key, `copy of/${key}`, { signal });
      expect(s3.server.objects('bucket').get(`copy of/${key}`)?.body.toString()).toBe(key);
    }
  });

  test('refuses a source that is not there', async () => {
    await using s3 = await openS3();
    await expect(s3.driver.copy('none', 'to', { signal })).rejects.toThrow(
      StorageFileNotFoundError,
    );
  });

  test('copies the version that it has read, also when the source is replaced meanwhile', async () => {
    await using s3 = await openS3();
    await s3.driver.put('from', Buffer.from('old'), putOptions({ contentType: 'text/plain' }));
    const copying = s3.driver.copy('from', 'to', { signal });
    await s3.server.until(({ requests }) =>
      requests.some((r) => r.operation === 'HeadObject' && r.status === 200),
    );
    const [file] = await Promise.all([
      copying,
      s3.driver.put('from', Buffer.from('newer'), putOptions({ contentType: 'text/html' })),
    ]);
    expect(file).toEqual(await s3.driver.info('to', { signal }));
    const copied = s3.server.objects('bucket').get('to')!;
    expect([
      ['old', 'text/plain'],
      ['newer', 'text/html'],
    ]).toContainEqual([copied.body.toString(), copied.contentType]);
  });

  test('creates only, where it is asked to', async () => {
    await using s3 = await openS3({ multipartCopyThreshold: PART });
    await s3.driver.put('small', Buffer.from('s'), putOptions());
    await s3.driver.put('large', randomBytes(2 * PART), putOptions({ partSize: 16 * MIB }));
    for (const from of ['small', 'large']) {
      await s3.driver.copy(from, `${from} copy`, { signal, ifNoneMatch: '*' });
      const again = s3.driver.copy(from, `${from} copy`, { signal, ifNoneMatch: '*' });
      await expect(again).rejects.toThrow(StorageFileExistsError);
    }
    expect(s3.server.multipartUploads('bucket')).toEqual([]);
  });

  test('takes a 200 that carries an error for the error that it is', async () => {
    await using s3 = await openS3();
    await s3.driver.put('from', Buffer.from('body'), putOptions());
    s3.server.fail({ operation: 'CopyObject', with: '200-with-error' });
    await s3.driver.copy('from', 'to', { signal });
    s3.server.fail({ operation: 'CopyObject', times: Infinity, with: '200-with-error' });
    await expect(s3.driver.copy('from', 'other', { signal })).rejects.toThrow(
      StorageConnectionError,
    );
  });
});

describe('copy above the threshold', () => {
  test('goes in parts, with all attributes', async () => {
    await using s3 = await openS3({ multipartCopyThreshold: PART, server: { maxCopySize: PART } });
    const bytes = randomBytes(3 * PART + 100);
    await s3.driver.put('from', bytes, { ...ATTRIBUTES, partSize: 16 * MIB });
    const file = await s3.driver.copy('from', 'to', { signal, contentType: 'text/html' });
    expect(s3.server.objects('bucket').get('to')?.body.equals(bytes)).toBe(true);
    expect(file).toEqual(await s3.driver.info('to', { signal }));
    expect(file).toMatchObject({
      contentType: 'text/html',
      cacheControl: 'no-store',
      metadata: ATTRIBUTES.metadata,
    });
    expect(
      s3.server.requests.filter(({ operation }) => operation === 'UploadPartCopy'),
    ).toHaveLength(4);
  });

  test('leaves nothing when a part fails', async () => {
    await using s3 = await openS3({ multipartCopyThreshold: PART });
    await s3.driver.put('from', randomBytes(3 * PART), putOptions({ partSize: 16 * MIB }));
    s3.server.fail({ operation: 'UploadPartCopy', after: 1, times: Infinity, with: 'reset' });
    await expect(s3.driver.copy('from', 'to', { signal })).rejects.toThrow(StorageConnectionError);
    expect(s3.server.multipartUploads('bucket')).toEqual([]);
    expect(s3.server.objects('bucket').has('to')).toBe(false);
  });

  test.each(['CreateMultipartUpload', 'UploadPartCopy', 'CompleteMultipartUpload'] as const)(
    'leaves nothing when it is aborted during %s',
    async (operation) => {
      await using s3 = await openS3({ multipartCopyThreshold: PART, server: { latency: 20 } });
      await s3.driver.put('from', randomBytes(3 * PART), putOptions({ partSize: 16 * MIB }));
      if (operation !== 'CreateMultipartUpload')
        s3.server.fail({ operation, times: Infinity, with: 'stall' });
      const abort = new AbortController();
      const copying = s3.driver.copy('from', 'to', { signal: abort.signal });
      await s3.server.until(({ requests }) =>
        requests.some((request) => request.operation === operation),
      );
      abort.abort();
      await expect(copying).rejects.toThrow(StorageAbortedError);
      expect(s3.server.multipartUploads('bucket')).toEqual([]);
      expect(s3.server.objects('bucket').has('to')).toBe(false);
    },
  );
});
