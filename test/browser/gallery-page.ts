import type { BrowserContext, Locator, Page } from 'playwright-core';
import { dropFiles } from './drop-files.js';
import { waitUntil } from './wait-until.js';

/** Notes what each progress bar shows, and what its row says it is. */
const RECORDER = `
  window.recorded = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const row = target.closest?.('.upload');
      if (!row) continue;
      const name = row.querySelector('.upload-name').textContent;
      const { value } = row.querySelector('progress');
      window.recorded.push({ name, value, state: row.dataset.state });
    }
  }).observe(document, { attributes: true, attributeFilter: ['value', 'data-state'], subtree: true });
`;

export interface Recorded {
  readonly name: string;
  readonly value: number;
  readonly state: string;
}

/** The page as its user sees it. */
export class GalleryPage {
  /** What the page did wrong: errors, warnings and breaches of its Content-Security-Policy. */
  readonly complaints: string[] = [];
  readonly tiles: Locator;
  readonly uploads: Locator;
  readonly viewer: Locator;
  readonly confirmation: Locator;

  private constructor(readonly page: Page) {
    this.tiles = page.locator('#grid > li');
    this.uploads = page.locator('#upload-list > li');
    this.viewer = page.locator('#viewer');
    this.confirmation = page.getByRole('alertdialog');
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('console', (message) => {
      const refused = /^Failed to load resource: .*(413|415|500|ERR_INTERNET_DISCONNECTED)/;
      if (['error', 'warning'].includes(message.type()) && !refused.test(message.text())) {
        this.complaints.push(message.text());
      }
    });
  }

  static async open(context: BrowserContext, url: string): Promise<GalleryPage> {
    const page = await context.newPage();
    await page.addInitScript({ content: RECORDER });
    // Whoever listens from the start finds the browser's own dialog out of the way.
    page.on('filechooser', () => {});
    const gallery = new GalleryPage(page);
    await gallery.goto(url);
    return gallery;
  }

  async goto(url: string): Promise<void> {
    await this.page.goto(url);
    await this.loaded();
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.loaded();
  }

  private async loaded(): Promise<void> {
    await this.page.locator('#hint:not(:empty)').waitFor();
  }

  /** Drags files of this machine over the window and lets them go, as a file manager does. */
  async drop(paths: readonly string[]): Promise<void> {
    await dropFiles(this.page, paths);
  }

  /** Bytes per second from now on, in all requests together. */
  async slowUploads(bytesPerSecond: number): Promise<void> {
    const session = await this.page.context().newCDPSession(this.page);
    await session.send('Network.enable');
    await session.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: bytesPerSecond,
    });
  }

  upload(name: string): Locator {
    return this.uploads.filter({ hasText: name });
  }

  /** Waits until as many uploads are in this state. */
  async uploadsIn(state: string, count: number): Promise<void> {
    const uploads = this.page.locator(`.upload[data-state="${state}"]`);
    await waitUntil(async () => (await uploads.count()) === count);
  }

  /** Waits until there are as many tiles, each with its picture painted. */
  async rendered(count: number): Promise<void> {
    const images = this.tiles.locator('img');
    await waitUntil(async () => {
      const widths = await images.evaluateAll((all) => all.map((image) => image.naturalWidth));
      return widths.length === count && widths.every((width) => width > 0);
    });
  }

  recorded(): Promise<Recorded[]> {
    return this.page.evaluate<Recorded[]>('window.recorded');
  }

  announcements(): Promise<string[]> {
    return this.page.locator('#live > p').allTextContents();
  }

  /** What has the focus, as a screen reader calls it. */
  focused(): Promise<string> {
    return this.page.evaluate<string>(
      `(({ ariaLabel, id, innerText, firstElementChild }) =>
        ariaLabel || innerText.trim() || firstElementChild?.alt || id)(document.activeElement)`,
    );
  }
}
