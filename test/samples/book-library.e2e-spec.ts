import sharp from 'sharp';
import { type FakeStorage, fakeStorage, overrideStorages } from '../../lib/testing/index.js';
import { closeApps, startApp } from '../nest/app-fixture.js';
import { SampleFolder } from './sample-folder.js';

const ISBN = '9780141439587';

interface Entry {
  id: string;
  cover: { key: string; thumbnail: string };
  photo: { key: string; thumbnail: string };
}

let folder: SampleFolder;
let covers: FakeStorage;
let photos: FakeStorage;
let url: string;
let author: string;

beforeAll(async () => {
  folder = await SampleFolder.create();
});
beforeEach(async () => {
  [covers, photos] = [fakeStorage('covers'), fakeStorage('photos')];
  const { AppModule } = await import('../../sample/book-library/src/app.module.js');
  const { port } = await startApp(
    { imports: [AppModule] },
    { override: (builder) => overrideStorages(builder, covers, photos) },
  );
  url = `http://127.0.0.1:${port}`;
  ({ id: author } = await entryOf(send('authors', { name: 'Jane Austen' })));
});
afterEach(() => closeApps());
afterAll(() => folder.remove());

function picture(width: number, height: number): Promise<Buffer> {
  const create = { width, height, channels: 3, background: '#0f6b72' } as const;
  return sharp({ create }).jpeg().toBuffer();
}

function send(
  path: string,
  fields: { [field: string]: string | Uint8Array },
  method = 'POST',
): Promise<Response> {
  const body = new FormData();
  for (const [field, value] of Object.entries(fields)) {
    if (typeof value === 'string') body.append(field, value);
    else body.append(field, new Blob([Uint8Array.from(value)], { type: 'image/jpeg' }), 'a.jpg');
  }
  return fetch(`${url}/${path}`, { method, body });
}

function addBook(fields: { [field: string]: string | Uint8Array } = {}): Promise<Response> {
  return send('books', { isbn: '978-0-14-143958-7', title: 'Emma', author, ...fields });
}

async function entryOf(answer: Promise<Response>): Promise<Entry> {
  return (await (await answer).json()) as Entry;
}

async function keysOf(storage: FakeStorage): Promise<string[]> {
  return (await storage.stored.listPage()).files.map(({ key }) => key);
}

async function sizeOf(path: string): Promise<{ type: string | null; size: [number, number] }> {
  const answer = await fetch(`${url}/${path}`);
  const { width, height } = await sharp(await answer.arrayBuffer()).metadata();
  return { type: answer.headers.get('content-type'), size: [width, height] };
}

test('a book has its cover, and a thumbnail that shows all of it', async () => {
  await addBook({ cover: await picture(600, 600) });

  expect(await sizeOf(`books/${ISBN}/cover`)).toEqual({ type: 'image/jpeg', size: [600, 600] });
  expect(await sizeOf(`books/${ISBN}/thumbnail`)).toEqual({ type: 'image/webp', size: [240, 240] });
});

test('an author has a photo, and a square thumbnail', async () => {
  const { id, photo } = await entryOf(
    send('authors', { name: 'Mary Shelley', photo: await picture(400, 200) }),
  );
  expect(await sizeOf(`authors/${id}/thumbnail`)).toEqual({ type: 'image/webp', size: [160, 160] });
  expect(await keysOf(photos)).toEqual([photo.key, photo.thumbnail].sort());

  expect((await fetch(`${url}/authors/${id}`, { method: 'DELETE' })).status).toBe(204);
  expect(await keysOf(photos)).toEqual([]);
});

test('a cover of another type, size or dimensions is refused, and so is one that cannot be decoded', async () => {
  const whole = await picture(600, 600);
  const refused: [number, Uint8Array][] = [
    [415, Buffer.from('GIF89a, or so')],
    [413, Buffer.concat([whole, Buffer.alloc(5 * 1024 ** 2)])],
    [422, await picture(239, 600)],
    // Its header is good, and nothing follows.
    [422, whole.subarray(0, whole.length / 2)],
  ];
  for (const [status, cover] of refused) {
    expect([status, (await addBook({ cover })).status]).toEqual([status, status]);
  }
  expect(await keysOf(covers)).toEqual([]);
  expect(await (await fetch(`${url}/books`)).json()).toEqual([]);
});

test('the cover of a book that is refused does not stay', async () => {
  const cover = await picture(600, 600);
  expect((await addBook({ cover, isbn: '978-0-14-143958-8' })).status).toBe(400);
  expect((await addBook({ cover, title: ' ' })).status).toBe(400);
  expect((await addBook({ cover, author: 'nobody' })).status).toBe(404);
  expect((await addBook()).status).toBe(201);
  expect((await addBook({ cover })).status).toBe(409);
  expect(await keysOf(covers)).toEqual([]);
});

test('the cover does not stay when its thumbnail cannot be stored', async () => {
  covers.failOn('put', { after: 1 });
  expect((await addBook({ cover: await picture(600, 600) })).status).toBe(502);
  expect(await keysOf(covers)).toEqual([]);
});

test('a new cover takes the place of the old one, and both files go with the book', async () => {
  const { cover: before } = await entryOf(addBook({ cover: await picture(600, 600) }));
  const cover = await picture(300, 450);
  const { cover: after } = await entryOf(send(`books/${ISBN}/cover`, { cover }, 'PUT'));

  expect(after.key).not.toBe(before.key);
  expect(await keysOf(covers)).toEqual([after.key, after.thumbnail].sort());
  expect(await sizeOf(`books/${ISBN}/thumbnail`)).toMatchObject({ size: [240, 360] });

  expect((await fetch(`${url}/books/${ISBN}`, { method: 'DELETE' })).status).toBe(204);
  expect(await keysOf(covers)).toEqual([]);
  expect((await fetch(`${url}/books/${ISBN}/cover`)).status).toBe(404);
});

test('a book needs no cover', async () => {
  expect((await addBook()).status).toBe(201);
  expect((await fetch(`${url}/books/${ISBN}/cover`)).status).toBe(404);
  expect((await fetch(`${url}/authors/${author}`, { method: 'DELETE' })).status).toBe(409);
});
