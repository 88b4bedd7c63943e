import { StorageConfigurationError, StorageError } from '../../lib/core/errors.js';
import { Storage } from '../../lib/core/storage.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { withRetry } from '../../lib/core/retry.js';
import { recordingDriver } from '../nest/recording-driver.js';

const UPLOAD = { key: 'a', uploadId: 'u', partSize: 1 };

/** A call with arguments that no type allows. It must answer with a promise, whatever it is given. */
async function refusal(
  storage: Storage,
  method: Extract<keyof Storage, string>,
  ...given: unknown[]
): Promise<StorageError> {
  const call = storage[method] as (...args: unknown[]) => unknown;
  const answer = call.apply(storage, given);
  const promise =
    method === 'list' ? (answer as AsyncGenerator).next() : (answer as Promise<unknown>);
  try {
    await promise;
  } catch (error) {
    if (error instanceof StorageError) return error;
    throw error;
  }
  throw new Error(`${method} took it`);
}

describe('a URL', () => {
  test.each(['url', 'uploadUrl'] as const)(
    'is not signed for what %s() knows nothing of',
    async (method) => {
      const signingKeys = [{ id: 'one', secret: 'a secret of at least thirty-two bytes' }];
      const baseUrl = 'http://localhost';
      const storage = await openStorage('files', { driver: 'memory', baseUrl, signingKeys });
      for (const option of ['metadata', 'contentDisposition', 'ifMatch', 'toString', 'key']) {
        const error = await refusal(storage, method, 'a', { [option]: { owner: 'secret' } });
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
        expect(error.message).toContain(`${method}(): unknown option "${option}"; known are `);
        expect(error.message).not.toContain('secret');
      }
      const call = storage[method] as (key: string, options: object) => Promise<unknown>;
      await expect(call.call(storage, 'a', { metadata: undefined })).resolves.toBeDefined();
    },
  );
});

