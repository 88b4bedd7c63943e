import type { INestApplication } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { map } from 'rxjs';
import type { DataSource } from 'typeorm';
import { type FakeStorage, fakeStorage, overrideStorages } from '../../lib/testing/index.js';
import { closeApps, type LogRecorder, startApp, until } from '../nest/app-fixture.js';
import { SampleFolder } from './sample-folder.js';

interface Attachment {
  id: string;
  key: string;
}

interface Todo {
  id: string;
  attachments: Attachment[];
}

let folder: SampleFolder;
let files: FakeStorage;
let app: INestApplication;
let log: LogRecorder;
let url: string;
/** Lets requests fail when their handlers have succeeded. */
let failsLate: boolean;

beforeAll(async () => {
  folder = await SampleFolder.create();
});
beforeEach(() => start(fakeStorage('attachments')));
afterEach(async () => {
  await query('DROP TRIGGER IF EXISTS refusal');
  for (const table of ['attachment', 'todo', 'discarded_file']) await query(`DELETE FROM ${table}`);
  await closeApps();
});
afterAll(() => folder.remove());

async function start(storage: FakeStorage): Promise<void> {
  files = storage;
  failsLate = false;
  const { AppModule } = await import('../../sample/todo-attachments/src/app.module.js');
  const started = await startApp(
    { imports: [AppModule] },
    {
      override: (builder) => overrideStorages(builder, files),
      configure: (each) =>
        each.useGlobalInterceptors({
          intercept: (_context, next) =>
            next.handle().pipe(
              map((answer: unknown) => {
                if (failsLate) throw new Error('The answer fails');
                return answer;
              }),
            ),
        }),
    },
  );
  ({ app, log } = started);
  url = `http://127.0.0.1:${started.port}/todos`;
}

function query(statement: string): Promise<Record<string, unknown>[]> {
  return app.get<DataSource>(getDataSourceToken()).query(statement);
}

/** Lets the database refuse what is named. */
function refuse(statement: 'INSERT' | 'DELETE', table: string): Promise<unknown> {
  return query(
    `CREATE TRIGGER refusal BEFORE ${statement} ON ${table} BEGIN SELECT RAISE(ABORT, 'Refused'); END`,
  );
}

async function sweep(): Promise<void> {
  const { DiscardedFiles } = await import('../../sample/todo-attachments/src/discarded-files.js');
  await app.get(DiscardedFiles).sweep();
}

async function addTodo(title: string): Promise<string> {
  const answer = await fetch(url, { method: 'POST', body: new URLSearchParams({ title }) });
  return ((await answer.json()) as Todo).id;
}

function upload(todo: string, content: string, signal?: AbortSignal): Promise<Response> {
  const body = new FormData();
  body.append('file', new Blob([content], { type: 'text/plain' }), 'list.txt');
  return fetch(`${url}/${todo}/attachments`, { method: 'POST', body, signal: signal ?? null });
}

async function attach(todo: string, content: string): Promise<Attachment> {
  return (await (await upload(todo, content)).json()) as Attachment;
}

async function todos(): Promise<Todo[]> {
  return (await (await fetch(url)).json()) as Todo[];
}

async function remove(path: string): Promise<number> {
  return (await fetch(`${url}/${path}`, { method: 'DELETE' })).status;
}

async function storedKeys(): Promise<string[]> {
  const { files: stored } = await files.stored.listPage();
  return stored.map(({ key }) => key);
}

function notedKeys(): Promise<Record<string, unknown>[]> {
  return query('SELECT key, attempts FROM discarded_file');
}

test('a todo has attachments, each of which is downloaded under its name and deleted by itself', async () => {
  const todo = await addTodo('Buy milk');
  const [first, second] = [await attach(todo, 'one'), await attach(todo, 'two')];

  const served = await fetch(`${url}/${todo}/attachments/${second.id}`);
  expect(served.headers.get('content-disposition')).toMatch(/^attachment; filename="list\.txt"/);
  expect(await served.text()).toBe('two');

  expect(await remove(`${todo}/attachments/${second.id}`)).toBe(204);
  expect(await storedKeys()).toEqual([first.key]);
  expect(await todos()).toMatchObject([{ id: todo, attachments: [{ id: first.id }] }]);
  expect((await fetch(`${url}/${todo}/attachments/${second.id}`)).status).toBe(404);
});

