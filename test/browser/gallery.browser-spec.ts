import { once } from 'node:events';
import { connect } from 'node:net';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Browser, BrowserContext, Route } from 'playwright-core';
import { launchBrowser, openContext } from './browser.js';
import { CLOUD_BACKENDS } from './cloud-backends.js';
import { GalleryApp } from './gallery-app.js';
import { GalleryPage } from './gallery-page.js';
import { landscape, noisePng } from './pictures.js';
import { waitUntil } from './wait-until.js';

const MB = 1024 * 1024;
const SCREENSHOTS = join(tmpdir(), 'gallery-screenshots');

let browser: Browser;
let folder: string;
/** Paths of real files, as a user has them. */
let pictures: { dusk: string; forest: string; unicode: string; tooLarge: string; html: string };

beforeAll(async () => {
  browser = await launchBrowser();
  folder = await mkdtemp(join(tmpdir(), 'gallery-pictures-'));
  const painter = await browser.newPage();
  const save = async (name: string, bytes: Buffer | string) => {
    await writeFile(join(folder, name), bytes);
    return join(folder, name);
  };
  pictures = {
    dusk: await save(
      'Dunes at dusk.jpg',
      await landscape(painter, 'image/jpeg', ['#f6b26b', '#7a3b69']),
    ),
    forest: await save(
      'forest.jpg',
      await landscape(painter, 'image/jpeg', ['#1f4d3a', '#9cc5a1']),
    ),
    unicode: await save(
      'Grüße aus Łódź 漢字 “1”.png',
      await landscape(painter, 'image/png', ['#274b8f', '#9fd3ff']),
    ),
    tooLarge: await save('panorama.png', noisePng(700, 700)),
    html: await save('page.png', '<!doctype html><script>document.title = "pwned"</script>'),
  };
  await painter.close();
});

afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the story against an app and a page of its own, and sees to it that both come to a clean end. */
async function withGallery(
  story: (gallery: GalleryPage, app: GalleryApp, context: BrowserContext) => Promise<void>,
  environment: NodeJS.ProcessEnv = {},
): Promise<void> {
  const app = await GalleryApp.start({ MAX_SIZE: '1mb', ...environment });
  const context = await openContext(browser);
  try {
    const gallery = await GalleryPage.open(context, app.url);
    await story(gallery, app, context);
    expect(gallery.complaints).toEqual([]);
  } finally {
    await context.close();
    await app.stop();
  }
}

