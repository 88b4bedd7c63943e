import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { ContainerClient } from '@azure/storage-blob';
import { startChecksum, type Checksum } from '../../lib/core/checksum.js';
import { StorageIntegrityError, StorageUnsupportedError } from '../../lib/core/errors.js';
import type { Storage } from '../../lib/core/storage.js';
import type { S3StorageOptions } from '../../lib/drivers/s3/s3.options.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { type FaultProxy, startFaultProxy } from '../../lib/testing/fault-proxy/index.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { type Azurite, connectionString, startAzurite } from './azure/azurite.js';
import { gcsClient } from './gcs/open-gcs.js';

const execute = promisify(execFile);
const MIB = 1024 ** 2;
const SMALL = Buffer.alloc(10_000, 'sound and whole ');
const LARGE = Buffer.alloc(6 * MIB + 10, 'sound and whole ');
/** Within what is stored: whatever else is sent or answered is shorter, and passes whole. */
const OFFSET = 5000;

interface Backend extends AsyncDisposable {
  readonly storage: Storage;
  readonly proxy: FaultProxy;
}

let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite[Symbol.asyncDispose]());

const RETRY = { maxRetries: 1, baseDelay: 1 };
const BACKENDS: Readonly<Record<string, (s3?: Partial<S3StorageOptions>) => Promise<Backend>>> = {
  async s3(options) {
    const server = await startS3Server({ buckets: ['bucket'] });
    const proxy = await startFaultProxy({ target: server.endpoint });
    const storage = await openStorage('files', {
      driver: 's3',
      provider: 'aws',
      bucket: 'bucket',
      region: server.region,
      endpoint: proxy.endpoint,
      forcePathStyle: true,
      ...server.credentials,
      retry: RETRY,
      ...options,
    });
    return backend(storage, proxy, () => server.close());
  },
  async gcs() {
    const server = await startGcsServer({ buckets: ['bucket'] });
    const proxy = await startFaultProxy({ target: server.endpoint });
    const client = gcsClient({ ...server.clientOptions, apiEndpoint: proxy.endpoint });
    const storage = await openStorage('files', {
      driver: 'gcs',
      bucket: 'bucket',
      client,
      retry: RETRY,
    });
    return backend(storage, proxy, () => server.close());
  },
  async azure() {
    const container = randomUUID();
    await new ContainerClient(azurite.connectionString, container).create();
    const proxy = await startFaultProxy({ target: azurite.endpoint });
    const storage = await openStorage('files', {
      driver: 'azure',
      container,
      connectionString: connectionString(proxy.endpoint),
      retry: RETRY,
    });
    return backend(storage, proxy, async () => {});
  },
};

function backend(storage: Storage, proxy: FaultProxy, end: () => Promise<void>): Backend {
  return {
    storage,
    proxy,
    async [Symbol.asyncDispose]() {
      await storage.close();
      await proxy.close();
      await end();
    },
  };
}

function md5Of(bytes: Uint8Array): Checksum {
  const running = startChecksum('md5');
  running.update(bytes);
  return running.digest();
}

async function* inChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += MIB) yield bytes.subarray(at, at + MIB);
}

describe.each(Object.entries(BACKENDS))(
  'bytes that are damaged on the way, on %s',
  (_name, open) => {
    it('are refused by the service, and what was stored before stays', async () => {
      await using opened = await open();
      const { storage, proxy } = opened;
      await storage.put('old', 'before');
      proxy.fail({ times: Infinity, with: { corruptRequestAt: OFFSET } });
      await expect(storage.put('old', SMALL)).rejects.toThrow(StorageIntegrityError);
      const inParts = storage.put('old', inChunks(LARGE), { partSize: 5 * MIB });
      await expect(inParts).rejects.toThrow(StorageIntegrityError);
      proxy.clearFaults();
      expect((await storage.getBytes('old')).toString()).toBe('before');
    });

    it('are found at the end of a verified read, as a whole, as a stream and in ranges', async () => {
      await using opened = await open();
      const { storage, proxy } = opened;
      await storage.put('small', SMALL);
      await storage.put('large', LARGE, { checksum: md5Of(LARGE) });
      const options = { verify: true, concurrency: 2, partSize: 4 * MIB };
      expect((await storage.getBytes('large', options)).equals(LARGE)).toBe(true);
      proxy.fail({ times: Infinity, with: { corruptAnswerAt: OFFSET } });
      await expect(storage.getBytes('small', { verify: true })).rejects.toThrow(
        StorageIntegrityError,
      );
      const { stream } = await storage.get('large', { verify: true });
      await expect(buffer(stream)).rejects.toThrow(StorageIntegrityError);
      await expect(storage.getBytes('large', options)).rejects.toThrow(StorageIntegrityError);
    });
  },
);

