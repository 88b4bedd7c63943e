import { StorageInvalidKeyError } from '../../lib/core/errors.js';
import { Storage } from '../../lib/core/storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

const BODY = Buffer.from('x');

/** A storage over a backend that holds the reserved folder of a local driver, as a copy of its root would. */
async function openWithReserved(): Promise<{
  storage: Storage;
  keys: () => Promise<string[]>;
}> {
  const { driver, keys } = await recordingDriver();
  const { signal } = new AbortController();
  for (const key of ['.nestjs-storages/s/a', '.NestJS-Storages/b', '.nestjs/c', '.n', 'd']) {
    const attributes = { contentType: 'text/plain', metadata: {} };
    await driver.put(key, BODY, { signal, ...attributes });
  }
  return { storage: new Storage(driver), keys };
}

async function listed(storage: Storage, prefix?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(prefix)) keys.push(key);
  return keys;
}

describe("the driver's own folder", () => {
  it.each([
    ['.', 'nestjs-storages/'],
    ['.nestjs-storage', 's/'],
    ['.nestjs-', 'storages/s'],
    ['.NestJS-', 'Storages/'],
  ])('is not reached through the scope %j with the prefix %j', async (scope, prefix) => {
    const { storage, keys } = await openWithReserved();
    const scoped = storage.scope(scope);
    await expect(listed(scoped, prefix)).rejects.toThrow(StorageInvalidKeyError);
    await expect(scoped.listPage({ prefix })).rejects.toThrow(StorageInvalidKeyError);
    await expect(scoped.deletePrefix(prefix)).rejects.toThrow(StorageInvalidKeyError);
    expect(() => scoped.scope(prefix)).toThrow(StorageInvalidKeyError);
    expect(await keys()).toHaveLength(5);
  });

  it('yields no keys to a shorter prefix', async () => {
    const { storage } = await openWithReserved();
    expect(await listed(storage)).toEqual(['.n', '.nestjs/c', 'd']);
    expect(await listed(storage, '.')).toEqual(['.n', '.nestjs/c']);
    expect(await listed(storage.scope('.nest'))).toEqual(['js/c']);
    const page = await storage.listPage({ delimiter: '/' });
    expect(page.files.map(({ key }) => key)).toEqual(['.n', 'd']);
    expect(page.prefixes).toEqual(['.nestjs/']);
  });

  it('is not emptied with a shorter prefix', async () => {
    const { storage, keys } = await openWithReserved();
    expect(await storage.deletePrefix('.nestjs')).toMatchObject({ deleted: 1 });
    expect(await storage.deletePrefix('', { all: true })).toMatchObject({ deleted: 2 });
    expect((await keys()).sort()).toEqual(['.NestJS-Storages/b', '.nestjs-storages/s/a']);
  });

  it('is no place for keys at any depth: a root in a root has another one', async () => {
    const { driver, keys } = await recordingDriver();
    const { signal } = new AbortController();
    for (const key of ['a/.nestjs-storages/meta/b', 'a/.nestjs-storages-2/c', 'a/d']) {
      await driver.put(key, BODY, { signal, contentType: 'text/plain', metadata: {} });
    }
    const storage = new Storage(driver);
    expect(await listed(storage)).toEqual(['a/.nestjs-storages-2/c', 'a/d']);
    const page = await storage.listPage({ prefix: 'a/', delimiter: '/' });
    expect(page.prefixes).toEqual(['a/.nestjs-storages-2/']);
    await expect(storage.get('a/.nestjs-storages/meta/b')).rejects.toThrow(StorageInvalidKeyError);
    await expect(storage.scope('a/.nestjs-').get('storages/meta/b')).rejects.toThrow(/reserved/);
    expect(await storage.deletePrefix('a/')).toMatchObject({ deleted: 2 });
    expect(await keys()).toEqual(['a/.nestjs-storages/meta/b']);
  });

  it('is the only thing that a joined prefix may not reach; a folder that is named alike is another', async () => {
    const { storage } = await openWithReserved();
    await storage.put('.nestjs-storages-2/e', 'x');
    expect(await listed(storage.scope('.nestjs-'), 'storages-')).toEqual(['storages-2/e']);
    await expect(listed(storage.scope('a/.'), './b')).rejects.toThrow(StorageInvalidKeyError);
  });
});