/** A file for the picker, large enough to be on its way for a while. */
function noise(name: string): { name: string; mimeType: string; buffer: Buffer } {
  return { name, mimeType: 'image/png', buffer: noisePng(500, 500) };
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The files that are stored, without what the storage keeps for itself. */
async function storedBytes(app: GalleryApp): Promise<string[]> {
  const files = await app.files();
  return Promise.all(files.map(async (file) => sha256(await readFile(file))));
}

describe('adding photos', () => {
  it('stores the images that are dropped, and names what it refuses', () =>
    withGallery(async (gallery) => {
      await gallery.drop(Object.values(pictures));
      await gallery.uploadsIn('stored', 3);
      await gallery.uploadsIn('failed', 2);
      await gallery.rendered(3);

      expect(await gallery.uploads.filter({ hasText: 'is too large' }).innerText()).toMatch(
        /^panorama\.png is too large: the limit is 1 MB\n/,
      );
      expect(await gallery.uploads.filter({ hasText: 'is not' }).innerText()).toMatch(
        /^page\.png is not an image\n/,
      );
      expect((await gallery.announcements()).sort()).toEqual([
        'Dunes at dusk.jpg is stored',
        'Grüße aus Łódź 漢字 “1”.png is stored',
        'forest.jpg is stored',
        'page.png is not an image',
        'panorama.png is too large: the limit is 1 MB',
      ]);

      await gallery.reload();
      await gallery.rendered(3);
    }));

  it('takes all that is in a folder', () =>
    withGallery(async (gallery) => {
      await gallery.drop([folder]);
      await gallery.uploadsIn('stored', 3);
      await gallery.uploadsIn('failed', 2);
      await gallery.rendered(3);
    }));

  it('tells of a file that only the server finds too large', () =>
    withGallery(async (gallery, app) => {
      await gallery.page.route('**/limits', (route) =>
        route.fulfill({ json: { maxSize: 50 * MB, accept: ['image/*'] } }),
      );
      await gallery.reload();
      await gallery.drop([pictures.tooLarge]);
      await gallery.uploadsIn('failed', 1);
      expect(await gallery.upload('panorama.png').innerText()).toContain('is too large');
      expect(await gallery.tiles.count()).toBe(0);
      expect(await storedBytes(app)).toEqual([]);
    }));

  it('moves each bar forward only, and calls a file stored when it has reached the end', () =>
    withGallery(async (gallery) => {
      const names = ['one.png', 'two.png', 'three.png'];
      await gallery.slowUploads(600_000);
      await gallery.page.setInputFiles('#picker', names.map(noise));
      await gallery.uploadsIn('stored', 3);
      const recorded = await gallery.recorded();
      for (const name of names) {
        const steps = recorded.filter((step) => step.name === name);
        const values = steps.map(({ value }) => value);
        expect(values).toEqual([...values].sort((a, b) => a - b));
        expect(values.some((value) => value > 0 && value < 100)).toBe(true);
        expect(steps.find(({ state }) => state === 'stored')?.value).toBe(100);
      }
    }));

  it('sends three files at a time', () =>
    withGallery(async (gallery) => {
      const held: Route[] = [];
      await gallery.page.route('**/photos', (route) => {
        held.push(route);
      });
      const five = ['1.png', '2.png', '3.png', '4.png', '5.png'];
      await gallery.page.setInputFiles('#picker', five.map(noise));
      await gallery.uploadsIn('sending', 3);
      await waitUntil(async () => held.length === 3);
      await gallery.uploadsIn('waiting', 2);

      await held[1]!.continue();
      await gallery.uploadsIn('stored', 1);
      await gallery.uploadsIn('sending', 3);
      await gallery.uploadsIn('waiting', 1);
      await waitUntil(async () => held.length === 4);
      await held[0]!.continue();
      await waitUntil(async () => held.length === 5);
      await Promise.all([2, 3, 4].map((index) => held[index]!.continue()));
      await gallery.uploadsIn('stored', 5);
      await gallery.rendered(5);
    }));

  it('takes what is pasted', () =>
    withGallery(async (gallery) => {
      const bytes = noisePng(30, 30).toString('base64');
      await gallery.page.evaluate(`
        const clipboardData = new DataTransfer();
        const bytes = Uint8Array.from(atob('${bytes}'), (character) => character.charCodeAt(0));
        clipboardData.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
        document.dispatchEvent(new ClipboardEvent('paste', { clipboardData }));
      `);
      await gallery.uploadsIn('stored', 1);
      await gallery.rendered(1);
    }));

  it('leaves nothing of an upload that is cancelled halfway', () =>
    withGallery(async (gallery, app) => {
      await gallery.slowUploads(50_000);
      await gallery.page.setInputFiles('#picker', noise('large.png'));
      await waitUntil(async () => (await app.files()).length > 0);
      await gallery.page.getByRole('button', { name: 'Cancel the upload of large.png' }).click();
      await gallery.uploadsIn('cancelled', 1);
      await waitUntil(async () => (await app.files()).length === 0);
      expect(await gallery.tiles.count()).toBe(0);
      await gallery.reload();
      expect(await gallery.tiles.count()).toBe(0);
    }));

  it('sends again what failed, when it is asked to', () =>
    withGallery(async (gallery, _app, context) => {
      await context.setOffline(true);
      // The page hears of it a little later.
      await waitUntil(async () => !(await gallery.page.evaluate<boolean>('navigator.onLine')));
      await gallery.drop([pictures.forest]);
      await gallery.uploadsIn('failed', 1);
      expect(await gallery.upload('forest.jpg').innerText()).toContain(
        'forest.jpg was not sent: you are offline',
      );

      await context.setOffline(false);
      await gallery.page.route('**/photos', (route) => route.fulfill({ status: 500 }));
      const retry = gallery.page.getByRole('button', { name: 'Try forest.jpg again' });
      await retry.click();
      await gallery.upload('the server had a problem (500)').waitFor();

      await gallery.page.unroute('**/photos');
      await retry.click();
      await gallery.uploadsIn('stored', 1);
      await gallery.rendered(1);

      await gallery.page.getByRole('button', { name: 'Dismiss forest.jpg' }).click();
      expect(await gallery.uploads.count()).toBe(0);
    }));

  it('takes any file with ACCEPT=*/*, and shows one that is no image as a card', () =>
    withGallery(
      async (gallery) => {
        await gallery.page.setInputFiles('#picker', {
          name: 'notes <b>.txt',
          mimeType: 'text/plain',
          buffer: Buffer.from('hello'),
        });
        await gallery.uploadsIn('stored', 1);
        const card = gallery.tiles.first();
        expect(await card.locator('img').count()).toBe(0);
        expect(await card.innerText()).toContain('notes _b_.txt');
        expect(await card.innerText()).toContain('5 bytes');
      },
      { ACCEPT: '*/*' },
    ));
});

describe('looking at photos', () => {
  it('goes through them in the viewer by arrow keys, and gives the focus back', () =>
    withGallery(async (gallery) => {
      await gallery.drop([pictures.dusk, pictures.forest, pictures.unicode]);
      await gallery.rendered(3);
      await gallery.reload();
      await gallery.rendered(3);
      const sources = await gallery.tiles
        .locator('img')
        .evaluateAll((images) => images.map((image) => image.getAttribute('src')));
      const shown = gallery.viewer.locator('#viewer-stage img');

      await gallery.tiles.first().getByRole('button').first().click();
      await gallery.viewer.waitFor();
      expect(await shown.getAttribute('src')).toBe(sources[0]);
      await gallery.page.keyboard.press('ArrowLeft');
      expect(await shown.getAttribute('src')).toBe(sources[0]);
      await gallery.page.keyboard.press('ArrowRight');
      await gallery.page.keyboard.press('ArrowRight');
      await gallery.page.keyboard.press('ArrowRight');
      expect(await shown.getAttribute('src')).toBe(sources[2]);
      expect(await gallery.viewer.innerText()).toContain('3 of 3');
      await waitUntil(() => shown.evaluate((image) => image.naturalWidth > 0));

      await gallery.page.keyboard.press('Escape');
      await gallery.viewer.waitFor({ state: 'hidden' });
      const third = gallery.tiles.nth(2).getByRole('button').first();
      await waitUntil(() =>
        third.evaluate((button) => button === button.ownerDocument.activeElement),
      );
    }));

  it('downloads a photo under its own name, byte for byte', () =>
    withGallery(async (gallery) => {
      await gallery.drop([pictures.unicode]);
      await gallery.rendered(1);
      await gallery.reload();
      await gallery.rendered(1);
      await gallery.tiles.first().hover();
      const [download] = await Promise.all([
        gallery.page.waitForEvent('download'),
        gallery.tiles.first().getByRole('link').click(),
      ]);
      expect(download.suggestedFilename()).toBe(basename(pictures.unicode));
      expect(sha256(await readFile(await download.path()))).toBe(
        sha256(await readFile(pictures.unicode)),
      );
    }));
});

describe('deleting photos', () => {
  it('asks first, and then removes the photo from the page and from the disk', () =>
    withGallery(async (gallery, app) => {
      await gallery.drop([pictures.dusk, pictures.forest, pictures.unicode]);
      await gallery.rendered(3);
      const remove = gallery.page.getByRole('button', { name: 'Delete forest.jpg' });
      const forest = sha256(await readFile(pictures.forest));
      expect(await storedBytes(app)).toContain(forest);

      await remove.click();
      expect(await gallery.confirmation.innerText()).toContain('Delete forest.jpg?');
      await gallery.page.keyboard.press('Escape');
      await gallery.confirmation.waitFor({ state: 'hidden' });
      expect(await gallery.tiles.count()).toBe(3);

      await remove.click();
      await gallery.confirmation.getByRole('button', { name: 'Delete' }).click();
      await gallery.rendered(2);
      expect(await storedBytes(app)).not.toContain(forest);
      await gallery.reload();
      await gallery.rendered(2);
    }));

  it('says why when the server does not delete', () =>
    withGallery(async (gallery) => {
      await gallery.drop([pictures.dusk]);
      await gallery.rendered(1);
      await gallery.page.route('**/photos/*', (route) =>
        route.request().method() === 'DELETE' ? route.fulfill({ status: 500 }) : route.continue(),
      );
      await gallery.page.getByRole('button', { name: 'Delete Dunes at dusk.jpg' }).click();
      await gallery.confirmation.getByRole('button', { name: 'Delete' }).click();
      await gallery.confirmation
        .getByText('It could not be deleted: the server had a problem (500).')
        .waitFor();
      await gallery.confirmation.getByRole('button', { name: 'Keep' }).click();
      expect(await gallery.tiles.count()).toBe(1);
    }));
});

describe('for everyone', () => {
  it('can be used by keyboard alone', () =>
    withGallery(async (gallery) => {
      const { keyboard } = gallery.page;
      await keyboard.press('Tab');
      expect(await gallery.focused()).toBe('Add photos');
      const [chooser] = await Promise.all([
        gallery.page.waitForEvent('filechooser'),
        keyboard.press('Enter'),
      ]);
      await chooser.setFiles([pictures.dusk, pictures.forest]);
      await gallery.uploadsIn('stored', 2);
      await keyboard.press('Tab');
      expect(await gallery.focused()).toBe('Clear finished');
      await keyboard.press('Enter');
      expect(await gallery.uploads.count()).toBe(0);
      expect(await gallery.focused()).toBe('Add photos');

      const names = await gallery.tiles
        .locator('img')
        .evaluateAll((images) => images.map((image) => image.getAttribute('alt')));
      await keyboard.press('Tab');
      expect(await gallery.focused()).toBe(names[0]);
      await keyboard.press('Enter');
      await gallery.viewer.waitFor();
      expect(await gallery.focused()).toBe('Close');
      await keyboard.press('ArrowRight');
      await keyboard.press('Shift+Tab');
      expect(await gallery.focused()).toBe(`Delete ${names[1]}`);
      await keyboard.press('Enter');
      await gallery.confirmation.waitFor();
      expect(await gallery.focused()).toBe('Keep');
      await keyboard.press('Tab');
      await keyboard.press('Enter');
      await waitUntil(async () => (await gallery.focused()) === `Delete ${names[0]}`);
      await keyboard.press('Escape');
      await waitUntil(async () => (await gallery.focused()) === names[0]);
      expect(await gallery.tiles.count()).toBe(1);
    }));

  it('gives every control and every image a name', () =>
    withGallery(async (gallery, _app, context) => {
      const roles = ['button', 'link', 'image', 'progressbar', 'dialog', 'alertdialog', 'heading'];
      const nameless = async () => {
        const session = await context.newCDPSession(gallery.page);
        const { nodes } = await session.send('Accessibility.getFullAXTree');
        const named = nodes.filter((node) => roles.includes(String(node.role?.value)));
        expect(named.length).toBeGreaterThan(1);
        return named.filter((node) => !node.ignored && !node.name?.value);
      };
      expect(await nameless()).toEqual([]);
      await gallery.slowUploads(100_000);
      await gallery.drop(Object.values(pictures));
      await gallery.uploadsIn('failed', 2);
      expect(await nameless()).toEqual([]);
      await gallery.slowUploads(-1);
      await gallery.rendered(3);
      expect(await nameless()).toEqual([]);
      await gallery.tiles.first().getByRole('button').first().click();
      await gallery.viewer.waitFor();
      expect(await nameless()).toEqual([]);
      await gallery.viewer.getByRole('button', { name: /^Delete/ }).click();
      await gallery.confirmation.waitFor();
      expect(await nameless()).toEqual([]);
      expect(await gallery.page.locator('[aria-live="polite"]#live').count()).toBe(1);
    }));

  it.each([
    { colorScheme: 'light', width: 1440, height: 900 },
    { colorScheme: 'dark', width: 1440, height: 900 },
    { colorScheme: 'light', width: 390, height: 844 },
    { colorScheme: 'dark', width: 390, height: 844 },
  ] as const)('fits the window: $colorScheme, $width px', ({ colorScheme, width, height }) =>
    withGallery(async (gallery) => {
      const { page } = gallery;
      const shoot = async (moment: string) => {
        const path = join(SCREENSHOTS, `${colorScheme}-${width}-${moment}.png`);
        await page.screenshot({ path, animations: 'disabled' });
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      };
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height });
      await shoot('empty');
      await gallery.drop(Object.values(pictures));
      await gallery.rendered(3);
      await gallery.uploadsIn('stored', 3);
      await gallery.uploadsIn('failed', 2);
      await shoot('uploaded');
      await gallery.reload();
      await gallery.rendered(3);
      await gallery.tiles.first().hover();
      await shoot('grid');
      await gallery.tiles.first().getByRole('button').first().click();
      await gallery.viewer.waitFor();
      await shoot('viewer');
      await gallery.viewer.getByRole('button', { name: /^Delete/ }).click();
      await shoot('delete');
    }),
  );
});

