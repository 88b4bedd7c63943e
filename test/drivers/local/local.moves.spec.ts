import { randomBytes } from 'node:crypto';
import { readdir, rename, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import { MetadataFolder, type Recorded } from '../../../lib/drivers/local/local.metadata.js';
import {
  RESERVED,
  cleanUp,
  failure,
  listAll,
  openDriver,
  put,
  signal,
  text,
} from './local-fixture.js';

describe('moving in a local storage while another process writes', () => {
  let root: string;
  let driver: StorageDriver;
  let metadata: MetadataFolder;

  beforeEach(async () => {
    ({ root, driver } = await openDriver());
    metadata = new MetadataFolder(join(root, RESERVED, 'meta'), 0o600, 0o700, false);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await cleanUp();
  });

  /** What another process does, once, after the source was looked at and before it is renamed. */
  function beforeRename(act: () => Promise<void>): void {
    const mock = jest.spyOn(MetadataFolder.prototype, 'write');
    mock.mockImplementation(async function (this: MetadataFolder, ...args) {
      mock.mockRestore();
      await this.write(...args);
      await act();
    });
  }

  /** A version of another process, published under the key. */
  async function publish(key: string, bytes: string, recorded: Recorded): Promise<void> {
    const staged = join(root, RESERVED, `staged-${key}`);
    await writeFile(staged, bytes);
    await metadata.write(key, await stat(staged, { bigint: true }), recorded);
    await rename(staged, join(root, key));
  }

  it.each([undefined, '*'] as const)(
    'brings the metadata of the version that was put meanwhile (ifNoneMatch: %s)',
    async (ifNoneMatch) => {
      await put(driver, 'x', 'old', { metadata: { version: 'old' } });
      beforeRename(() => publish('x', 'newer', { metadata: { version: 'newer' } }));
      const file = await driver.copy('x', 'y', {
        signal,
        move: true,
        ...(ifNoneMatch && { ifNoneMatch }),
      });
      expect(file).toMatchObject({ size: 5, metadata: { version: 'newer' } });
      expect(await driver.info('y', { signal })).toEqual(file);
      expect(await text(driver, 'y')).toBe('newer');
      expect(await listAll(driver)).toEqual(['y']);
    },
  );

  it('does not find a source that was deleted meanwhile', async () => {
    await put(driver, 'x', 'old', { metadata: { a: 'b' } });
    beforeRename(() => unlink(join(root, 'x')));
    const error = await failure(driver.copy('x', 'folder/y', { signal, move: true }));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', key: 'x' });
    expect(await readdir(root)).toEqual([RESERVED]);
    expect(await metadata.read('folder/y', await stat(root, { bigint: true }))).toBeUndefined();
  });

  it('takes no metadata away when another process has moved it to the same place', async () => {
    await put(driver, 'x', 'old', { metadata: { a: 'b' } });
    beforeRename(() => rename(join(root, 'x'), join(root, 'y')));
    expect((await failure(driver.copy('x', 'y', { signal, move: true }))).code).toBe(
      'FILE_NOT_FOUND',
    );
    expect((await driver.info('y', { signal })).metadata).toEqual({ a: 'b' });
  });

  it('writes the metadata again that another process has withdrawn', async () => {
    await put(driver, 'x', 'old', { metadata: { a: 'b' } });
    const { ino, size, mtimeNs } = await stat(join(root, 'x'), { bigint: true });
    beforeRename(() => metadata.remove('y', { ino, size, mtimeNs }));
    await driver.copy('x', 'y', { signal, move: true });
    expect((await driver.info('y', { signal })).metadata).toEqual({ a: 'b' });
  });

  it('moves the last file of a folder that others remove at once, where folders are not held open', async () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform')!;
    Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' });
    const opened = await openDriver({ root, durability: 'full' }).finally(() => {
      Object.defineProperty(process, 'platform', platform);
    });
    await put(opened.driver, 'emptied/x', 'x');
    const mock = jest.spyOn(MetadataFolder.prototype, 'remove');
    mock.mockImplementation(async () => {
      mock.mockRestore();
      await rmdir(join(root, 'emptied'));
    });
    await opened.driver.copy('emptied/x', 'y', { signal, move: true });
    expect(await listAll(opened.driver)).toEqual(['y']);
  });

  it('loses no metadata for good, whoever moves and puts at once', async () => {
    // A second copy of the modules shares no locks with the first, as another process does not.
    jest.resetModules();
    const { createLocalDriver } = await import('../../../lib/drivers/local/local.driver.js');
    const other = await createLocalDriver(
      { root, durability: 'rename' },
      { storage: 'files', retry: parseRetryOptions(), concurrency: 4 },
    );
    const keys = ['d/a', 'd/b', 'e/a', 'x'];
    const pick = (): string => keys[Math.floor(Math.random() * keys.length)]!;
    const unexpected = new Set<string>();
    const work = async (worker: StorageDriver): Promise<void> => {
      for (let round = 0; round < 100; round++) {
        const bytes = randomBytes(1 + Math.floor(Math.random() * 9));
        const metadata = { bytes: bytes.toString('hex') };
        await put(worker, pick(), bytes, { metadata });
        const [from, to] = [pick(), pick()];
        if (from === to) continue;
        await worker.copy(from, to, { signal, move: true }).catch((error: unknown) => {
          const { code } = error as { code: string };
          if (code !== 'FILE_NOT_FOUND') unexpected.add(code);
        });
      }
    };
    await Promise.all([driver, driver, driver, other, other, other].map(work));
    await other.close();
    expect([...unexpected]).toEqual([]);
    for (const key of await listAll(driver)) {
      const { file, body } = await driver.get(key, { signal });
      expect(file.metadata).toEqual({ bytes: Buffer.from(body as Uint8Array).toString('hex') });
    }
  });
});
