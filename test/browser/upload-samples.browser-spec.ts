import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Browser, chromium } from 'playwright-core';

const SAMPLES = join(import.meta.dirname, '../../sample');

let browser: Browser;
let root: string;
let child: ChildProcess;

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync'],
  });
});
afterAll(() => browser.close());
afterEach(async () => {
  child.kill('SIGKILL');
  await once(child, 'exit');
  await rm(root, { recursive: true, force: true });
});

/** The address of the built sample, in a process and with a folder of its own. */
async function start(sample: string): Promise<string> {
  root = await mkdtemp(join(tmpdir(), `${sample}-`));
  child = spawn(process.execPath, [join(SAMPLES, sample, 'dist/main.js')], {
    env: { ...process.env, NODE_OPTIONS: '', PORT: '0', STORAGE_ROOT: root },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface(child.stdout!)) {
    const url = /http:\/\/localhost:\d+/.exec(line)?.[0];
    if (!url) continue;
    child.stdout!.resume();
    return url;
  }
  throw new Error(`The sample ${sample} did not start`);
}

test.each(['direct-upload', 'uppy'])(
  'the page of the sample %s uploads a file, pauses and goes on, and cancels',
  async (sample) => {
    const url = await start(sample);
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await page.goto(url);
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
    await page.close();
  },
);