describe('every method of a storage', () => {
  // The arguments before the options.
  const METHODS = [
    ['put', 'a', 'x'],
    ['get', 'a'],
    ['getBytes', 'a'],
    ['info', 'a'],
    ['exists', 'a'],
    ['list', ''],
    ['listPage'],
    ['delete', 'a'],
    ['deleteMany', ['a']],
    ['deletePrefix', 'a'],
    ['copy', 'a', 'b'],
    ['move', 'a', 'b'],
    ['url', 'a'],
    ['uploadUrl', 'a'],
    ['startMultipartUpload', 'a'],
    ['uploadPart', UPLOAD, 1, 'x'],
    ['uploadPartUrl', UPLOAD, 1],
    ['listParts', UPLOAD],
    ['completeMultipartUpload', UPLOAD, undefined],
    ['abortMultipartUpload', UPLOAD],
  ] as const;

  it.each(METHODS)('rejects options of %s that are none', async (method, ...given) => {
    await using storage = await openStorage('uploads', { driver: 'memory' });
    for (const options of [null, 5, 'x', true, []]) {
      const error = await refusal(storage, method, ...given, options);
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', storage: 'uploads' });
      expect(error.message).toContain('options');
    }
  });

  it.each(METHODS)('rejects a signal of %s that is none', async (method, ...given) => {
    await using storage = await openStorage('uploads', { driver: 'memory' });
    for (const signal of [{}, 5, null, new AbortController()]) {
      const error = await refusal(storage, method, ...given, { signal });
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', storage: 'uploads' });
      expect(error.message).toContain('signal');
    }
  });

  it('leaves no call under way that it refused', async () => {
    const storage = await openStorage('uploads', { driver: 'memory' });
    await refusal(storage, 'put', 'a', 'x', { signal: {} });
    await refusal(storage, 'get', 'a', null);
    await expect(storage.close({ timeout: Infinity })).resolves.toBeUndefined();
  });

  it.each([
    ['put', ['a', 'x', { onProgress: 5 }], 'onProgress'],
    ['put', ['a', 'x', { onProgress: null }], 'onProgress'],
    ['put', ['a', 'x', { contentType: ['text/plain'] }], 'contentType'],
    ['put', ['a', 'x', { contentType: 5n }], 'contentType'],
    ['put', ['a', 'x', { contentType: null }], 'contentType'],
    ['put', ['a', 'x', { metadata: 5 }], 'metadata'],
    ['put', ['a', 'x', { metadata: ['a'] }], 'metadata'],
    ['put', ['a', 'x', { metadata: new Map([['a', 'b']]) }], 'metadata'],
    ['put', ['a', 'x', { checksum: '' }], 'checksum'],
    ['put', ['a', 'x', { checksum: null }], 'checksum'],
    ['put', ['a', 'x', { checksum: { algorithm: 'constructor', value: '' } }], 'algorithm'],
    ['put', ['a', 'x', { checksum: { algorithm: 'md5', value: Object.create(null) } }], 'value'],
    ['put', ['a', 'x', { size: Object.create(null) }], 'size'],
    ['put', ['a', 'x', { partSize: 5n }], 'partSize'],
    ['put', ['a', 'x', { concurrency: null }], 'concurrency'],
    ['get', ['a', { onProgress: 'x' }], 'onProgress'],
    ['copy', ['a', 'b', { contentType: ['text/plain'] }], 'contentType'],
    ['copy', ['a', 'b', { ifNoneMatch: '' }], 'ifNoneMatch'],
    ['list', ['', { limit: '5' }], 'limit'],
    ['listPage', [{ limit: null }], 'limit'],
    ['url', ['a', { disposition: 5 }], 'disposition'],
    ['url', ['a', { disposition: null }], 'disposition'],
    ['url', ['a', { disposition: 'attachment; filename=a' }], 'disposition'],
    ['url', ['a', { disposition: { type: 'inline' } }], 'disposition'],
    ['url', ['a', { disposition: { type: 'other', filename: 'a' } }], 'disposition'],
    ['url', ['a', { contentType: ['text/html'] }], 'contentType'],
    ['url', ['a', { expiresIn: 5n }], 'expiresIn'],
    ['uploadUrl', ['a', { checksum: '' }], 'checksum'],
    ['uploadUrl', ['a', { ifNoneMatch: '' }], 'ifNoneMatch'],
    ['uploadUrl', ['a', { size: '5' }], 'size'],
    ['startMultipartUpload', ['a', { size: 'abc' }], 'size'],
    ['startMultipartUpload', ['a', { size: Infinity }], 'size'],
    ['startMultipartUpload', ['a', { size: -1 }], 'size'],
    ['uploadPart', [UPLOAD, 1, 'x', { size: '5' }], 'size'],
    ['uploadPart', [UPLOAD, 1, 'x', { checksum: '' }], 'checksum'],
    ['uploadPart', [{}, 1, 'x'], 'upload'],
    ['uploadPart', [undefined, 1, 'x'], 'upload'],
    ['uploadPart', [{ key: 5, uploadId: 'u' }, 1, 'x'], 'upload'],
    ['uploadPartUrl', [UPLOAD, 1, { size: '5' }], 'size'],
    ['uploadPartUrl', [UPLOAD, 1, { checksum: '' }], 'checksum'],
    ['uploadPartUrl', [{}, 1], 'upload'],
    ['listParts', [null], 'upload'],
    ['completeMultipartUpload', [UPLOAD, [null]], 'part'],
    ['completeMultipartUpload', [UPLOAD, {}], 'parts'],
    ['completeMultipartUpload', [UPLOAD, null], 'parts'],
    ['completeMultipartUpload', [UPLOAD, 'parts'], 'parts'],
    ['close', [null], 'options'],
    ['close', [{ timeout: NaN }], 'timeout'],
    ['close', [{ timeout: -1 }], 'timeout'],
    ['close', [{ timeout: '10s' }], 'timeout'],
    ['close', [{ timeout: null }], 'timeout'],
  ] as const)('refuses %s(%j), naming the %s', async (method, given, name) => {
    await using storage = await openStorage('uploads', {
      driver: 'memory',
      baseUrl: 'https://example.com/files',
      signingKeys: [{ id: 'one', secret: 's'.repeat(32) }],
    });
    const error = await refusal(storage, method, ...given);
    expect(error.message).toContain(name);
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(storage.exists('a')).resolves.toBe(false);
  });

  it.each([
    ['put', ['a', 'x'], 'contenttype', 'contentType'],
    ['put', ['a', 'x'], 'ContentType', 'contentType'],
    ['put', ['a', 'x'], 'Content-Type', 'contentType'],
    ['put', ['a', 'x'], 'contentTpye', 'contentType'],
    ['put', ['a', 'x'], 'contentTyp', 'contentType'],
    ['put', ['a', 'x'], 'cache_control', 'cacheControl'],
    ['put', ['a', 'x'], 'ifnonematch', 'ifNoneMatch'],
    ['put', ['a', 'x'], 'metaData', 'metadata'],
    ['put', ['a', 'x'], 'Size', 'size'],
    ['stage', ['x'], 'metaData', 'metadata'],
    ['stage', ['x'], 'metaadata', 'metadata'],
    ['get', ['a'], 'ranges', 'range'],
    ['get', ['a'], 'ifmatch', 'ifMatch'],
    ['getBytes', ['a'], 'Verify', 'verify'],
    ['info', ['a'], 'Signal', 'signal'],
    ['list', [''], 'delimeter', 'delimiter'],
    ['list', [''], 'start_after', 'startAfter'],
    ['listPage', [], 'limits', 'limit'],
    ['listPage', [], 'prefixe', 'prefix'],
    ['delete', ['a'], 'ifmatch', 'ifMatch'],
    ['deletePrefix', ['b'], 'All', 'all'],
    ['sweep', [], 'dryrun', 'dryRun'],
    ['sweepStaged', [], 'olderThen', 'olderThan'],
    ['copy', ['a', 'b'], 'ifnonematch', 'ifNoneMatch'],
    ['move', ['a', 'b'], 'metaData', 'metadata'],
    ['startMultipartUpload', ['a'], 'part_size', 'partSize'],
    ['uploadPart', [UPLOAD, 1, 'x'], 'cheksum', 'checksum'],
    ['uploadPartUrl', [UPLOAD, 1], 'expires_in', 'expiresIn'],
    ['completeMultipartUpload', [UPLOAD, undefined], 'if-match', 'ifMatch'],
    ['resumeMultipartUpload', [UPLOAD, new Blob(['x'])], 'onprogress', 'onProgress'],
  ] as const)(
    'refuses %s(%j) with %s, which is meant for %s',
    async (method, given, name, meant) => {
      await using storage = await openStorage('uploads', { driver: 'memory' });
      await storage.put('a', 'before');
      const error = await refusal(storage, method, ...given, { [name]: 'a secret' });
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', operation: expect.any(String) });
      expect(error.reason).toBe(`There is no option "${name}": did you mean ${meant}?`);
      expect((await storage.getBytes('a')).toString()).toBe('before');
      const call = storage[method] as (...args: unknown[]) => unknown;
      if (method === 'put') await call.call(storage, ...given, { [name]: undefined });
    },
  );

  it('lets through what is no option, as of a file whose attributes are spread', async () => {
    await using storage = await openStorage('uploads', { driver: 'memory', checksum: 'sha256' });
    const attributes = { metadata: { title: 'A' }, cacheControl: 'no-cache' };
    const file = await storage.put('a.txt', 'hello', attributes);
    const others = { fieldname: 'f', mimetype: 'image/png', site: 1, sizes: [], progress: {} };
    const copy = {
      ...file,
      ...others,
      contentLength: 5,
      mata: 1,
      toString: 1,
      mtxadata: 1,
      mxeadata: 1,
    };
    await storage.put('b.txt', 'hello', copy);
    expect(await storage.info('b.txt')).toMatchObject(attributes);
  });

  it('supports no method of an upload URL that is none', async () => {
    await using storage = await openStorage('uploads', { driver: 'memory' });
    for (const method of ['DELETE', 'constructor', 5, Symbol('PUT')]) {
      const error = await refusal(storage, 'uploadUrl', 'a', { method });
      expect(error.code).toBe('UNSUPPORTED');
    }
  });

  it('refuses a prefix of the wrong type, and deletes nothing', async () => {
    await using storage = await openStorage('uploads', { driver: 'memory' });
    await storage.put('a', 'x');
    for (const prefix of [null, 0, []]) {
      await refusal(storage, 'deletePrefix', prefix, { all: true });
    }
    expect(await storage.exists('a')).toBe(true);
  });
});

