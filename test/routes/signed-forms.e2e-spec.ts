import { createHash } from 'node:crypto';
import type { UploadUrl } from '../../lib/core/storage-driver.js';
import type { UploadUrlOptions } from '../../lib/core/storage-methods.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { type Answer, openSocket, send } from '../nest/http-client.js';
import { form, formHeaders, type Part, requestHead } from '../uploads/forms.js';
import {
  ADAPTERS,
  allGone,
  answerOf,
  CASES,
  configurationOf,
  REFUSAL,
  removeFolders,
  type RoutesApp,
  startRoutes,
  targetOf,
} from './routes-fixture.js';
import { filesBelow } from './files-below.js';

const KEY = 'ordner/größe & co.png';
const BYTES = Buffer.alloc(3000, 'abc');
const FILE: Part = { name: 'file', filename: 'photo.png', type: 'text/html', content: BYTES };
const checksum = {
  algorithm: 'sha256',
  value: createHash('sha256').update(BYTES).digest('base64'),
} as const;

describe.each(CASES)('a signed form of %s on %s', (driver, adapter) => {
  let app: RoutesApp;
  let root: string | undefined;

  beforeEach(async () => {
    const configuration = await configurationOf(driver);
    root = 'root' in configuration ? configuration.root : undefined;
    app = await startRoutes({ adapter: ADAPTERS[adapter]!(), configuration });
  });

  afterEach(async () => {
    await closeApps();
    await removeFolders();
  });

  const sign = (options: UploadUrlOptions = {}): Promise<UploadUrl> =>
    app.storage.uploadUrl(KEY, { method: 'POST', ...options });

  const post = (target: string, ...parts: Part[]): Promise<Answer> =>
    send(app.port, target, { method: 'POST', headers: formHeaders, body: form(...parts) });

  const submit = async (options: UploadUrlOptions = {}, file = FILE): Promise<Answer> => {
    const { url, fields } = await sign(options);
    return post(targetOf(url), ...partsOf(fields!), file);
  };

  /** Every key, and on disk every file that is none of ours to keep. */
  async function stored(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of app.storage.list()) keys.push(key);
    if (root === undefined) return keys;
    const left = await filesBelow(root, '.nestjs-storages');
    const files = left.filter((entry) => !entry.parentPath.includes('/meta'));
    return [...keys, ...files.map(({ name }) => `left/${name}`)];
  }

  test('stores its file and answers with its etag, and nothing else', async () => {
    const answer = await submit();
    const { etag, contentType, metadata } = await app.storage.info(KEY);
    expect(answer).toMatchObject({ status: 201, text: '', headers: { etag } });
    // Never what the form says by itself.
    expect({ contentType, metadata }).toEqual({ contentType: 'image/png', metadata: {} });
    expect(await app.storage.getBytes(KEY)).toEqual(BYTES);
  });

  test('stores an empty file, and one of many megabytes', async () => {
    expect((await submit({}, { ...FILE, content: '' })).status).toBe(201);
    expect((await app.storage.info(KEY)).size).toBe(0);
    const content = Buffer.alloc(5 * 1024 * 1024, 'x');
    expect((await submit({}, { ...FILE, content })).status).toBe(201);
    expect((await app.storage.getBytes(KEY)).equals(content)).toBe(true);
  });

  test('stores the type that was signed', async () => {
    await submit({ contentType: 'image/webp' });
    expect((await app.storage.info(KEY)).contentType).toBe('image/webp');
  });

  test('is refused with one answer, whatever field was changed, and stores nothing', async () => {
    const { url, fields } = await sign({
      contentType: 'image/png',
      size: BYTES.length,
      maxSize: 5000,
      checksum,
      ifNoneMatch: '*',
    });
    const parts = partsOf(fields!);
    const forms: [what: string, parts: Part[]][] = [];
    for (const [index, { name, content }] of parts.entries()) {
      const replaced = (...by: Part[]): Part[] => (parts as Part[]).toSpliced(index, 1, ...by);
      const part = parts[index]!;
      forms.push(
        [`${name} is missing`, replaced()],
        [`${name} comes twice`, replaced(part, part)],
        [`${name} is a list`, replaced({ ...part, name: `${name}[]` })],
        [`${name} is in other letters`, replaced({ ...part, name: name.toUpperCase() })],
      );
      for (const other of [
        '',
        '1',
        `${content}1`,
        `1${content}`,
        ` ${content}`,
        content.slice(1),
      ]) {
        if (other !== content) {
          forms.push([`${name} is ${String(other)}`, replaced({ ...part, content: other })]);
        }
      }
    }
    for (const name of ['method', 'type', 'disposition', 'x', '__proto__', 'toString', 'policy']) {
      forms.push([`${name} is added`, [...parts, { name, content: 'POST' }]]);
    }
    const distinct = forms.filter(([, changed]) => !form(...changed).equals(form(...parts)));
    expect(distinct.length).toBeGreaterThan(80);
    for (const [what, changed] of distinct) {
      const answer = answerOf(post(targetOf(url), ...changed, FILE));
      expect([what, await answer]).toEqual([what, REFUSAL]);
    }
    expect(await stored()).toEqual([]);
    expect((await post(targetOf(url), ...parts.toReversed(), FILE)).status).toBe(201);
  });

  test.each([
    ['another storage', '/storage/other'],
    ['the URL of a key', '/storage/uploads/a.txt'],
    ['a slash behind', '/storage/uploads/'],
    ['a query', '/storage/uploads?x=1'],
    ['an encoded name', '/storage/%75ploads'],
  ])('is refused with one answer by the URL with %s', async (_, target) => {
    const { fields } = await sign();
    expect(await answerOf(post(target, ...partsOf(fields!), FILE))).toEqual(REFUSAL);
    expect(await stored()).toEqual([]);
  });

  test.each(['GET', 'PUT', 'DELETE', 'PATCH'])('is not read or changed by %s', async (method) => {
    const { url, fields } = await sign();
    const query = new URLSearchParams(fields).toString();
    for (const target of [targetOf(url), `${targetOf(url)}?${query}`]) {
      expect(await answerOf(send(app.port, target, { method }))).toEqual(REFUSAL);
    }
  });

  test.each([
    ['a size', { size: 3000 }],
    ['a greatest size', { maxSize: 3000 }],
  ])('takes no larger file than %s that was signed', async (_, options) => {
    const answer = await submit(options, { ...FILE, content: Buffer.alloc(3001) });
    expect(answer.status).toBe('size' in options ? 422 : 413);
    expect(await stored()).toEqual([]);
    expect((await submit(options)).status).toBe(201);
  });

  test('takes no smaller file than the size that was signed', async () => {
    const answer = await submit({ size: 3000 }, { ...FILE, content: Buffer.alloc(2999) });
    expect(answer).toMatchObject({ status: 422, json: { code: 'INTEGRITY' } });
    expect(await stored()).toEqual([]);
  });

  test('stores no bytes but those of the checksum that was signed, and keeps what was there', async () => {
    await app.storage.put(KEY, 'before');
    const answer = await submit({ checksum }, { ...FILE, content: Buffer.alloc(3000) });
    expect(answer).toMatchObject({ status: 422, json: { code: 'INTEGRITY' } });
    expect(await (await app.storage.get(KEY)).text()).toBe('before');
    expect(await stored()).toEqual([KEY]);
    expect((await submit({ checksum })).status).toBe(201);
  });

  test('creates only once, when that was signed', async () => {
    expect((await submit({ ifNoneMatch: '*' })).status).toBe(201);
    const again = await submit({ ifNoneMatch: '*' }, { ...FILE, content: 'changed' });
    expect(again).toMatchObject({ status: 409, json: { code: 'FILE_EXISTS' } });
    expect(await app.storage.getBytes(KEY)).toEqual(BYTES);
    expect(await stored()).toEqual([KEY]);
  });

  test('stores nothing of a form without a file, with two, or with fields after it', async () => {
    const { url, fields } = await sign();
    const parts = partsOf(fields!);
    const forms: Part[][] = [
      parts,
      [...parts, FILE, FILE],
      [...parts, { ...FILE, name: 'other' }],
      [...parts, FILE, { name: 'x', content: '1' }],
      [...parts, FILE, parts[0]!],
    ];
    for (const each of forms) expect((await post(targetOf(url), ...each)).status).toBe(400);
    expect(await answerOf(post(targetOf(url), FILE, ...parts))).toEqual(REFUSAL);
    expect(await stored()).toEqual([]);
  });

  test('stores nothing of what is no form', async () => {
    const { url } = await sign();
    const headers = { 'Content-Type': 'application/json' };
    const answer = await send(app.port, targetOf(url), { method: 'POST', headers, body: '{}' });
    expect(answer).toMatchObject({ status: 400, json: { code: 'MALFORMED_FORM' } });
  });

  test('stores nothing of a form that ends before it is complete, although its file is', async () => {
    const { url, fields } = await sign();
    const whole = form(...partsOf(fields!), FILE, { name: 'x', content: 'y'.repeat(100) });
    const cut = whole.subarray(0, whole.length - 60);
    const answer = await send(app.port, targetOf(url), {
      method: 'POST',
      headers: formHeaders,
      body: cut,
    });
    expect(answer).toMatchObject({ status: 400, json: { code: 'MALFORMED_FORM' } });
    expect(await stored()).toEqual([]);
  });

  test('leaves nothing of a form that its client gives up', async () => {
    await app.storage.put(KEY, 'before');
    const { url, fields } = await sign();
    const content = Buffer.alloc(1_000_000, 'x');
    const whole = form(...partsOf(fields!), { ...FILE, content });
    const socket = await openSocket(app.port);
    socket.write(requestHead(targetOf(url), whole.length));
    await new Promise<void>((resolve) => {
      socket.write(whole.subarray(0, 500_000), () => resolve());
    });
    if (root !== undefined) await until(async () => (await stored()).length > 1);
    socket.destroy();
    await allGone(app);
    await until(async () => (await stored()).length === 1);
    expect(await (await app.storage.get(KEY)).text()).toBe('before');
    expect(app.log.text).toBe('');
  });
});

function partsOf(fields: Readonly<Record<string, string>>): (Part & { content: string })[] {
  return Object.entries(fields).map(([name, content]) => ({ name, content }));
}
