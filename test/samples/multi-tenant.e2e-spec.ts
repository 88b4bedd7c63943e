import { request as httpRequest } from 'node:http';
import { closeApps, startApp } from '../nest/app-fixture.js';
import { SampleFolder } from './sample-folder.js';

const MiB = 1024 ** 2;

interface Listing {
  used: number;
  quota: number;
  files: { key: string; size: number }[];
}

let folder: SampleFolder;
let port: number;

beforeAll(async () => {
  folder = await SampleFolder.create();
  const { AppModule } = await import('../../sample/multi-tenant/src/app.module.js');
  ({ port } = await startApp({ imports: [AppModule] }));
});
afterEach(async () => {
  for (const tenant of ['acme', 'globex']) {
    const { files } = await listing(tenant);
    for (const { key } of files) await ask(tenant, `/${key}`, { method: 'DELETE' });
  }
});
afterAll(async () => {
  await closeApps();
  await folder.remove();
});

function ask(tenant: string, path = '', init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer token-of-${tenant}` };
  return fetch(`http://127.0.0.1:${port}/files${path}`, { ...init, headers });
}

function upload(tenant: string, size: number, name = 'a.bin'): Promise<Response> {
  const body = new FormData();
  body.append('file', new Blob([new Uint8Array(size)]), name);
  return ask(tenant, '', { method: 'POST', body });
}

async function keyOf(answer: Response): Promise<string> {
  return ((await answer.json()) as { key: string }).key;
}

async function listing(tenant: string): Promise<Listing> {
  return (await (await ask(tenant)).json()) as Listing;
}

/** The path as it is written: fetch() would resolve its dots. */
function statusOf(method: string, tenant: string, path: string): Promise<number> {
  const headers = { authorization: `Bearer token-of-${tenant}` };
  return new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    })
      .on('error', reject)
      .end();
  });
}

test('each tenant has a prefix of its own, which its keys do not show', async () => {
  const key = await keyOf(await upload('acme', 3));

  expect(await folder.files()).toEqual([`acme/${key}`]);
  expect(await listing('acme')).toMatchObject({ used: 3, quota: 10 * MiB, files: [{ key }] });
  expect(await listing('globex')).toEqual({ used: 0, quota: MiB, files: [] });
  expect((await (await ask('acme', `/${key}`)).arrayBuffer()).byteLength).toBe(3);
});

test('no tenant reads or deletes the files of another, however it writes the path', async () => {
  const key = await keyOf(await upload('acme', 3));
  const paths = [
    `/files/${key}`,
    `/files/acme/${key}`,
    `/files/acme%2F${key}`,
    `/files/../acme/${key}`,
    `/files/..%2Facme%2F${key}`,
    `/files/%2e%2e%2facme%2f${key}`,
    `/files/%252e%252e%252facme%252f${key}`,
    `/files/..%5Cacme%5C${key}`,
    `/files/x%2F..%2F..%2Facme%2F${key}`,
    `/files/%2Facme%2F${key}`,
    `/files/..%00%2Facme%2F${key}`,
  ];
  for (const path of paths) {
    expect([path, await statusOf('GET', 'globex', path)]).toEqual([path, 404]);
    const status = await statusOf('DELETE', 'globex', path);
    // Deleting what is not there succeeds; what could be no key is refused.
    expect([path, [204, 400, 404].includes(status)]).toEqual([path, true]);
  }
  const named = await keyOf(await upload('globex', 1, '../../acme/evil.bin'));
  expect(await folder.files()).toEqual([`acme/${key}`, `globex/${named}`]);
});

test('a file beyond the quota is a 413 that says so, and nothing of it stays', async () => {
  expect((await upload('globex', MiB - 100)).status).toBe(201);
  const before = await folder.files();

  for (const size of [101, 500_000]) {
    const refused = await upload('globex', size);
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({
      code: 'TENANT_QUOTA_EXCEEDED',
      message: expect.stringMatching(/^With this file you would use at least \d+ of 1048576 bytes/),
      quota: MiB,
    });
  }
  expect(await folder.files()).toEqual(before);
  expect((await upload('acme', 101)).status).toBe(201);
  expect((await upload('globex', 100)).status).toBe(201);
});

test('uploads at the same time never stay beyond the quota together', async () => {
  const answers = await Promise.all(Array.from({ length: 4 }, () => upload('globex', 400_000)));

  const stored = answers.filter(({ status }) => status === 201);
  expect(answers.map(({ status }) => status).every((status) => [201, 413].includes(status))).toBe(
    true,
  );
  expect(await folder.files()).toHaveLength(stored.length);
  expect((await listing('globex')).used).toBeLessThanOrEqual(MiB);
});

test('a file that is deleted makes room', async () => {
  const key = await keyOf(await upload('globex', MiB));
  expect((await upload('globex', 1)).status).toBe(413);
  expect((await ask('globex', `/${key}`, { method: 'DELETE' })).status).toBe(204);
  expect((await upload('globex', 1)).status).toBe(201);
});

test('who shows no token of a tenant is not let in', async () => {
  expect((await ask('nobody')).status).toBe(401);
  expect((await upload('nobody', 1)).status).toBe(401);
  expect(await folder.files()).toEqual([]);
});
