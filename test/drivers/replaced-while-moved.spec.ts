import { randomUUID } from 'node:crypto';
import { StoragePreconditionFailedError } from '../../lib/core/errors.js';
import type { Storage } from '../../lib/core/storage.js';
import { createStorage } from '../../lib/drivers/open-storage.js';
import { type FaultProxy, startFaultProxy } from '../../lib/testing/fault-proxy/index.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { type Azurite, connectionString, startAzurite } from './azure/azurite.js';

interface Opened extends AsyncDisposable {
  /** By way of the proxy. */
  readonly storage: Storage;
  readonly other: Storage;
  readonly proxy: FaultProxy;
}

async function openS3(provider: 'aws' | 'ceph'): Promise<Opened> {
  const server = await startS3Server({ provider });
  const proxy = await startFaultProxy({ target: server.endpoint });
  const { region, credentials } = server;
  const options = {
    driver: 's3',
    bucket: 'bucket',
    provider,
    region,
    forcePathStyle: true,
  } as const;
  const open = (endpoint: string) =>
    createStorage('files', { ...options, ...credentials, endpoint });
  return withDisposal(open(proxy.endpoint), open(server.endpoint), proxy, server);
}

async function openGcs(): Promise<Opened> {
  const server = await startGcsServer({ anonymous: true });
  const proxy = await startFaultProxy({ target: server.endpoint });
  const { projectId } = server;
  const open = (apiEndpoint: string) =>
    createStorage('files', { driver: 'gcs', bucket: 'bucket', projectId, apiEndpoint });
  return withDisposal(open(proxy.endpoint), open(server.endpoint), proxy, server);
}

let azurite: Azurite | undefined;
afterAll(() => azurite?.[Symbol.asyncDispose]());

async function openAzure(): Promise<Opened> {
  azurite ??= await startAzurite();
  const { origin, pathname } = new URL(azurite.endpoint);
  const container = randomUUID();
  const proxy = await startFaultProxy({ target: origin });
  const open = (endpoint: string) =>
    createStorage('files', {
      driver: 'azure',
      container,
      connectionString: connectionString(endpoint),
    });
  const storage = open(proxy.endpoint + pathname);
  const other = open(azurite.endpoint);
  await other.open();
  await other.client.create();
  return withDisposal(storage, other, proxy);
}

function withDisposal(
  storage: Storage,
  other: Storage,
  proxy: FaultProxy,
  server?: { close(): Promise<void> },
): Opened {
  return {
    storage,
    other,
    proxy,
    async [Symbol.asyncDispose]() {
      await Promise.all([storage.close(), other.close()]);
      await proxy.close();
      await server?.close();
    },
  };
}

describe.each([
  ['s3 that decides deletions by a condition', () => openS3('aws'), 'DELETE'],
  // What is stored between the look and the deletion is lost.
  ['s3 that does not', () => openS3('ceph'), 'HEAD'],
  ['gcs', openGcs, 'DELETE'],
  ['azure', openAzure, 'DELETE'],
] as const)('a source on %s that is replaced while it is moved', (_name, open, method) => {
  /** As the last request before the version is deleted, or the one that does it. */
  const asLast = (opened: Opened, times: number, replace: () => Promise<unknown>): void => {
    // The first look is that of the copy itself.
    const after = method === 'HEAD' ? 1 : 0;
    const before = async (): Promise<void> => void (await replace());
    opened.proxy.fail({ method, after, times, with: { before } });
  };

  test('is moved, too', async () => {
    await using opened = await open();
    const { storage, other } = opened;
    await other.put('a', 'old');
    asLast(opened, 1, () => other.put('a', 'new'));
    expect(await storage.move('a', 'b')).toMatchObject({ key: 'b', size: 3 });
    expect((await other.getBytes('b')).toString()).toBe('new');
    expect(await other.exists('a')).toBe(false);
  });

  test('stays when it is replaced each time, and when the move may only create', async () => {
    await using opened = await open();
    const { storage, other, proxy } = opened;
    let version = 0;
    await other.put('a', 'version 0');
    asLast(opened, Infinity, () => other.put('a', `version ${++version}`));
    await expect(storage.move('a', 'b')).rejects.toThrow(StoragePreconditionFailedError);
    expect((await other.getBytes('a')).toString()).toBe(`version ${version}`);
    proxy.clearFaults();
    if (!storage.capabilities.createOnlyCopy) return;
    asLast(opened, 1, () => other.put('a', 'newest'));
    const move = storage.move('a', 'c', { ifNoneMatch: '*' });
    await expect(move).rejects.toThrow(/replaced while it was moved: it stays/);
    expect((await other.getBytes('a')).toString()).toBe('newest');
  });
});