test('the attachments go with their todo, and those of another stay', async () => {
  const [milk, bread, bare] = [await addTodo('Milk'), await addTodo('Bread'), await addTodo('?')];
  await Promise.all([attach(milk, 'one'), attach(milk, 'two')]);
  const kept = await attach(bread, 'three');

  expect(await Promise.all([remove(milk), remove(bare)])).toEqual([204, 204]);

  expect(await storedKeys()).toEqual([kept.key]);
  expect(await todos()).toMatchObject([{ id: bread, attachments: [{ key: kept.key }] }]);
  expect(await notedKeys()).toEqual([]);
});

test('the files stay when the transaction that deletes their todo fails', async () => {
  const todo = await addTodo('Buy milk');
  const { key } = await attach(todo, 'one');
  await refuse('DELETE', 'todo');

  expect(await remove(todo)).toBe(500);
  await sweep();

  await files.assertContent(key, 'one');
  expect(await todos()).toMatchObject([{ id: todo, attachments: [{ key }] }]);
});

test('a file that the storage does not delete is noted, and deleted by a later sweep', async () => {
  const todo = await addTodo('Buy milk');
  const [first, second] = [await attach(todo, 'one'), await attach(todo, 'two')];
  files.failOn('deleteMany', { times: 2 });

  expect(await remove(todo)).toBe(204);
  await sweep();
  expect(await todos()).toEqual([]);
  expect(await storedKeys()).toEqual([first.key, second.key].sort());
  expect(await notedKeys()).toMatchObject([{ attempts: 2 }, { attempts: 2 }]);
  expect(log.text).toMatch(/2 files are not deleted yet.*told to fail/);

  await sweep();
  expect(await storedKeys()).toEqual([]);
  expect(await notedKeys()).toEqual([]);
});

test('what a process has left when it was killed is deleted at the next start', async () => {
  const todo = await addTodo('Buy milk');
  const { key } = await attach(todo, 'one');
  files.failOn('deleteMany');
  await remove(todo);
  await closeApps();

  const next = fakeStorage('attachments');
  await next.stored.put(key, 'one');
  await start(next);

  await files.assertMissing(key);
  expect(await notedKeys()).toEqual([]);
});

test('an upload is taken back when its row cannot be saved, or there is no such todo', async () => {
  const todo = await addTodo('Buy milk');
  expect((await upload(crypto.randomUUID(), 'one')).status).toBe(404);
  await refuse('INSERT', 'attachment');
  expect((await upload(todo, 'one')).status).toBe(500);

  expect(files.calls.filter(({ method }) => method === 'put')).toHaveLength(2);
  expect(await storedKeys()).toEqual([]);
  expect(await todos()).toMatchObject([{ attachments: [] }]);
});

test('no row is saved of an upload whose client has gone before', async () => {
  const { Transactions } = await import('../../sample/todo-attachments/src/transactions.js');
  const todo = await addTodo('Buy milk');
  const leaving = new AbortController();
  let goOn: () => void = () => {};
  const held = app.get(Transactions).run(() => new Promise<void>((resolve) => (goOn = resolve)));

  const answer = upload(todo, 'one', leaving.signal).catch((error: Error) => error.name);
  await until(async () => (await storedKeys()).length === 1);
  leaving.abort();
  await until(async () => (await storedKeys()).length === 0);
  goOn();
  await held;

  expect(await answer).toBe('AbortError');
  expect(await todos()).toMatchObject([{ attachments: [] }]);
});

test('a file stays with its row when the answer fails', async () => {
  const todo = await addTodo('Buy milk');
  failsLate = true;
  expect((await upload(todo, 'one')).status).toBe(500);
  failsLate = false;

  const [{ attachments }] = (await todos()) as [Todo];
  expect(await storedKeys()).toEqual(attachments.map(({ key }) => key));
  expect(attachments).toHaveLength(1);
});
