import type { Browser, BrowserContext, Download, Page } from 'playwright-core';
import { closeApps } from '../nest/app-fixture.js';
import { ADAPTERS } from '../serving/adapters.js';
import { launchBrowser, openContext } from './browser.js';
import { HOSTILE_FILES } from './hostile-files.js';
import { type ServingApp, startServingApp } from './serving-app.js';
import { waitUntil } from './wait-until.js';
import { noise, webm } from './webm.js';

let browser: Browser;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  let app: ServingApp;
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    app = await startServingApp(adapter);
    for (const { name, body, contentType } of HOSTILE_FILES) {
      await app.storage.put(name, body, { contentType });
    }
  });
  afterAll(closeApps);

  beforeEach(async () => {
    context = await openContext(browser, { acceptDownloads: true });
    page = await context.newPage();
    app.exchanges.length = 0;
  });
  afterEach(() => context.close());

  /** Opens the address as a link would: what comes is shown or saved. */
  async function open(path: string): Promise<Download | undefined> {
    const download = page.waitForEvent('download').catch(() => undefined);
    try {
      await page.goto(app.url + path, { waitUntil: 'load' });
      return undefined;
    } catch (error) {
      // What is saved is no page.
      if (!/Download is starting|net::ERR_ABORTED/.test(String(error))) throw error;
      return await download;
    }
  }

  /** A request by the page itself: those that a script of it sent before have arrived when it is answered. */
  async function settle(): Promise<void> {
    const last = await context.newPage();
    await last.goto(`${app.url}/host?body=settled`);
    await last.close();
  }

  describe.each(HOSTILE_FILES)('$name of type $contentType', ({ name, runsUnprotected }) => {
    if (runsUnprotected) {
      test('runs where nothing protects from it', async () => {
        await open(`/unprotected/${name}`);
        await waitUntil(async () => app.reached());
      });
    }

    test('runs nothing when it is opened', async () => {
      await open(`/files/${name}`);
      await settle();
      expect(app.reached()).toBe(false);
      expect(await page.title()).not.toBe('reached');
    });

    test('runs nothing even when it is shown', async () => {
      await open(`/shown/${name}`);
      await settle();
      expect(app.reached()).toBe(false);
      expect(await page.title()).not.toBe('reached');
    });

    test('runs nothing inside a page of the app', async () => {
      const path = `/files/${name}`;
      const body = [
        `<iframe src="${path}"></iframe>`,
        `<object data="${path}"></object>`,
        `<embed src="${path}">`,
        `<img src="${path}">`,
        `<script src="${path}"></script>`,
        `<link rel="stylesheet" href="${path}">`,
      ].join('');
      await page.goto(`${app.url}/host?body=${encodeURIComponent(body)}`);
      await settle();
      expect(app.reached()).toBe(false);
      expect(app.exchanges.filter((exchange) => exchange.path === path).length).toBeGreaterThan(0);
      expect(await page.title()).toBe('host');
    });
  });

  test('a service worker does not come of a file', async () => {
    await page.goto(`${app.url}/host?body=x`);
    const registered = await page.evaluate<string>(
      `navigator.serviceWorker.register('/files/script.js', { scope: '/files/' }).then(() => 'registered', (error) => error.name)`,
    );
    expect(registered).toBe('SecurityError');
  });

  test.each([
    ['report.txt', 'report.txt'],
    ['Größe 100 €.txt', 'Größe 100 €.txt'],
    ['日本語.png', '日本語.png'],
    ['🙂 smile.png', '🙂 smile.png'],
    ['a b  c.txt', 'a b  c.txt'],
    [`it's (1).txt`, `it's (1).txt`],
    ['quote"d.txt', 'quote_d.txt'],
    ['semi;colon.txt', 'semi_colon.txt'],
    ['100%.txt', '100_.txt'],
    ['%41.txt', '_41.txt'],
    ['a\r\nSet-Cookie: b=c.txt', 'aSet-Cookie_ b=c.txt'],
    ['a\r\n\r\n<script>.txt', 'a_script_.txt'],
    ['a\nb.txt', 'ab.txt'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\temp\\evil.txt', 'evil.txt'],
    ['\u202Egnp.exe', 'gnp.exe'],
    ['a\u200Db.txt', 'ab.txt'],
    ['.htaccess', 'htaccess'],
    ['', 'download'],
    ['e\u0301.txt', 'é.txt'],
    [`${'x'.repeat(300)}.txt`, `${'x'.repeat(196)}.txt`],
  ])('%j is saved as %j', async (filename, saved) => {
    const download = await open(`/files/note.txt?save=${encodeURIComponent(filename)}`);
    expect(download?.suggestedFilename()).toBe(saved);
    expect(await context.cookies()).toEqual([]);
  });

  describe('a video', () => {
    let length: number;

    beforeAll(async () => {
      const painter = await browser.newPage();
      await painter.goto(`${app.url}/host?body=x`);
      const movie = webm(await noise(painter, 6));
      await painter.close();
      length = movie.length;
      await app.storage.put('movie.webm', movie, { contentType: 'video/webm' });
    });

    async function play(path: string): Promise<void> {
      const body = `<video src="${path}" preload="metadata" muted></video>`;
      await page.goto(`${app.url}/host?body=${encodeURIComponent(body)}`);
      await page.waitForFunction('document.querySelector("video").readyState >= 1');
    }

    test('seeks by ranges', async () => {
      expect(length).toBeGreaterThan(10_000_000);
      await play('/files/movie.webm');
      expect(await page.evaluate('document.querySelector("video").duration')).toBe(120);
      for (const time of [100, 20, 60]) {
        const seen = await page.evaluate<{
          time: number;
          width: number;
        }>(`new Promise((resolve) => {
          const video = document.querySelector('video');
          video.addEventListener('seeked', () => resolve({ time: video.currentTime, width: video.videoWidth }), { once: true });
          video.currentTime = ${time};
        })`);
        expect(seen).toEqual({ time, width: 480 });
      }
      await page.close();
      await settle();
      const asked = app.exchanges.filter(({ path }) => path === '/files/movie.webm');
      // What it has in its cache, it asks for by condition.
      expect(asked.map(({ status }) => status).filter((status) => status !== 304)).toEqual(
        expect.not.arrayContaining([200]),
      );
      const parts = asked.filter(({ status }) => status === 206);
      expect(parts.length).toBeGreaterThanOrEqual(2);
      const starts = parts.map(({ range }) => Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1]));
      expect(Math.max(...starts)).toBeGreaterThan(length / 2);
    });

    test('plays when it is opened by itself', async () => {
      await open('/files/movie.webm');
      await page.waitForFunction('document.querySelector("video")?.readyState >= 1');
    });
  });

  test('a picture and a text are shown when they are opened', async () => {
    const png = await page.screenshot({ type: 'png' });
    await app.storage.put('photo.png', png);
    expect(await open('/files/photo.png')).toBeUndefined();
    expect(await page.evaluate('document.images[0].naturalWidth')).toBeGreaterThan(0);
    await app.storage.put('grüße.txt', 'Grüße');
    expect(await open(`/files/${encodeURIComponent('grüße.txt')}`)).toBeUndefined();
    expect(await page.evaluate('document.body.innerText')).toBe('Grüße');
  });
});
