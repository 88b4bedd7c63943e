import { jest } from '@jest/globals';
import { closeApps, startApp } from '../nest/app-fixture.js';
import { SampleFolder } from './sample-folder.js';
import { webm } from './webm.js';

const authorization = `Basic ${btoa('owner:a long password')}`;

let folder: SampleFolder;
let url: string;
let film: Buffer;
let key: string;

beforeAll(async () => {
  folder = await SampleFolder.create({ PASSWORD: 'a long password' });
  const { AppModule } = await import('../../sample/video/src/app.module.js');
  const { port } = await startApp({ imports: [AppModule] });
  url = `http://127.0.0.1:${port}`;
  film = await webm(4);
  const added = await upload(film);
  ({ key } = (await added.json()) as { key: string });
});
afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(async () => {
  await closeApps();
  await folder.remove();
});

function ask(
  path: string,
  { headers, ...init }: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(`${url}/${path}`, { ...init, headers: { authorization, ...headers } });
}

function upload(content: Buffer): Promise<Response> {
  const body = new FormData();
  body.append('video', new Blob([Uint8Array.from(content)], { type: 'video/webm' }), 'film.webm');
  return ask('videos', { method: 'POST', body });
}

async function link(lifetime: string): Promise<Response> {
  return ask(`videos/${key}/links`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ lifetime }),
  });
}

test('the player seeks by ranges', async () => {
  const range = { Range: `bytes=${film.length - 1000}-` };
  const answer = await ask(`videos/${key}`, { headers: range });

  expect(answer.status).toBe(206);
  expect(answer.headers.get('content-type')).toBe('video/webm');
  const { length } = film;
  expect(answer.headers.get('content-range')).toBe(
    `bytes ${length - 1000}-${length - 1}/${length}`,
  );
  expect(Buffer.from(await answer.arrayBuffer()).equals(film.subarray(-1000))).toBe(true);
});

test('nobody but the owner sees the page, the list and the videos', async () => {
  for (const path of ['', 'look.css', 'videos', `videos/${key}`]) {
    const answer = await fetch(`${url}/${path}`);
    expect([path, answer.status]).toEqual([path, 401]);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /);
    expect([path, (await ask(path)).status]).toEqual([path, 200]);
  }
  const wrong = { headers: { authorization: `Basic ${btoa('owner:a long passwort')}` } };
  expect((await ask('videos', wrong)).status).toBe(401);
});

test('a form of another site is refused, although the browser sends the password with it', async () => {
  const answer = await ask('videos', {
    method: 'POST',
    headers: { 'sec-fetch-site': 'cross-site' },
  });
  expect(answer.status).toBe(403);
});

test('a private link plays the video for whoever has it, and nothing else', async () => {
  const { url: address } = (await (await link('1d')).json()) as { url: string };

  const answer = await fetch(address, { headers: { Range: 'bytes=0-99' } });
  expect(answer.status).toBe(206);
  expect(answer.headers.get('content-disposition')).toMatch(/^inline/);
  expect(Buffer.from(await answer.arrayBuffer()).equals(film.subarray(0, 100))).toBe(true);

  const other = (await (await upload(film)).json()) as { key: string };
  expect((await fetch(address.replace(key, other.key))).status).toBe(403);
  expect((await fetch(address.replace(/\?.*/, ''))).status).toBe(403);
});

test('a private link ends when its time is over', async () => {
  const clock = jest.spyOn(Date, 'now').mockReturnValue(1_800_000_000_000);
  const answer = await link('15m');
  const { url: address, expiresAt } = (await answer.json()) as { url: string; expiresAt: string };
  expect(Date.parse(expiresAt)).toBe(1_800_000_900_000);

  clock.mockReturnValue(1_800_000_899_000);
  expect((await fetch(address)).status).toBe(200);
  clock.mockReturnValue(1_800_000_900_000);
  expect((await fetch(address)).status).toBe(403);
});

test('a link for another time, and to a video that is not there, is refused', async () => {
  expect((await link('100y')).status).toBe(400);
  const missing = await ask('videos/none.webm/links', { method: 'POST' });
  expect(missing.status).toBe(404);
});

test('what is no video is refused, and nothing of it stays', async () => {
  const before = await folder.files();
  expect((await upload(Buffer.from('<script>alert(1)</script>'))).status).toBe(415);
  expect(await folder.files()).toEqual(before);
});

test('a video that is deleted is gone from the disk', async () => {
  const { key: added } = (await (await upload(film)).json()) as { key: string };
  expect(await folder.files()).toContain(added);
  expect((await ask(`videos/${added}`, { method: 'DELETE' })).status).toBe(204);
  expect(await folder.files()).not.toContain(added);
});
