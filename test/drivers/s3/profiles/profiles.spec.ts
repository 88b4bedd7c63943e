import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import type { StorageDriver, UploadUrl } from '../../../../lib/core/storage-driver.js';
import { S3_PROFILES, type S3Provider } from '../../../../lib/drivers/s3/s3.profiles.js';
import { type S3TestServer, startS3Server } from '../../../../lib/testing/s3-server/index.js';
import { resolveLoopbackNames } from '../../../testing/s3-server/loopback-names.js';
import { chunks, listAll, openDriver, PART, putOptions, read, signal } from '../open-s3.js';
import { wireFields, wireRequest, wireUrl } from './wire.js';

/** Written anew with UPDATE_GOLDEN=1; what has changed is then for a reader to judge. */
const UPDATE = process.env['UPDATE_GOLDEN'] === '1';

let undo: () => void;
beforeAll(() => {
  undo = resolveLoopbackNames();
});
afterAll(() => undo());

describe('on the wire is what the golden file of the profile has', () => {
  test.each(Object.keys(S3_PROFILES) as S3Provider[])('%s', async (provider) => {
    const path = `${import.meta.dirname}/${provider}.json`;
    const recorded = await record(provider);
    if (UPDATE) await writeFile(path, `${JSON.stringify(recorded, undefined, 2)}\n`);
    if (!existsSync(path)) throw new Error(`${path} is missing: write it with UPDATE_GOLDEN=1`);
    expect(recorded).toEqual(JSON.parse(await readFile(path, 'utf8')));
  });
});

type Driver = StorageDriver<S3Client>;

/** What each operation sends, by name; `'unsupported'` where the driver does not claim it. */
async function record(provider: S3Provider): Promise<Record<string, unknown>> {
  await using server = await startS3Server({ provider });
  const driver = await openDriver(server, {
    provider,
    endpoint: server.endpoint.replace('127.0.0.1', 'localhost'),
    forcePathStyle: undefined,
    // One after the other, so that the order is always the same.
    concurrency: 1,
    multipartCopyThreshold: PART,
  });
  const recorded: Record<string, unknown> = {};
  try {
    for (const [name, run] of Object.entries(OPERATIONS)) {
      server.clearRequests();
      const seen = await run(driver);
      recorded[name] = seen ?? requestsOf(server);
    }
  } finally {
    await driver.close();
  }
  return recorded;
}

function requestsOf({ requests }: S3TestServer): unknown {
  expect(requests.filter(({ status = 0 }) => status >= 400)).toEqual([]);
  return requests.map(wireRequest);
}

const SMALL = Buffer.from('hello');
const LARGE = Buffer.alloc(PART + 1, 'x');
const CRC32 = { algorithm: 'crc32', value: 'NhCmhg==' } as const;
const ATTRIBUTES = { contentType: 'text/plain', metadata: { owner: 'me' } };

/** Each sees what the ones before have stored. Answers what it wants recorded instead of its requests. */
const OPERATIONS: Readonly<Record<string, (driver: Driver) => Promise<unknown>>> = {
  async 'put of bytes'(driver) {
    await driver.put('small', SMALL, putOptions(ATTRIBUTES));
  },
  async 'put of a stream shorter than a part'(driver) {
    await driver.put('stream', chunks(SMALL), putOptions());
  },
  async 'put of a stream longer than a part'(driver) {
    await driver.put('large-stream', chunks(LARGE), putOptions(ATTRIBUTES));
  },
  async 'put with a checksum'(driver) {
    const value = 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=';
    await driver.put('checked', SMALL, putOptions({ checksum: { algorithm: 'sha256', value } }));
  },
  async 'put that only creates'(driver) {
    if (!driver.capabilities.createOnly) return 'unsupported';
    await driver.put('created', SMALL, putOptions({ ifNoneMatch: '*' }));
  },
  async 'put of parts that only creates'(driver) {
    if (!driver.capabilities.createOnly) return 'unsupported';
    await driver.put('created-large', chunks(LARGE), putOptions({ ifNoneMatch: '*' }));
  },
  async 'put that replaces one version'(driver) {
    if (!driver.capabilities.compareAndSet) return 'unsupported';
    const { etag = '' } = await driver.put('version', SMALL, putOptions());
    await driver.put('version', SMALL, putOptions({ ifMatch: etag }));
  },
  async get(driver) {
    await read(await driver.get('small', { signal }));
  },
  async 'get of a range'(driver) {
    await read(await driver.get('small', { signal, range: { start: 1, end: 2 } }));
  },
  async info(driver) {
    await driver.info('small', { signal });
  },
  async list(driver) {
    await listAll(driver, { prefix: 's', delimiter: '/', startAfter: 'sa' });
  },
  async copy(driver) {
    await driver.copy('small', 'copy', { signal });
  },
  async 'copy with other attributes'(driver) {
    await driver.copy('small', 'copy', { signal, contentType: 'text/html' });
  },
  async 'copy that only creates'(driver) {
    if (!driver.capabilities.createOnlyCopy) return 'unsupported';
    await driver.copy('small', 'created-copy', { signal, ifNoneMatch: '*' });
  },
  async 'copy of more than the threshold'(driver) {
    await driver.put('large', LARGE, putOptions());
    await driver.copy('large', 'large-copy', { signal });
  },
  async deleteMany(driver) {
    const keys = ['small', 'copy'].slice(0, driver.capabilities.limits.deleteBatch);
    await driver.deleteMany(keys, { signal });
  },
  async 'signed GET'(driver) {
    const contentDisposition = 'attachment';
    return wireUrl(await driver.url('small', { signal, expiresIn: 60, contentDisposition }));
  },
  async 'signed PUT'(driver) {
    const { PUT } = driver.capabilities.signedUploads;
    if (!PUT) return 'unsupported';
    const upload = await driver.uploadUrl('signed', {
      signal,
      method: 'PUT',
      expiresIn: 60,
      contentType: 'text/plain',
      size: SMALL.byteLength,
      ...(PUT.includes('createOnly') && { ifNoneMatch: '*' }),
    });
    return wireUpload(upload);
  },
  async 'signed part'(driver) {
    const { signedParts } = driver.capabilities;
    if (!signedParts) return 'unsupported';
    const part = await driver.uploadPartUrl({ key: 'signed', uploadId: 'an-upload' }, 1, {
      signal,
      expiresIn: 60,
      size: SMALL.byteLength,
      ...(signedParts.includes('checksum') && { checksum: CRC32 }),
    });
    return wireUpload(part);
  },
  async 'signed POST'(driver) {
    const { POST } = driver.capabilities.signedUploads;
    if (!POST) return 'unsupported';
    const upload = await driver.uploadUrl('signed', {
      signal,
      method: 'POST',
      expiresIn: 60,
      contentType: 'text/plain',
      maxSize: 1000,
    });
    return wireUpload(upload);
  },
};

function wireUpload({ url, headers, fields }: UploadUrl): unknown {
  return { url: wireUrl(url), headers, ...(fields && { fields: wireFields(fields) }) };
}
