import { Agent } from 'node:http';
import { Readable } from 'node:stream';
import { S3Client, UploadPartCopyCommand } from '@aws-sdk/client-s3';
import {
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StorageNotModifiedError,
} from '../../lib/core/errors.js';
import type { Storage } from '../../lib/core/storage.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { RawBucket } from './battery/request.js';
import { describeRadosgw, type Radosgw, startRadosgw } from './radosgw.js';

const MIB = 1024 ** 2;

describeRadosgw('the s3 driver on radosgw', () => {
  let radosgw: Radosgw;
  let bucket: RawBucket;
  let client: S3Client;
  let storage: Storage;
  const hosts = new Set<string>();
  const httpAgent = new Agent({
    // Not every resolver knows the names below localhost (RFC 6761 §6.3).
    lookup(host, { all }, done) {
      hosts.add(host);
      if (all) done(null, [{ address: '127.0.0.1', family: 4 }]);
      else done(null, '127.0.0.1', 4);
    },
  });

  beforeAll(async () => {
    radosgw = await startRadosgw();
    bucket = await RawBucket.create(radosgw);
    client = new S3Client({
      endpoint: `http://s3.localhost:${radosgw.port}`,
      region: radosgw.region,
      credentials: radosgw.credentials,
      forcePathStyle: false,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      maxAttempts: 1,
      requestHandler: { httpAgent },
    });
    storage = await openStorage('files', {
      driver: 's3',
      provider: 'ceph',
      bucket: bucket.name,
      client,
      concurrency: 1,
      multipartCopyThreshold: 5 * MIB,
    });
  });

  afterAll(async () => {
    await storage?.close();
    client?.destroy();
    httpAgent.destroy();
    await radosgw?.close();
  });

  it('reaches the bucket by the name of its host', async () => {
    await storage.put('ä b/c', 'hello');
    expect((await storage.getBytes('ä b/c')).toString()).toBe('hello');
    expect([...hosts]).toEqual([`${bucket.name}.s3.localhost`]);
  });

  it("knows '*' in conditions of reads", async () => {
    await storage.put('conditions', 'hello');
    const longAgo = new Date(0);
    const any = await storage.get('conditions', { ifMatch: '*', ifUnmodifiedSince: longAgo });
    expect(await any.text()).toBe('hello');
    await expect(storage.get('conditions', { ifNoneMatch: '*' })).rejects.toThrow(
      StorageNotModifiedError,
    );
    for (const conditions of [{ ifMatch: '*' }, { ifNoneMatch: '*' }]) {
      await expect(storage.get('missing', conditions)).rejects.toThrow(StorageFileNotFoundError);
    }
  });

  it('tells one time of a file, wherever it tells it', async () => {
    await storage.put('times/from', 'hello');
    const copied = await storage.copy('times/from', 'times/to');
    const { files } = await storage.listPage({ prefix: 'times/to' });
    const { lastModified } = await storage.info('times/to');
    expect(copied.lastModified).toEqual(lastModified);
    expect(files.map((file) => file.lastModified)).toEqual([lastModified]);
  });

  it('tells an upload that is not there from a service that is broken', async () => {
    const upload = await storage.startMultipartUpload('uploads/a');
    const part = await storage.uploadPart(upload, 1, 'hello');
    await storage.abortMultipartUpload(upload);
    await expect(storage.completeMultipartUpload(upload, [part])).rejects.toThrow(
      StorageFileNotFoundError,
    );
  });

  it('names the reason where radosgw has no words', async () => {
    const upload = await storage.startMultipartUpload('uploads/b');
    const part = await storage.uploadPart(upload, 1, 'one');
    await storage.uploadPart(upload, 2, 'two');
    const completed = storage.completeMultipartUpload(upload, [part]);
    await expect(completed).rejects.toThrow(StorageInvalidArgumentError);
    await expect(completed).rejects.toThrow('InvalidPart');
    await storage.abortMultipartUpload(upload);
  });

  it.each(['direct', 'sdk'] as const)('takes the requests of the engine "%s"', async (engine) => {
    await using own = await openStorage('own', {
      driver: 's3',
      provider: 'ceph',
      bucket: bucket.name,
      endpoint: `http://127.0.0.1:${radosgw.port}`,
      region: radosgw.region,
      forcePathStyle: true,
      prefix: `engines/${engine}/`,
      engine,
      accessKeyId: radosgw.credentials.accessKeyId,
      secretAccessKey: radosgw.credentials.secretAccessKey,
    });
    const key = `ü & <b> "c" 'd'+e.txt`;
    const stored = await own.put(key, 'hello', { metadata: { owner: 'Zoë' } });
    expect(await own.info(key)).toMatchObject({ size: 5, etag: stored.etag });
    const download = await own.get(key, { range: { start: 1, end: 3 } });
    expect(download.file.metadata).toEqual({ owner: 'Zoë' });
    expect(await download.text()).toBe('ell');
    await expect(own.get(key, { ifNoneMatch: stored.etag! })).rejects.toThrow(
      StorageNotModifiedError,
    );
    const large = Buffer.alloc(11 * MIB, 'x');
    await own.put('folder/large', Readable.from([large]));
    expect((await own.getBytes('folder/large')).equals(large)).toBe(true);
    const { files, prefixes } = await own.listPage({ delimiter: '/' });
    expect([files.map((file) => file.key), prefixes]).toEqual([[key], ['folder/']]);
    expect(await own.deleteMany([key, 'folder/large', 'missing'])).toMatchObject({ failed: [] });
    await own.delete('missing');
    await expect(own.info(key)).rejects.toThrow(StorageFileNotFoundError);
  });

  it('copies one version in parts, even when the source is replaced meanwhile', async () => {
    const [first, second] = ['1', '2'].map((byte) => Buffer.alloc(11 * MIB, byte));
    await storage.put('large/from', first!);
    let copiedParts = 0;
    client.middlewareStack.add(
      (next, { commandName }) =>
        async (args) => {
          if (commandName === UploadPartCopyCommand.name && ++copiedParts === 2) {
            await storage.put('large/from', second!);
          }
          return next(args);
        },
      { step: 'initialize', name: 'replaceSource' },
    );
    try {
      await storage.copy('large/from', 'large/to');
    } finally {
      client.middlewareStack.remove('replaceSource');
    }
    expect((await storage.getBytes('large/to')).equals(second!)).toBe(true);
    expect(copiedParts).toBe(6);
  });
});
