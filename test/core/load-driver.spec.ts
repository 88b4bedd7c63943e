import { jest } from '@jest/globals';
import { StorageConfigurationError } from '../../lib/core/errors.js';

/** What opening a storage rejects with when its driver's module cannot be loaded. */
async function failure(driver: 'memory' | 's3', thrown: unknown): Promise<unknown> {
  jest.resetModules();
  jest.unstable_mockModule(`../../lib/drivers/${driver}/${driver}.driver.js`, () => {
    throw thrown;
  });
  const { openStorage } = await import('../../lib/drivers/open-storage.js');
  const options = driver === 's3' ? { driver, bucket: 'b', region: 'x' } : { driver };
  return openStorage('uploads', options as { driver: 'memory' }).catch((error: unknown) => error);
}

const missing = (message: string, code: string): Error =>
  Object.assign(new Error(message), { code });

describe('a driver that cannot be loaded', () => {
  it.each([
    ["Cannot find package '@aws-sdk/client-s3' imported from /app/s3.js", 'ERR_MODULE_NOT_FOUND'],
    ["Cannot find module '@aws-sdk/client-s3'\nRequire stack:\n- /app/s3.js", 'MODULE_NOT_FOUND'],
    [
      "Cannot find package '@aws-sdk/s3-request-presigner' imported from /a', b",
      'MODULE_NOT_FOUND',
    ],
  ])('says what to install when %j', async (message, code) => {
    const cause = missing(message, code);
    const error = await failure('s3', cause);
    expect(error).toMatchObject({ name: StorageConfigurationError.name, cause });
    expect((error as Error).message).toContain(
      'npm install @aws-sdk/client-s3 @aws-sdk/s3-request-presigner',
    );
  });

  it.each([
    ['s3', "Cannot find package '@smithy/x' imported from /node_modules/@aws-sdk/client-s3/a.js"],
    ['s3', "Cannot find module '/node_modules/@aws-sdk/client-s3/a.js' imported from /b.js"],
    ['memory', "Cannot find module '/app/memory.options.js' imported from /app/memory.driver.js"],
  ] as const)('tells nobody to install what is there: %s, %j', async (driver, message) => {
    const cause = missing(message, 'ERR_MODULE_NOT_FOUND');
    const error = await failure(driver, cause);
    expect(error).toMatchObject({ name: StorageConfigurationError.name, cause });
    expect((error as Error).message).not.toContain('npm install');
    expect((error as Error).message).toContain(message);
  });

  it('tells of whatever else went wrong', async () => {
    const cause = new SyntaxError('Unexpected token');
    const error = await failure('memory', cause);
    expect(error).toMatchObject({ name: StorageConfigurationError.name, cause });
    expect((error as Error).message).toContain('Unexpected token');
  });
});
