import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { setImmediate } from 'node:timers/promises';
import type { DriverUpload, StorageDriver } from '../../../lib/core/storage-driver.js';
import {
  RESERVED,
  cleanUp,
  failure,
  listAll,
  openDriver,
  put,
  signal,
  temporaryFiles,
  text,
} from './local-fixture.js';

const ATTRIBUTES = { contentType: 'text/x-thing', metadata: { a: '1' }, cacheControl: 'no-store' };

describe('uploads in parts to a local storage', () => {
  let root: string;
  let driver: StorageDriver;

  beforeEach(async () => {
    ({ root, driver } = await openDriver());
  });
  afterEach(cleanUp);

  const start = async (key = 'a/b.bin'): Promise<DriverUpload> => ({
    key,
    uploadId: await driver.startMultipartUpload(key, { signal, ...ATTRIBUTES }),
  });
  const part = (upload: DriverUpload, number: number, body = `${number};`) =>
    driver.uploadPart(upload, number, Buffer.from(body), { signal });
  const uploads = (): Promise<string[]> => readdir(join(root, RESERVED, 'uploads'));

  it('joins the parts by number, with the attributes of the start', async () => {
    const upload = await start();
    const parts = [await part(upload, 2), await part(upload, 10), await part(upload, 1)];
    expect(await listAll(driver)).toEqual([]);
    const sorted = parts.sort((left, right) => left.partNumber - right.partNumber);
    expect(await driver.listParts(upload, { signal })).toEqual(sorted);
    const file = await driver.completeMultipartUpload(upload, sorted, { signal });
    expect(file).toMatchObject({ key: 'a/b.bin', size: 7, ...ATTRIBUTES });
    expect(await driver.info('a/b.bin', { signal })).toEqual(file);
    expect(await text(driver, 'a/b.bin')).toBe('1;2;10;');
    expect(await uploads()).toEqual([]);
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it('shows no upload without its record, which a kill at that moment would leave to no sweep', async () => {
    const path = join(root, RESERVED, 'uploads');
    await driver.abortMultipartUpload(await start(), { signal });
    let isStarting = true;
    const starting = (async () => {
      for (let n = 0; n < 30; n++) await start(`${n}.bin`);
    })().finally(() => (isStarting = false));
    const incomplete: string[] = [];
    while (isStarting) {
      await setImmediate();
      const ids = readdirSync(path);
      incomplete.push(...ids.filter((id) => !existsSync(join(path, id, 'upload.json'))));
    }
    await starting;
    expect(incomplete).toEqual([]);
    expect(await uploads()).toHaveLength(30);
  });

  it('completes an upload of one part, and the bytes are not the part’s any more', async () => {
    const upload = await start();
    const only = await part(upload, 1, 'all');
    await driver.completeMultipartUpload(upload, [only], { signal });
    expect(await text(driver, 'a/b.bin')).toBe('all');
    expect(await uploads()).toEqual([]);
  });

  it('replaces a part that is sent again', async () => {
    const upload = await start();
    const first = await part(upload, 1, 'old');
    const second = await part(upload, 1, 'new');
    expect(first.etag).not.toBe(second.etag);
    const stale = await failure(driver.completeMultipartUpload(upload, [first], { signal }));
    expect(stale.code).toBe('INVALID_ARGUMENT');
    expect(stale.message).toContain('Part 1');
    await driver.completeMultipartUpload(upload, [second], { signal });
    expect(await text(driver, 'a/b.bin')).toBe('new');
  });

  it('names a part that is missing', async () => {
    const upload = await start();
    const { etag } = await part(upload, 1);
    const call = driver.completeMultipartUpload(upload, [{ partNumber: 2, etag }], { signal });
    expect((await failure(call)).message).toContain('Part 2');
  });

  it.each([1, 2])(
    'keeps the %d parts when it cannot publish, and publishes later',
    async (count) => {
      const upload = await start('k');
      const parts = [];
      for (let number = 1; number <= count; number++) parts.push(await part(upload, number));
      await put(driver, 'k', 'taken');
      const refused = driver.completeMultipartUpload(upload, parts, { signal, ifNoneMatch: '*' });
      expect((await failure(refused)).code).toBe('FILE_EXISTS');
      expect(await text(driver, 'k')).toBe('taken');
      expect(await driver.listParts(upload, { signal })).toEqual(parts);
      await driver.completeMultipartUpload(upload, parts, { signal });
      expect(await text(driver, 'k')).toBe(count === 1 ? '1;' : '1;2;');
      expect(await temporaryFiles(root)).toEqual([]);
    },
  );

  it('goes on in another process', async () => {
    const upload = await start();
    const first = await part(upload, 1);
    await driver.close();
    ({ driver } = await openDriver({ root }));
    const second = await part(JSON.parse(JSON.stringify(upload)) as DriverUpload, 2);
    await driver.completeMultipartUpload(upload, [first, second], { signal });
    expect(await text(driver, 'a/b.bin')).toBe('1;2;');
  });

  it('aborts, as often as it is asked to', async () => {
    const upload = await start();
    await part(upload, 1);
    await driver.abortMultipartUpload(upload, { signal });
    await driver.abortMultipartUpload(upload, { signal });
    expect(await uploads()).toEqual([]);
    for (const call of [
      () => part(upload, 2),
      () => driver.listParts(upload, { signal }),
      () => driver.completeMultipartUpload(upload, [{ partNumber: 1, etag: '"x"' }], { signal }),
    ]) {
      expect((await failure(call())).code).toBe('FILE_NOT_FOUND');
    }
  });

  it('lists more uploads than a page holds, each once, and nothing that others put beside them', async () => {
    const path = join(root, RESERVED, 'uploads');
    const keys = Array.from({ length: 205 }, (_, index) => `${1000 + index}`);
    for (const key of keys) await start(key);
    await mkdir(join(path, 'theirs'));
    await writeFile(join(path, 'theirs/upload.json'), '{"key":"theirs"}');
    await writeFile(join(path, '0'.repeat(32)), '');
    const listed: string[] = [];
    for await (const page of driver.listMultipartUploads({ signal, prefix: '' })) {
      listed.push(...page.map(({ key }) => key));
    }
    expect(listed.sort()).toEqual(keys);
  });

  it.each([1, 2])(
    'stores the checksum of a file of %i parts, when every file is to have one',
    async (count) => {
      ({ driver } = await openDriver({ root, checksum: 'crc32' }));
      const upload = await start('k');
      const parts = [];
      for (let number = 1; number <= count; number++) parts.push(await part(upload, number));
      const file = await driver.completeMultipartUpload(upload, parts, { signal });
      const value = checksumOf(count === 1 ? '1;' : '1;2;');
      expect(file).toMatchObject({ ...ATTRIBUTES, checksum: { algorithm: 'crc32', value } });
      expect(await driver.info('k', { signal })).toEqual(file);
      expect(await text(driver, 'k')).toBe(count === 1 ? '1;' : '1;2;');
    },
  );

  it('knows no upload by a path, or by the id of another key’s', async () => {
    const { uploadId } = await start();
    for (const upload of [
      { key: 'a/b.bin', uploadId: '../../x' },
      { key: 'a/b.bin', uploadId: `../uploads/${uploadId}` },
      { key: 'other', uploadId },
    ]) {
      const missing = { code: 'FILE_NOT_FOUND', key: upload.key };
      expect(await failure(driver.listParts(upload, { signal }))).toMatchObject(missing);
      await driver.abortMultipartUpload(upload, { signal });
    }
    expect(await uploads()).toEqual([uploadId]);
  });
});

function checksumOf(content: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(content));
  return bytes.toString('base64');
}
