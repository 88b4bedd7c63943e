import { jest } from '@jest/globals';

// In a file of its own: what is mocked stays so.
test.each([
  ['s3', '@aws-sdk/client-s3', { driver: 's3', bucket: 'b', region: 'x' }],
  ['gcs', '@google-cloud/storage', { driver: 'gcs', bucket: 'b' }],
  ['azure', '@azure/storage-blob', { driver: 'azure', container: 'docs', accountName: 'ann' }],
])('a missing SDK of %s is named with the command that installs it', async (_, sdk, given) => {
  jest.resetModules();
  jest.unstable_mockModule(sdk, () => {
    throw Object.assign(new Error(`Cannot find package '${sdk}' imported from /app/a.js`), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
  });
  const { openStorage } = await import('../../lib/drivers/open-storage.js');
  const { reason } = await openStorage('photos', given as { driver: 'memory' }).then(
    () => ({ reason: 'it has opened' }),
    (error: { reason: string }) => error,
  );
  expect(reason).toMatch(/^Storage "photos" uses the \w+ driver, .*: npm install @/);
  expect(reason).toContain(sdk);
});
