import {
  StorageConfigurationError,
  StorageError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
} from '../../lib/core/errors.js';
import { Storage } from '../../lib/core/storage.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { openStorage } from '../../lib/drivers/open-storage.js';

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
    [{ concurrency: 0 }, 'concurrency'],
    [{ concurrency: '4' }, 'concurrency'],
    [{ maxObjectSize: '5 apples' }, 'maxObjectSize'],
    [{ publicUrl: 'not a url' }, 'publicUrl'],
    [{ retry: { maxRetries: -1 } }, 'retry.maxRetries'],
    [{ maxSize: 'much' }, 'maxSize'],
  ])('refuses %j by the name of the option and of the storage', async (options, name) => {
    const error = await failure({ driver: 'memory', ...options });
    expect(error).toBeInstanceOf(StorageInvalidArgumentError);
    expect(error.message).toContain(name);
    expect(error.storage).toBe('uploads');
  });

  it('refuses a prefix that could begin no key', async () => {
    for (const prefix of ['/', '../', 'a//', 5]) {
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
