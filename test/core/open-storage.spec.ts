import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DRIVER_CALLS } from '../../lib/core/driver-contract.js';
import {
  StorageConfigurationError,
  StorageError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
} from '../../lib/core/errors.js';
import { Storage } from '../../lib/core/storage.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

const open = (configuration: unknown): Promise<Storage> =>
  openStorage('uploads', configuration as StorageConfiguration);

async function failure(configuration: unknown): Promise<StorageError> {
  try {
    await open(configuration);
  } catch (error) {
    if (error instanceof StorageError) return error;
    throw error;
  }
  throw new Error('it was opened');
}

describe('openStorage', () => {
  it('opens a storage under its name', async () => {
    await using storage = await openStorage('uploads', { driver: 'memory' });
    expect(storage).toBeInstanceOf(Storage);
    expect(storage.name).toBe('uploads');
    expect(storage.driver).toBe('memory');
    expect(storage.client).toBeUndefined();
  });

  it('refuses a driver that it does not know, and names those that it does', async () => {
    for (const driver of ['ftp', 'constructor', '']) {
      const error = await failure({ driver });
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toContain('"uploads"');
      expect(error.message).toMatch(/memory, local, s3/);
    }
  });

  it.each([[undefined], [null], ['memory'], [5]])('refuses the configuration %p', async (given) => {
    expect(await failure(given)).toBeInstanceOf(StorageConfigurationError);
  });

  it.each([[undefined], [null], [{}], [{ put() {} }], [5]])(
    'refuses the driver %p',
    async (driver) => {
      const error = await failure({ driver });
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toContain('driver');
    },
  );

  it('names all that a driver lacks, in one error', async () => {
    const { driver } = await recordingDriver();
    const { limits } = driver.capabilities;
    const whole = { name: 'x', capabilities: { ...driver.capabilities, limits } };
    const methods = Object.fromEntries(Object.keys(DRIVER_CALLS).map((key) => [key, () => {}]));
    const { url: _url, uploadPart: _uploadPart, ...others } = methods;
    const unlimited = { ...whole.capabilities, limits: { ...limits, maxParts: undefined } };
    const lacking = { name: '', ...others, capabilities: { ...unlimited, signedParts: true } };
    expect((await failure({ driver: lacking })).message).toContain(
      'its name must be a string; it has no url(), uploadPart(), close(); ' +
        'capabilities.limits.maxParts must be a number; capabilities.signedParts must be a list, or false',
    );
    expect((await failure({ driver: { ...lacking, name: 5 } })).message).toContain(
      'its name must be a string; ',
    );
    expect((await failure({ driver: { ...whole, ...methods } })).message).toMatch(
      /StorageDriver: it has no close\(\) \(/,
    );
  });

  it('refuses an option that the driver does not take, by its name', async () => {
    for (const [driver, option] of [
      ['memory', 'root'],
      ['memory', 'maxsize'],
      ['local', 'bucket'],
      ['s3', 'acl'],
      ['memory', 'constructor'],
    ] as const) {
      const error = await failure({ driver, [option]: 'x' });
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toContain(`unknown option "${option}"`);
      expect(error.message).toContain(`${driver} driver`);
    }
  });

  it('refuses the options of a built-in driver beside one of your own', async () => {
    const memory = await open({ driver: 'memory' });
    const own = { name: 'own', capabilities: memory.capabilities, put() {} };
    const error = await failure({ driver: own, maxSize: 5 });
    expect(error.message).toContain('unknown option "maxSize"; the storage takes');
  });

  it.each([
    [{ expiresIn: 'soon' }, 'expiresIn'],
    [{ expiresIn: '' }, 'expiresIn'],
    [{ timeout: '' }, 'timeout'],
    [{ timeout: -1 }, 'timeout'],
    [{ totalTimeout: 0 }, 'totalTimeout'],
    [{ totalTimeout: null }, 'totalTimeout'],
    [{ concurrency: 0 }, 'concurrency'],
    [{ concurrency: '4' }, 'concurrency'],
    [{ maxObjectSize: '5 apples' }, 'maxObjectSize'],
    [{ publicUrl: 'not a url' }, 'publicUrl'],
    [{ concurrency: null }, 'concurrency'],
    [{ timeout: null }, 'timeout'],
    [{ expiresIn: null }, 'expiresIn'],
    [{ maxObjectSize: null }, 'maxObjectSize'],
    [{ publicUrl: 5 }, 'publicUrl'],
    [{ publicUrl: null }, 'publicUrl'],
    [{ prefix: 5 }, 'prefix'],
    [{ prefix: null }, 'prefix'],
    [{ retry: null }, 'retry'],
    [{ retry: false }, 'retry'],
    [{ retry: 5 }, 'retry'],
    [{ retry: 'no' }, 'retry'],
    [{ retry: [] }, 'retry'],
    [{ retry: { maxRetry: 0 } }, 'retry.maxRetry'],
    [{ retry: { maxRetries: -1 } }, 'retry.maxRetries'],
    [{ retry: { maxRetries: true } }, 'retry.maxRetries'],
    [{ retry: { maxRetries: 1.5 } }, 'retry.maxRetries'],
    [{ retry: { maxRetries: null } }, 'retry.maxRetries'],
    [{ retry: { baseDelay: true } }, 'retry.baseDelay'],
    [{ retry: { jitter: 5 } }, 'retry.jitter'],
  ])('refuses %j by the name of the option and of the storage', async (options, name) => {
    const error = await failure({ driver: 'memory', ...options });
    expect(error).toBeInstanceOf(StorageInvalidArgumentError);
    expect(error.message).toContain(name);
    expect(error.storage).toBe('uploads');
  });

  it("calls a driver's option that is not well-formed a matter of configuration, as no caller can mend it", async () => {
    const error = await failure({ driver: 'memory', maxSize: 'much' });
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain('maxSize');
    expect(error.storage).toBe('uploads');
  });

  it.each([[undefined], [null], [5], [Symbol('uploads')]])(
    'refuses %p as the name of a storage',
    async (name) => {
      const opened = openStorage(name as unknown as string, { driver: 'memory' });
      await expect(opened).rejects.toThrow(StorageInvalidArgumentError);
      await expect(opened).rejects.toThrow('name');
    },
  );

  const KEYS = [{ id: 'one', secret: 's'.repeat(32) }];
  const URL_BASE = 'https://example.com/files';
  it.each<[object, string]>([
    [{ baseUrl: URL_BASE }, 'signingKeys'],
    [{ signingKeys: KEYS }, 'baseUrl'],
    [{ baseUrl: 5, signingKeys: KEYS }, 'baseUrl'],
    [{ baseUrl: '/files', signingKeys: KEYS }, 'baseUrl'],
    [{ baseUrl: 'ftp://example.com', signingKeys: KEYS }, 'baseUrl'],
    [{ baseUrl: 'https:files', signingKeys: KEYS }, 'baseUrl'],
    [{ baseUrl: `${URL_BASE}?a=b`, signingKeys: KEYS }, 'baseUrl'],
    [{ baseUrl: `${URL_BASE}#`, signingKeys: KEYS }, 'baseUrl'],
    [{ baseUrl: URL_BASE, signingKeys: 's'.repeat(32) }, 'signingKeys'],
    [{ baseUrl: URL_BASE, signingKeys: KEYS[0] }, 'signingKeys'],
    [{ baseUrl: URL_BASE, signingKeys: [] }, 'signingKeys'],
    [{ baseUrl: URL_BASE, signingKeys: [null] }, 'signingKeys'],
    [{ baseUrl: URL_BASE, signingKeys: ['s'.repeat(32)] }, 'signingKeys'],
    [{ baseUrl: URL_BASE, signingKeys: [{ ...KEYS[0], id: 5 }] }, 'signingKeys'],
    [{ baseUrl: URL_BASE, signingKeys: [{ id: 'one' }] }, 'signingKeys'],
    [{ baseUrl: URL_BASE, signingKeys: [{ id: 'one', secret: 5 }] }, 'signingKeys'],
    [{ baseUrl: URL_BASE, signingKeys: [{ id: 'one', secret: KEYS }] }, 'signingKeys'],
  ])('refuses to sign with %j, on either driver that signs by itself', async (options, name) => {
    const root = await mkdtemp(join(tmpdir(), 'open-storage-'));
    for (const driver of [{ driver: 'memory' }, { driver: 'local', root }]) {
      const error = await failure({ ...driver, ...options });
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toContain(name);
      expect(error.storage).toBe('uploads');
    }
    await rm(root, { recursive: true });
  });

  it('refuses a prefix that could begin no key', async () => {
    for (const prefix of ['/', '../', 'a//']) {
      expect(await failure({ driver: 'memory', prefix })).toBeInstanceOf(StorageInvalidKeyError);
    }
  });

  it('refuses signing keys that are too short, and tells no secret', async () => {
    const secret = 'sesame-open';
    const error = await failure({
      driver: 'memory',
      baseUrl: 'https://example.com',
      signingKeys: [{ id: 'one', secret }],
    });
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(JSON.stringify(error) + String(error.stack)).not.toContain(secret);
  });
});
