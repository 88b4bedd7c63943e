import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { webm } from '../samples/webm.js';
import { launchBrowser, openContext } from './browser.js';
import { dropFiles } from './drop-files.js';
import { SampleApp } from './sample-app.js';
import { waitUntil } from './wait-until.js';

const SECONDS = 120;

let browser: Browser;
let app: SampleApp;
let folder: string;

beforeAll(async () => {
  browser = await launchBrowser();
  app = await SampleApp.start('video');
  folder = await mkdtemp(join(tmpdir(), 'films-'));
});
afterAll(async () => {
  await browser.close();
  await app.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Waits until the player has a picture. By looking again and again: no script runs where a link leads. */
async function shown(page: Page): Promise<void> {
  await waitUntil(
    async () =>
      (await page
        .locator('video')
        .evaluate<number, { readyState: number }>((video) => video.readyState)) >= 2,
  );
}

/** Goes on at the second, and answers when there is a picture of it. */
async function seek(page: Page, second: number): Promise<number> {
  return page.evaluate<number>(`new Promise((resolve, reject) => {
    const video = document.querySelector('video');
    video.onerror = () => reject(new Error(video.error.message));
    video.onseeked = () => resolve(video.currentTime);
    video.currentTime = ${second};
  })`);
}

test('the owner uploads a video, seeks in it, and shares it by a link', async () => {
  const film = await webm(SECONDS, { width: 320, height: 180 });
  await writeFile(join(folder, 'noise.webm'), film);
  const page = await (await openContext(browser)).newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));

  await page.goto(app.url);
  await page.getByText('No videos yet').waitFor();
  const picker = page.getByLabel('Video to add');
  await picker.setInputFiles(join(folder, 'noise.webm'));
  await page.getByRole('button', { name: /^noise\.webm/ }).click();
  await shown(page);
  expect(await page.evaluate<number>("document.querySelector('video').duration")).toBe(SECONDS);

  // A browser that was not answered in ranges says that nothing can be sought.
  expect(await page.evaluate<number>("document.querySelector('video').seekable.end(0)")).toBe(
    SECONDS,
  );
  expect(await seek(page, SECONDS - 20)).toBe(SECONDS - 20);

  await page.getByLabel('A private link ends after').selectOption('1 day');
  await page.getByRole('button', { name: 'Make a private link' }).click();
  const address = await page.getByRole('status').getByRole('link').textContent();
  const { SCREENSHOTS } = process.env;
  if (SCREENSHOTS) await page.screenshot({ path: join(SCREENSHOTS, 'video.png'), fullPage: true });

  const friend = await (await openContext(browser)).newPage();
  await friend.goto(address!);
  await shown(friend);
  expect(problems).toEqual([]);

  await page.getByRole('button', { name: 'Delete noise.webm' }).click();
  await page.getByText('No videos yet').waitFor();
});

test('the owner drops a video on the page, one at a time', async () => {
  const names = ['one.webm', 'two.webm'];
  const films = names.map((name) => join(folder, name));
  for (const film of films) await writeFile(film, await webm(1, { width: 320, height: 180 }));
  const page = await (await openContext(browser)).newPage();
  await page.goto(app.url);
  await page.getByText('No videos yet').waitFor();
  await dropFiles(page, films);
  await page.getByText('One video at a time: drop a single file').waitFor();
  await dropFiles(page, films.slice(0, 1));
  await page.getByRole('button', { name: /^one\.webm/ }).waitFor();
  await page.getByRole('button', { name: 'Delete one.webm' }).click();
  await page.getByText('No videos yet').waitFor();
  await page.close();
});
