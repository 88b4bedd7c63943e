import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { launchBrowser, openContext } from './browser.js';
import { dropFiles } from './drop-files.js';
import { SampleApp } from './sample-app.js';

let browser: Browser;
let app: SampleApp;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());
afterEach(() => app.stop());

test.each(['direct-upload', 'uppy'])(
  'the page of the sample %s uploads a file, pauses and goes on, and cancels',
  async (sample) => {
    app = await SampleApp.start(sample);
    const page = await (await openContext(browser)).newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await page.goto(app.url);
    // Held at its first part, so that the pause comes before the end.
    let held = 0;
    await page.route('**/storage/**', async (route) => {
      if (++held === 2) await page.getByRole('button', { name: 'Pause' }).click();
      await route.continue().catch(() => {});
    });
    const body = randomBytes(11 * 1024 ** 2);
    const choose = page.getByLabel('Choose files', { exact: true });
    await choose.setInputFiles({ name: 'film.mp4', mimeType: 'video/mp4', buffer: body });
    const row = page.getByLabel('Uploads').getByRole('listitem');
    await page.getByText('Paused').waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await row.getByText('Stored').waitFor();
    const link = page.getByLabel('Stored files').getByRole('link', { name: 'film.mp4' });
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    const stored = await fetch(download.url());
    expect(Buffer.from(await stored.arrayBuffer()).equals(body)).toBe(true);
    expect(problems).toEqual([]);
    const { SCREENSHOTS } = process.env;
    if (SCREENSHOTS) await page.screenshot({ path: join(SCREENSHOTS, `${sample}.png`) });

    held = 0;
    await choose.setInputFiles({ name: 'other.mp4', mimeType: 'video/mp4', buffer: body });
    await page.getByText('Paused').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('other.mp4').waitFor({ state: 'detached' });

    await choose.setInputFiles({
      name: 'a.txt',
      mimeType: 'text/plain',
      buffer: Buffer.from('hello'),
    });
    const small = page
      .getByLabel('Stored files')
      .getByRole('listitem')
      .filter({ hasText: 'a.txt' });
    await small.waitFor();
    expect(await small.textContent()).toContain('5 bytes');
    await page.close();
  },
);

test('the page of the sample direct-upload uploads the files that are dropped on it', async () => {
  app = await SampleApp.start('direct-upload');
  const folder = await mkdtemp(join(tmpdir(), 'dropped-'));
  const files = ['one.txt', 'two.txt'].map((name) => join(folder, name));
  await Promise.all(files.map((file) => writeFile(file, 'hello')));
  const page = await (await openContext(browser)).newPage();
  await page.goto(app.url);
  await dropFiles(page, files);
  for (const name of ['one.txt', 'two.txt']) {
    await page.getByLabel('Stored files').getByRole('link', { name }).waitFor();
  }
  await page.locator('body:not(.dragging)').waitFor();
  await page.close();
  await rm(folder, { recursive: true });
});