describe('withRetry', () => {
  it.each([
    [null, 'options'],
    [5, 'options'],
    [{ maxRetry: 0 }, 'maxRetry'],
    [{ maxRetries: true }, 'maxRetries'],
  ])('refuses the options %j before the first attempt', async (options, name) => {
    let attempts = 0;
    const attempt = async (): Promise<void> => void attempts++;
    const failure = withRetry(attempt, options as never);
    await expect(failure).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(failure).rejects.toThrow(name);
    expect(attempts).toBe(0);
  });
});

describe('a driver of your own', () => {
  it.each(['put', 'list', 'deleteMany', 'uploadUrl', 'abortMultipartUpload', 'close'] as const)(
    'is refused without the method %s, which the error names',
    async (method) => {
      const { driver } = await recordingDriver(() => ({ [method]: undefined }));
      expect(() => new Storage(driver)).toThrow(StorageConfigurationError);
      expect(() => new Storage(driver)).toThrow(method);
    },
  );

  it('is refused without capabilities, limits and a name', async () => {
    const { capabilities } = (await recordingDriver()).driver;
    const broken: [object, string][] = [
      [{ capabilities: null }, 'capabilities'],
      [{ capabilities: {} }, 'limits'],
      [{ capabilities: { ...capabilities, limits: null } }, 'limits'],
      [{ capabilities: { ...capabilities, limits: {} } }, 'limits.'],
      [{ capabilities: { ...capabilities, signedUploads: undefined } }, 'signedUploads'],
      [{ capabilities: { ...capabilities, signedParts: undefined } }, 'signedParts'],
      [{ name: '' }, 'name'],
    ];
    for (const [change, named] of broken) {
      const { driver } = await recordingDriver(() => change);
      expect(() => new Storage(driver)).toThrow(StorageConfigurationError);
      expect(() => new Storage(driver)).toThrow(named);
    }
  });

  it.each([[null], [undefined], [5]])('is refused when it is %p', (driver) => {
    expect(() => new Storage(driver as unknown as StorageDriver)).toThrow(
      StorageConfigurationError,
    );
  });

  it('is refused with options that are none', async () => {
    const { driver } = await recordingDriver();
    for (const options of [null, 5, []]) {
      expect(() => new Storage(driver, options as never)).toThrow(StorageError);
    }
    expect(() => new Storage(driver, { name: 5 as never })).toThrow(StorageError);
  });
});
