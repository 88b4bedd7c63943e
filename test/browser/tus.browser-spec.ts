import { createHash } from 'node:crypto';
import type { Server } from 'node:http';
import type { Browser } from 'playwright-core';
import { BACKENDS } from '../direct/direct-fixture.js';
import { closeApps } from '../nest/app-fixture.js';
import { removeFolders } from '../routes/routes-fixture.js';
import { published, startTus } from '../tus/tus-fixture.js';
import { launchBrowser, openContext } from './browser.js';
import { bundleClients, openUploadPage, UploadPageController } from './upload-page.js';

const MIB = 1024 ** 2;
const SIZE = 24 * MIB;

/** What `upload-clients.js` gives the page. */
interface Clients {
  readonly sentByTus: number;
  readonly cutsOfTus: number;
  uploadWithTus(
    size: number,
    options?: { pauseAt: number },
  ): Promise<{ isPaused: boolean; offsets: number[]; sha256: string }>;
}

let browser: Browser;
let clients: string;

beforeAll(async () => {
  clients = await bundleClients();
  browser = await launchBrowser();
});
afterEach(async () => {
  await closeApps();
  await removeFolders();
});
afterAll(() => browser.close());

test.each(['local', 's3'])(
  'tus-js-client uploads to %s, and goes on after a pause, in another page, and after a cut of the network',
  async (name) => {
    await using backend = await BACKENDS[name]!();
    const { app, storage, port } = await startTus({
      configuration: backend.configuration,
      options: { accept: ['image/*'], partSize: '5mb' },
      metadata: { controllers: [UploadPageController] },
    });
    await using context = await openContext(browser);
    const page = await context.newPage();
    const network = await context.newCDPSession(page);
    const cut = (offline: boolean): Promise<unknown> =>
      network.send('Network.emulateNetworkConditions', {
        offline,
        latency: 0,
        downloadThroughput: -1,
        // Slow enough for the network to be cut long before the end.
        uploadThroughput: offline ? -1 : 4 * MIB,
      });
    const upload = (options?: { pauseAt: number }): ReturnType<Clients['uploadWithTus']> =>
      page.evaluate(
        ([size, given]) => (globalThis as unknown as Clients).uploadWithTus(size, given),
        [SIZE, options] as const,
      );
    await network.send('Network.enable');
    await cut(false);

    await openUploadPage(page, port, clients);
    expect(await upload({ pauseAt: 8 * MIB })).toMatchObject({ isPaused: true, offsets: [] });
    expect(await published(storage)).toEqual([]);

    // Another page goes on with it.
    await openUploadPage(page, port, clients);
    const uploaded = upload();
    await page.waitForFunction(
      (sent) => (globalThis as unknown as Clients).sentByTus >= sent,
      12 * MIB,
    );
    await cut(true);
    // Offline, Chromium begins no request, but it does not end those under way.
    (app.getHttpServer() as Server).closeAllConnections();
    await page.waitForFunction(() => (globalThis as unknown as Clients).cutsOfTus > 0);
    await cut(false);
    const { offsets, sha256 } = await uploaded;
    expect(offsets.length).toBeGreaterThan(1);
    expect(offsets[0]).toBeGreaterThan(0);
    expect(offsets.at(-1)).toBeGreaterThan(offsets[0]!);

    const [key, ...others] = await published(storage);
    expect(others).toEqual([]);
    const hash = createHash('sha256').update(await storage.getBytes(key!));
    expect(hash.digest('hex')).toBe(sha256);
  },
);
