import { jest } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOURCE = join(import.meta.dirname, '../../sample/quickstart/src/main.ts');

const before = process.cwd();
let root: string;
let app: INestApplication;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quickstart-'));
  // The sample stores below the folder it is started in.
  process.chdir(root);
  process.env['PORT'] = '0';
  Logger.overrideLogger(false);
  jest.spyOn(console, 'log').mockReturnValue();
  ({ app } = (await import('../../sample/quickstart/src/main.js')) as { app: INestApplication });
});
afterAll(async () => {
  await app.close();
  process.chdir(before);
  jest.restoreAllMocks();
  await rm(root, { recursive: true, force: true });
});

test('the quickstart, which knows no users, is there for this machine alone', () => {
  expect(app.getHttpServer().address()).toMatchObject({ address: '127.0.0.1' });
});

test('the quickstart stores a file, lists it and serves it', async () => {
  const url = `${await app.getUrl()}/files`;
  const body = new FormData();
  body.append('file', new Blob(['Buy milk'], { type: 'text/plain' }), 'todo.txt');

  const added = await fetch(url, { method: 'POST', body });
  expect(added.status).toBe(201);
  const { key } = (await added.json()) as { key: string };
  const { files } = (await (await fetch(url)).json()) as { files: { key: string }[] };
  const served = await fetch(`${url}/${key}`);

  expect(files.map((file) => file.key)).toEqual([key]);
  expect(served.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(await served.text()).toBe('Buy milk');
  expect((await fetch(url, { method: 'POST', body: new FormData() })).status).toBe(400);
});

test('the quickstart is 25 lines beside its imports', async () => {
  const lines = (await readFile(SOURCE, 'utf8')).split(/^} from 'nestjs-storages';$/m)[1]!;
  expect(lines.split('\n').filter((line) => line.trim() !== '')).toHaveLength(25);
});