describe('a small file of s3 that is damaged on the way', () => {
  it.each(['direct', 'sdk'] as const)(
    'fails the read that did not ask for it, which names the file, and the storage closes (%s)',
    async (engine) => {
      await using opened = await BACKENDS['s3']!({ engine });
      const { storage, proxy } = opened;
      await storage.put('small', 'no longer than the headers');
      proxy.fail({ times: Infinity, with: { corruptAnswerAt: 1 } });
      const error: unknown = await storage.getBytes('small').catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(StorageIntegrityError);
      expect(error).toMatchObject({ storage: 'files', key: 'small' });
    },
  );
});

describe('a file of which azure keeps no checksum', () => {
  it('is refused when its ranges are to be verified', async () => {
    await using opened = await BACKENDS['azure']!();
    const { storage } = opened;
    await storage.put('large', inChunks(LARGE));
    expect((await storage.info('large')).checksum).toBeUndefined();
    await expect(
      storage.getBytes('large', { verify: true, concurrency: 2, partSize: 4 * MIB }),
    ).rejects.toThrow(StorageUnsupportedError);
  });
});

describe('bytes that are damaged on the disk', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'damaged-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** As a disk does it that forgets: one bit, and neither size nor time. */
  async function rot(key: string): Promise<void> {
    const path = join(root, key);
    const times = join(root, 'times');
    // Node cannot set a time to the nanosecond.
    await execute('touch', ['-r', path, times]);
    const bytes = await readFile(path);
    bytes[bytes.byteLength - 1]! ^= 1;
    await writeFile(path, bytes);
    await execute('touch', ['-r', times, path]);
  }

  it('are found at the end of a verified read, whichever way the file came', async () => {
    await using storage = await openStorage('files', {
      driver: 'local',
      root,
      durability: 'rename',
      checksum: 'crc32',
    });
    await storage.put('small', SMALL);
    await storage.put('large', inChunks(LARGE));
    await storage.copy('large', 'copied');
    await storage.put('moving', SMALL);
    await storage.move('moving', 'moved');
    const joined = await storage.startMultipartUpload('joined');
    await storage.uploadPart(joined, 1, SMALL);
    await storage.uploadPart(joined, 2, SMALL);
    await storage.completeMultipartUpload(joined);
    const single = await storage.startMultipartUpload('single');
    await storage.uploadPart(single, 1, SMALL);
    await storage.completeMultipartUpload(single);
    for (const key of ['small', 'large', 'copied', 'moved', 'joined', 'single']) {
      const whole = await storage.getBytes(key, { verify: true });
      await rot(key);
      await expect(storage.getBytes(key, { verify: true })).rejects.toThrow(StorageIntegrityError);
      expect((await storage.getBytes(key)).byteLength).toBe(whole.byteLength);
    }
    const options = { verify: true, concurrency: 2, partSize: MIB };
    await expect(storage.getBytes('large', options)).rejects.toThrow(StorageIntegrityError);
  });

  it('cannot be found where no checksum is kept, and the read is refused', async () => {
    await using storage = await openStorage('files', {
      driver: 'local',
      root,
      durability: 'rename',
    });
    await storage.put('a', SMALL);
    await expect(storage.get('a', { verify: true })).rejects.toThrow(StorageUnsupportedError);
    await storage.put('b', SMALL, { checksum: md5Of(SMALL) });
    expect((await storage.getBytes('b', { verify: true })).equals(SMALL)).toBe(true);
  });
});
