import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';

const run = promisify(execFile);
const LOADER = pathToFileURL(join(import.meta.dirname, '../leaks/register.js')).href;
const PROGRAM = join(import.meta.dirname, 'loaded-packages.ts');
const SDKS = ['@aws-sdk/client-s3', '@google-cloud/storage', '@azure/storage-blob'];
const OF_SDKS = /^(@aws-sdk|@smithy|@google-cloud|google-auth-library|gaxios|@azure)(\/|$)/;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'loaded-sdks-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** What an app has loaded that has opened this one storage, in a process of its own. */
async function loadedBy(configuration: StorageConfiguration): Promise<string[]> {
  const { stdout } = await run(process.execPath, [
    '--import',
    LOADER,
    PROGRAM,
    JSON.stringify(configuration),
  ]);
  const packages = JSON.parse(stdout) as string[];
  expect(packages).toContain('@nestjs/core');
  return packages;
}

describe('an app with one storage', () => {
  it.each(['local', 'memory'] as const)('loads nothing of any SDK with %s', async (driver) => {
    const packages = await loadedBy(driver === 'local' ? { driver, root } : { driver });
    expect(packages.filter((name) => OF_SDKS.test(name))).toEqual([]);
  });

  // The SDKs that are loaded are seen, so those that are not seen were not loaded.
  it.each<[string, StorageConfiguration]>([
    [
      '@aws-sdk/client-s3',
      { driver: 's3', bucket: 'b', region: 'eu-central-1', accessKeyId: 'a', secretAccessKey: 'b' },
    ],
    [
      '@google-cloud/storage',
      { driver: 'gcs', bucket: 'b', apiEndpoint: 'http://127.0.0.1:1', projectId: 'p' },
    ],
    [
      '@azure/storage-blob',
      {
        driver: 'azure',
        container: 'docs',
        accountName: 'a',
        accountKey: Buffer.alloc(64, 1).toString('base64'),
      },
    ],
  ])('loads %s, and the SDK of no other driver', async (sdk, configuration) => {
    const packages = await loadedBy(configuration);
    expect(packages.filter((name) => SDKS.includes(name))).toEqual([sdk]);
  });
});