describe('the app', () => {
  it.each(Object.keys(CLOUD_BACKENDS))(
    'keeps the photos there with STORAGE_DRIVER=%s',
    async (driver) => {
      await using backend = await CLOUD_BACKENDS[driver]!();
      await withGallery(
        async (gallery, app) => {
          expect(app.greeting).toContain(backend.description);
          await gallery.drop([pictures.dusk, pictures.forest, pictures.html, pictures.tooLarge]);
          await gallery.uploadsIn('stored', 2);
          await gallery.uploadsIn('failed', 2);
          await gallery.reload();
          await gallery.rendered(2);
          expect(await backend.count()).toBe(2);

          await gallery.tiles.first().hover();
          await gallery.tiles.first().getByRole('button', { name: 'Delete' }).click();
          await gallery.confirmation.getByRole('button', { name: 'Delete' }).click();
          await gallery.rendered(1);
          expect(await backend.count()).toBe(1);
          expect(await app.files()).toEqual([]);
        },
        { STORAGE_DRIVER: driver, ...backend.environment },
      );
    },
  );

  it('keeps the photos in memory with STORAGE_DRIVER=memory', () =>
    withGallery(
      async (gallery, app) => {
        await gallery.drop([pictures.dusk]);
        await gallery.rendered(1);
        expect(await app.files()).toEqual([]);
      },
      { STORAGE_DRIVER: 'memory' },
    ));

  it('says where the photos go, and ends at once on SIGTERM', async () => {
    const app = await GalleryApp.start();
    expect(app.greeting).toBe(`Gallery on ${app.url}, photos go to ${app.root}`);
    expect(await app.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('ends on SIGTERM although a client keeps a request open', async () => {
    const app = await GalleryApp.start();
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    try {
      await once(socket, 'connect');
      // `Expect` makes the server say when it has the request; its body never comes.
      socket.write(
        'POST /photos HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n' +
          'Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n',
      );
      await once(socket, 'data');
      expect(await app.stop()).toEqual({ code: null, signal: 'SIGTERM' });
    } finally {
      socket.destroy();
    }
  });

  it.each([
    [
      { STORAGE_DRIVER: 'ftp' },
      'STORAGE_DRIVER must be local, s3, gcs, azure, memory, not "ftp".\n',
    ],
    [{ STORAGE_DRIVER: 's3' }, 'STORAGE_DRIVER=s3 needs the name of a bucket in S3_BUCKET.\n'],
    [{ STORAGE_DRIVER: 'gcs' }, 'STORAGE_DRIVER=gcs needs the name of a bucket in GCS_BUCKET.\n'],
    [{ STORAGE_DRIVER: 'azure' }, 'STORAGE_DRIVER=azure needs a container in AZURE_CONTAINER.\n'],
    [{ PORT: 'http' }, 'PORT must be 0 to 65535, not "http".\n'],
    [{ MAX_SIZE: 'big' }, 'MAX_SIZE must be a size such as 50mb, not "big".\n'],
  ])('does not start with %o', async (environment, output) => {
    expect(await GalleryApp.fail(environment)).toEqual({ code: 1, signal: null, output });
  });
});
