import { createHash } from 'node:crypto';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { type Backend, BACKENDS, type DirectApp, startDirect } from '../direct/direct-fixture.js';
import { closeApps } from '../nest/app-fixture.js';
import { removeFolders } from '../routes/routes-fixture.js';
import { launchBrowser, openContext } from './browser.js';
import { bundleClients, openUploadPage, UploadPageController } from './upload-page.js';

const MIB = 1024 ** 2;

/** What `upload-clients.js` gives the page. */
interface Clients {
  postJson(path: string, body?: unknown): Promise<{ key: string; size: number }>;
  uploadWithActiveStorage(size: number, path: string): Promise<string>;
  uploadWithUppy(
    size: number,
    options: { companion: boolean; multipart: boolean; pauses?: boolean },
  ): Promise<{
    body: { key: string; location: string };
    sha256: string;
    pauses: number;
    progress: number[];
  }>;
}

let browser: Browser;
let clients: string;
let context: BrowserContext;
let page: Page;
let backend: Backend;
let app: DirectApp;

beforeAll(async () => {
  clients = await bundleClients();
  browser = await launchBrowser();
});
afterAll(() => browser.close());
beforeEach(async () => {
  context = await openContext(browser);
  page = await context.newPage();
});
afterEach(async () => {
  await context.close();
  await closeApps();
  await backend[Symbol.asyncDispose]();
  await removeFolders();
});

/** An app on the backend, and a page of it with the clients. */
async function start(name: string): Promise<void> {
  backend = await BACKENDS[name]!();
  app = await startDirect(
    backend.configuration,
    {
      accept: ['image/*'],
      maxSize: '200mb',
      activeStorage: { path: '/rails/active_storage/direct_uploads' },
      companion: { path: '/companion' },
    },
    { controllers: [UploadPageController] },
  );
  await openUploadPage(page, app.port, clients);
}

function run<Name extends keyof Clients>(
  name: Name,
  ...args: Parameters<Clients[Name]>
): Promise<Awaited<ReturnType<Clients[Name]>>> {
  return page.evaluate(
    ([method, given]) =>
      (globalThis as unknown as Record<string, (...args: unknown[]) => unknown>)[method]!(
        ...given,
      ) as never,
    [name as string, args as unknown[]] as const,
  );
}

/** In hexadecimal, as the page tells it. */
async function hashOf(key: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of await app.storage.get(key)) hash.update(chunk);
  return hash.digest('hex');
}

test.each(['memory', 'local', 's3', 'gcs', 'azure'])(
  'the client of Active Storage uploads to %s',
  async (name) => {
    await start(name);
    const id = await run(
      'uploadWithActiveStorage',
      3 * MIB,
      '/rails/active_storage/direct_uploads',
    );
    const file = await app.uploads.complete(id, 'nobody');
    expect(file).toMatchObject({
      size: 3 * MIB,
      contentType: 'image/png',
      metadata: { filename: 'a picture.png' },
    });
    // Attached again, as by a form that is sent twice.
    expect((await app.uploads.complete(id, 'nobody')).etag).toBe(file.etag);
    expect([await app.keys(), await app.staged()]).toEqual([[file.key], []]);
  },
);

describe.each(['s3', 'local'])('Uppy on %s', (name) => {
  test('uploads in one request that signRequest signs', async () => {
    await start(name);
    const { body, sha256 } = await run('uploadWithUppy', MIB, {
      companion: false,
      multipart: false,
    });
    const { key } = await run('postJson', `/direct-uploads/${body.key}/complete`);
    expect(await hashOf(key)).toBe(sha256);
    expect([await app.keys(), await app.staged()]).toEqual([[key], []]);
  });

  test('uploads in parts that signRequest signs, and goes on after a pause', async () => {
    await start(name);
    const { body, sha256, pauses, progress } = await run('uploadWithUppy', 16 * MIB, {
      companion: false,
      multipart: true,
      pauses: true,
    });
    expect(pauses).toBe(4);
    expect(progress.at(-1)).toBe(16 * MIB);
    const { key } = await run('postJson', `/direct-uploads/${body.key}/complete`);
    expect(await hashOf(key)).toBe(sha256);
    expect([await app.keys(), await app.staged()]).toEqual([[key], []]);
  });

  test('uploads by a form of the Companion routes', async () => {
    await start(name);
    const { body, sha256 } = await run('uploadWithUppy', MIB, {
      companion: true,
      multipart: false,
    });
    const { key } = await run('postJson', '/direct-uploads/complete', { key: body.key });
    expect(await hashOf(key)).toBe(sha256);
    expect([await app.keys(), await app.staged()]).toEqual([[key], []]);
  });

  test('uploads in parts by the Companion routes, and goes on after a pause', async () => {
    await start(name);
    const { body, sha256 } = await run('uploadWithUppy', 12 * MIB, {
      companion: true,
      multipart: true,
      pauses: true,
    });
    expect(await hashOf(body.key)).toBe(sha256);
    expect([await app.keys(), await app.staged()]).toEqual([[body.key], []]);
  });
});

test('Uppy uploads 120 MiB to S3 although the network is cut and restored', async () => {
  await start('s3');
  const { s3 } = backend;
  const network = await context.newCDPSession(page);
  const cut = (offline: boolean): Promise<unknown> =>
    network.send('Network.emulateNetworkConditions', {
      offline,
      latency: 0,
      downloadThroughput: -1,
      // Slow enough for the network to be cut long before the last part.
      uploadThroughput: offline ? -1 : 20 * MIB,
    });
  await network.send('Network.enable');
  await cut(false);
  const partsSent = (count: number): Promise<void> =>
    s3!.until((server) => {
      const [upload] = server.multipartUploads('files');
      return (upload?.parts.length ?? 0) >= count;
    });
  const uploaded = run('uploadWithUppy', 120 * MIB, { companion: true, multipart: true });
  await partsSent(3);
  await cut(true);
  await s3!.until(({ inFlight }) => inFlight === 0);
  const before = s3!.multipartUploads('files')[0]!.parts.length;
  expect(before).toBeLessThan(24);
  await cut(false);
  const { body, sha256 } = await uploaded;
  expect(await hashOf(body.key)).toBe(sha256);
  // What was there was not sent again; of the part that was cut, only the answer may have been lost.
  const parts = s3!.requests.filter(
    ({ operation, status }) => operation === 'UploadPart' && status === 200,
  );
  expect(new Set(parts.map(({ query }) => query['partNumber'])).size).toBe(24);
  expect(parts.length).toBeLessThanOrEqual(25);
  expect([await app.keys(), await app.staged()]).toEqual([[body.key], []]);
});
