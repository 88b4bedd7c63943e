import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { brokenWindowsRule } from '../../../lib/drivers/local/local.windows-names.js';
import {
  cleanUp,
  failure,
  filesBelow,
  listAll,
  openAs,
  openDriver,
  posix,
  put,
  signal,
  temporaryFolder,
  text,
} from './local-fixture.js';

describe('the names of Windows', () => {
  it.each([
    ['a.txt:x', /^segment 1 holds :, which Windows has in no name; replace it$/],
    ['a.txt::$DATA', /holds :/],
    ['C:', /holds :/],
    ['a<b', /holds </],
    ['a>b', /holds >/],
    ['a"b', /holds "/],
    ['a|b', /holds \|/],
    ['a?b', /holds \?/],
    ['a*b', /holds \*/],
    ['a.', /^segment 1 ends with a dot or a space/],
    ['a ', /ends with a dot or a space/],
    ['...', /ends with a dot or a space/],
    ['CON', /^segment 1 is a device/],
    ['nul', /is a device/],
    ['Prn.txt', /is a device/],
    ['aux.tar.gz', /is a device/],
    ['NUL .txt', /is a device/],
    ['COM1', /is a device/],
    ['com9.log', /is a device/],
    ['COM¹', /is a device/],
    ['LPT1.txt', /is a device/],
    ['lpt³', /is a device/],
    ['CONIN$', /is a device/],
    ['conout$', /is a device/],
    ['LONGFI~1.TXT', /^segment 1 looks like a short name/],
    ['progra~1', /looks like a short name/],
    ['NESTJS~1', /looks like a short name/],
    ['LO1A2B~1.TXT', /looks like a short name/],
    ['A~12345', /looks like a short name/],
    ['~1', /looks like a short name/],
    ['AB~10.C', /looks like a short name/],
  ])('have no place for %s', (name, rule) => {
    expect(brokenWindowsRule(name)).toMatch(rule);
    expect(brokenWindowsRule(`${name}/below`)).toMatch(rule);
    expect(brokenWindowsRule(`above/${name}`)).toBe(
      brokenWindowsRule(name)!.replace('segment 1', 'segment 2'),
    );
  });

  it.each([
    'a.txt',
    'folder/a b/c.d.e',
    '.hidden/..txt',
    ' a',
    'console',
    'CONIN',
    'nul_',
    'a.nul',
    'COM',
    'COM0',
    'COM10',
    'LPT⁴',
    'auxiliary.txt',
    'report~1 of two.txt',
    'REPORTS~1.TXT',
    'REPORT~1.JSON',
    'REPORT~1.A.B',
    'REPORT~A.TXT',
    'a.b~1',
    '~tilde',
    'a~',
    "!#$%&'()+,-;=@[]^_`{}~",
    '日本語/ファイル.txt',
    '',
  ])('have a place for %s', (name) => {
    expect(brokenWindowsRule(name)).toBeUndefined();
  });
});

describe('a local storage on Windows', () => {
  let root: string;
  let driver: StorageDriver;

  beforeEach(async () => {
    root = await temporaryFolder();
    const signingKeys = [{ id: 'k1', secret: 'x'.repeat(32) }];
    driver = await openAs('win32', { root, baseUrl: 'https://example.com/files', signingKeys });
  });
  afterEach(cleanUp);

  const key = 'folder/a.txt:x';
  const upload = { key, uploadId: '0'.repeat(32) };
  const calls: [string, () => Promise<unknown>][] = [
    ['put', () => put(driver, key)],
    ['get', () => driver.get(key, { signal })],
    ['info', () => driver.info(key, { signal })],
    ['deleteMany', () => driver.deleteMany(['good', key], { signal })],
    ['copy from it', () => driver.copy(key, 'copy', { signal })],
    ['copy to it', () => driver.copy('good', key, { signal })],
    ['move from it', () => driver.copy(key, 'copy', { signal, move: true })],
    ['move to it', () => driver.copy('good', key, { signal, move: true })],
    ['url', () => driver.url(key, { signal, expiresIn: 60 })],
    ['uploadUrl', () => driver.uploadUrl(key, { signal, method: 'PUT', expiresIn: 60 })],
    [
      'startMultipartUpload',
      () => driver.startMultipartUpload(key, { signal, contentType: 'a/b', metadata: {} }),
    ],
    ['uploadPart', () => driver.uploadPart(upload, 1, Buffer.from('x'), { signal })],
    ['uploadPartUrl', () => driver.uploadPartUrl(upload, 1, { signal, expiresIn: 60 })],
    ['listParts', () => driver.listParts(upload, { signal })],
    ['completeMultipartUpload', () => driver.completeMultipartUpload(upload, [], { signal })],
    ['abortMultipartUpload', () => driver.abortMultipartUpload(upload, { signal })],
    ['list below it', () => listAll(driver, { prefix: `${key}/` })],
  ];

  it.each(calls)('refuses a name that Windows does not have: %s', async (_name, call) => {
    await put(driver, 'good');
    const before = await filesBelow(root);
    expect(await failure(call())).toMatchObject({
      code: 'INVALID_KEY',
      reason: expect.stringMatching(
        /^Invalid (key|prefix): segment 2 holds :, which Windows has in no name; replace it$/,
      ) as string,
    });
    expect(await filesBelow(root)).toEqual(before);
  });

  it('shows nothing of a signed URL that is taken for a key', async () => {
    const url = 'host/x?sig=c2Vj/cmV0:&sp=r';
    const { message } = await failure(driver.info(url, { signal }));
    expect(message).not.toMatch(/c2Vj|cmV0/);
  });

  it('stages nothing under such a name, and reads nothing of the body', async () => {
    let isRead = false;
    async function* body(): AsyncGenerator<Uint8Array, void> {
      isRead = true;
      yield Buffer.from('x');
    }
    expect((await failure(put(driver, key, body()))).code).toBe('INVALID_KEY');
    expect(isRead).toBe(false);
    expect(await readdir(root)).toEqual([]);
  });

  it('lists no file that another system has given such a name', async () => {
    for (const name of ['LONGFI~1.TXT', 'LONGFI~1.TEXT']) await writeFile(join(root, name), '');
    expect(await listAll(driver)).toEqual(['LONGFI~1.TEXT']);
  });

  it('lists by a prefix that ends like such a name, since another one may begin so', async () => {
    await put(driver, 'a/CON~1st');
    for (const prefix of ['a/CON', 'a/CON~1']) {
      expect(await listAll(driver, { prefix })).toEqual(['a/CON~1st']);
    }
  });
});

posix.describe('a local storage on another system', () => {
  afterEach(cleanUp);

  it('takes the names that Windows does not have', async () => {
    const { driver } = await openDriver();
    for (const name of ['a.txt:x', 'a.', 'a ', 'NUL', 'LONGFI~1.TXT']) {
      await put(driver, name);
      expect(await text(driver, name)).toBe(name);
    }
  });
});
