import { getStorageToken, type Storage, StorageModule } from '../../lib/index.js';
import { closeApps, startApp, type TestApp } from '../nest/app-fixture.js';
import { type Answer, send } from '../nest/http-client.js';
import { UPLOAD_BACKENDS, type UploadBackend } from '../uploads/upload-backends.js';
import { ADAPTERS } from './adapters.js';
import { aged, recorded, type RecordedDriver } from './recorded-driver.js';
import { FilesController } from './serving-fixture.js';
import { VectorTable } from './vector-table.js';
import { BODY, type Known, knownOf, type Vector, VECTORS } from './vectors.js';

const table = new VectorTable();

afterAll(() => {
  process.stderr.write(`\n${table.toString()}\n`);
});

describe.each(Object.entries(UPLOAD_BACKENDS))('a file on %s', (backendName, openBackend) => {
  let backend: UploadBackend;
  let files: RecordedDriver;
  const apps = new Map<string, TestApp>();
  let known: Known;

  beforeAll(async () => {
    backend = await openBackend();
    files = recorded(backend.driver, aged(backend.driver));
    for (const [name, adapter] of ADAPTERS) {
      const storages = { files: { driver: files.driver } };
      const imports = [StorageModule.forRoot({ storages })];
      apps.set(
        name,
        await startApp({ controllers: [FilesController], imports }, { adapter: adapter() }),
      );
    }
    const storage = apps.get('Express')!.app.get<Storage>(getStorageToken());
    await storage.put('ten.txt', BODY);
    await storage.put('empty.txt', '');
    known = knownOf(await storage.info('ten.txt'));
  });

  afterAll(async () => {
    await closeApps();
    await backend.close();
  });

  describe.each(ADAPTERS)('served by %s', (adapter) => {
    test.each(VECTORS)('$it: $status', async (vector) => {
      const { method = 'GET', file = 'ten.txt' } = vector;
      files.calls.length = 0;
      const headers = vector.headers(known);
      const answer = await send(apps.get(adapter)!.port, `/files/${file}`, { method, headers });
      table.add(`${backendName}/${adapter.slice(0, 3)}`, vector, answer.status);
      expectAnswer(answer, vector, known);
      expectCalls(files, vector);
    });
  });
});

/** One look and one read at most, and no read where no body is sent. */
function expectCalls({ calls }: RecordedDriver, { method = 'GET', status }: Vector): void {
  const count = (name: string): number => calls.filter((call) => call === name).length;
  expect(count('info')).toBeLessThanOrEqual(1);
  expect(count('get')).toBe(method === 'GET' && status < 300 ? 1 : 0);
  expect(calls.length).toBeLessThanOrEqual(2);
}

const SAFE = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
};
/** What an answer has whatever it is about. */
const ANY = ['connection', 'date', 'x-powered-by'];

function expectAnswer(answer: Answer, want: Vector, known: Known): void {
  const { method = 'GET', file = 'ten.txt', status } = want;
  const { headers } = answer;
  expect(answer.status).toBe(status);
  if (want.body !== undefined) expect(answer.text).toBe(want.body);
  if (want.length !== undefined) expect(headers['content-length']).toBe(want.length);
  expect(headers['content-range']).toBe(want.contentRange);
  expect(headers).toMatchObject(SAFE);
  const cacheControl = 'private, no-cache, no-transform';
  const names = Object.keys(headers).filter((name) => !ANY.includes(name) && !(name in SAFE));
  if (status < 300) {
    expect(headers).toMatchObject({
      'accept-ranges': 'bytes',
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': cacheControl,
      'content-disposition': `inline; filename="${file}"`,
      'last-modified': expect.stringMatching(/ GMT$/),
    });
    expect(headers.etag).toMatch(/^"/);
    if (file === 'ten.txt') {
      expect(headers.etag).toBe(known.etag);
      expect(headers['last-modified']).toBe(known.modified);
    }
  } else if (status === 304) {
    // These, and no others: RFC 9110 §15.4.5.
    expect(names.sort()).toEqual(['cache-control', 'etag']);
    expect(headers).toMatchObject({ etag: known.etag, 'cache-control': cacheControl });
    expect(headers.date).toBeDefined();
    expect(answer.text).toBe('');
  } else {
    for (const name of ['last-modified', 'content-disposition', 'cache-control']) {
      expect(headers).not.toHaveProperty(name);
    }
    // Express gives one to every JSON that it sends.
    expect(headers.etag).not.toBe(known.etag);
    expect(headers['content-type']).toContain('application/json');
    if (method === 'GET') expect(answer.json).toMatchObject({ statusCode: status });
  }
}

test('the table is long enough', () => {
  expect(VECTORS.length).toBeGreaterThanOrEqual(60);
});
