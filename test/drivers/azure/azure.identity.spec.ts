import { jest } from '@jest/globals';

test.each(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])(
  'without the package that finds credentials (%s) a storage says what to install',
  async (code) => {
    jest.resetModules();
    jest.unstable_mockModule('@azure/identity', () => {
      throw Object.assign(new Error("Cannot find package '@azure/identity'"), { code });
    });
    const { openStorage } = await import('../../../lib/drivers/open-storage.js');
    const opened = openStorage('docs', { driver: 'azure', container: 'files', accountName: 'ann' });
    await expect(opened).rejects.toThrow('npm install @azure/identity');
  },
);

test('a package that finds credentials and cannot be loaded is not said to be missing', async () => {
  const cause = new Error('Its own fault');
  jest.resetModules();
  jest.unstable_mockModule('@azure/identity', () => {
    throw cause;
  });
  const { openStorage } = await import('../../../lib/drivers/open-storage.js');
  const opened = openStorage('docs', { driver: 'azure', container: 'files', accountName: 'ann' });
  await expect(opened).rejects.toMatchObject({
    message: expect.stringContaining('could not be made'),
    cause,
  });
});
