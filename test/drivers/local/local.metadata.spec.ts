import { copyFile, mkdir, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { hashOf, MetadataFolder } from '../../../lib/drivers/local/local.metadata.js';
import { RESERVED, cleanUp, filesBelow, openDriver, put, signal } from './local-fixture.js';

const ATTRIBUTES = {
  contentType: 'application/x-thing',
  metadata: { owner: 'Zoë 🎈', 'x-2': '' },
  cacheControl: 'no-store',
  contentDisposition: 'attachment',
  contentEncoding: 'gzip',
  contentLanguage: 'de',
  checksum: { algorithm: 'crc32', value: 'AAAAAA==' },
} as const;

describe('metadata of a local storage', () => {
  let root: string;
  let driver: StorageDriver;
  const sidecars = (): Promise<string[]> =>
    filesBelow(join(root, RESERVED, 'meta')).catch(() => []);

  beforeEach(async () => {
    ({ root, driver } = await openDriver());
  });
  afterEach(cleanUp);

  it('keeps every attribute and the checksum, and leaves the file as plain bytes', async () => {
    const file = await put(driver, 'a.txt', 'bytes', ATTRIBUTES);
    expect(file).toMatchObject(ATTRIBUTES);
    expect(await driver.info('a.txt', { signal })).toEqual(file);
    expect((await driver.get('a.txt', { signal })).file).toEqual(file);
    expect(await readFile(join(root, 'a.txt'), 'utf8')).toBe('bytes');
  });

  it('survives the process', async () => {
    const file = await put(driver, 'a.txt', 'bytes', ATTRIBUTES);
    await driver.close();
    const { driver: next } = await openDriver({ root });
    expect(await next.info('a.txt', { signal })).toEqual(file);
  });

  it('writes none where the name says all', async () => {
    await put(driver, 'a.txt', 'x', { contentType: 'text/plain' });
    expect(await sidecars()).toEqual([]);
  });

  it('belongs to the version: an overwrite without metadata has none', async () => {
    await put(driver, 'a.txt', 'x', ATTRIBUTES);
    await put(driver, 'a.txt', 'x');
    const file = await driver.info('a.txt', { signal });
    expect(file).toMatchObject({ metadata: {}, contentType: 'text/plain' });
    expect(file.cacheControl).toBeUndefined();
    expect(await sidecars()).toEqual([]);
  });

  it('leaves no empty folder', async () => {
    const folders = async (): Promise<string[]> =>
      readdir(join(root, RESERVED, 'meta', hashOf('a.txt').slice(0, 2)));
    await put(driver, 'a.txt', 'x', ATTRIBUTES);
    expect(await folders()).toEqual([hashOf('a.txt').slice(2)]);
    await put(driver, 'a.txt', 'x');
    expect(await folders()).toEqual([]);
    await put(driver, 'a.txt', 'x', ATTRIBUTES);
    await put(driver, 'b.txt', 'x');
    await driver.copy('b.txt', 'a.txt', { signal, move: true });
    expect(await folders()).toEqual([]);
    await put(driver, 'a.txt', 'x', ATTRIBUTES);
    await driver.deleteMany(['a.txt'], { signal });
    expect(await folders()).toEqual([]);
  });

  it('goes with the file', async () => {
    await put(driver, 'a.txt', 'x', ATTRIBUTES);
    await put(driver, 'a.txt', 'y', ATTRIBUTES);
    expect(await sidecars()).toHaveLength(1);
    await driver.deleteMany(['a.txt'], { signal });
    expect(await sidecars()).toEqual([]);
  });

  it('leaves none of a write that failed', async () => {
    await put(driver, 'a.txt', 'x', ATTRIBUTES);
    await put(driver, 'a.txt', 'y', { ...ATTRIBUTES, ifNoneMatch: '*' }).catch(() => {});
    await put(driver, 'a.txt', 'y', { ...ATTRIBUTES, ifMatch: '"no"' }).catch(() => {});
    expect(await sidecars()).toHaveLength(1);
    expect((await driver.info('a.txt', { signal })).metadata).toEqual(ATTRIBUTES.metadata);
  });

  it('is not taken for that of a file which another program changed', async () => {
    await put(driver, 'a.txt', 'x', ATTRIBUTES);
    await writeFile(join(root, 'a.txt'), 'z');
    expect((await driver.info('a.txt', { signal })).metadata).toEqual({});
  });

  it('is found again when a backup brought the file back under another inode', async () => {
    const { lastModified } = await put(driver, 'a.txt', 'x', ATTRIBUTES);
    const seconds = Math.floor(lastModified!.getTime() / 1000);
    // Whole seconds, which utimes() keeps exactly: as a backup tool does with nanoseconds.
    await utimes(join(root, 'a.txt'), seconds, seconds);
    const { ino, size, mtimeNs } = await statOf(join(root, 'a.txt'));
    const metadata = new MetadataFolder(join(root, RESERVED, 'meta'), 0o600, 0o700, false);
    await metadata.write('a.txt', { ino, size, mtimeNs }, ATTRIBUTES);
    await copyFile(join(root, 'a.txt'), join(root, 'copy'));
    await rm(join(root, 'a.txt'));
    await mkdir(join(root, 'keeps-the-inode'));
    await copyFile(join(root, 'copy'), join(root, 'a.txt'));
    await utimes(join(root, 'a.txt'), seconds, seconds);
    expect((await driver.info('a.txt', { signal })).metadata).toEqual(ATTRIBUTES.metadata);
  });

  it('is tidied away an hour after a crash or a race of processes has left it', async () => {
    await put(driver, 'a.txt', 'x', ATTRIBUTES);
    const [mine] = await sidecars();
    const folder = join(root, RESERVED, 'meta', mine!, '..');
    await writeFile(join(folder, '1-2-3.json'), '{}');
    await writeFile(join(folder, '1-2-4.json'), '{}');
    const before = new Date(Date.now() - 3_700_000);
    const foreign = ['1-2-3.json.bak', 'draft-1', `draft-${'0'.repeat(33)}`, 'note', 'x1-2-3.json'];
    const draft = `draft-${'0f'.repeat(16)}`;
    for (const name of [draft, ...foreign]) await writeFile(join(folder, name), '{}');
    for (const name of ['1-2-3.json', draft, ...foreign]) {
      await utimes(join(folder, name), before, before);
    }
    await put(driver, 'a.txt', 'y', ATTRIBUTES);
    const names = (await sidecars()).map((path) => path.slice(path.lastIndexOf('/') + 1));
    expect(names).toHaveLength(2 + foreign.length);
    expect(names).toEqual(expect.arrayContaining(['1-2-4.json', ...foreign]));
    expect((await driver.info('a.txt', { signal })).metadata).toEqual(ATTRIBUTES.metadata);
  });

  it.each(['', '{"key":', 'null', '7', '"text"'])(
    'counts as none when it was cut short, or is no record: %j',
    async (record) => {
      await put(driver, 'a.txt', 'x', ATTRIBUTES);
      await writeFile(join(root, RESERVED, 'meta', (await sidecars())[0]!), record);
      const file = await driver.info('a.txt', { signal });
      expect(file).toMatchObject({ contentType: 'text/plain', metadata: {} });
    },
  );

  it.each<[string, unknown, Record<string, unknown>]>([
    ['contentType', 7, { contentType: 'text/plain' }],
    ['contentType', ['a/b'], { contentType: 'text/plain' }],
    ['contentType', 'a/b\r\nx: y', { contentType: 'text/plain' }],
    ['metadata', { a: 1 }, { metadata: {} }],
    ['metadata', 'text', { metadata: {} }],
    ['cacheControl', {}, { cacheControl: undefined }],
    ['checksum', 'x', { checksum: undefined }],
    ['checksum', { algorithm: 'crc32', value: 'short' }, { checksum: undefined }],
  ])('has no %s when the record says %j', async (name, value, expected) => {
    const stored = await put(driver, 'a.txt', 'x', ATTRIBUTES);
    const record = { ...ATTRIBUTES, [name]: value };
    await writeFile(join(root, RESERVED, 'meta', (await sidecars())[0]!), JSON.stringify(record));
    const file = await driver.info('a.txt', { signal });
    expect(file).toEqual({ ...stored, ...expected });
  });

  it('is complete for its readers while it is written again', async () => {
    const version = { ino: 1n, size: 1n, mtimeNs: 1n };
    const metadata = new MetadataFolder(join(root, RESERVED, 'meta'), 0o600, 0o700, false);
    await metadata.write('k', version, ATTRIBUTES);
    let writing = true;
    const writer = (async () => {
      for (let round = 0; round < 300; round++) await metadata.write('k', version, ATTRIBUTES);
      writing = false;
    })();
    while (writing) expect(await metadata.read('k', version)).toEqual(ATTRIBUTES);
    await writer;
    expect(await sidecars()).toHaveLength(1);
  });

  it('never pairs one version’s bytes with another’s metadata', async () => {
    const { driver: other } = await openDriver({ root });
    const version = (writer: number, round: number): Promise<unknown> => {
      const name = `${writer}-${round}`;
      // Every third has none, so that all of missing, new and old metadata meet.
      const metadata: Record<string, string> = round % 3 === 0 ? {} : { name };
      return put(writer ? driver : other, 'k', round % 3 === 0 ? 'none' : name, { metadata });
    };
    await version(0, 0);
    let writing = 2;
    const writers = [0, 1].map(async (writer) => {
      for (let round = 0; round < 300; round++) await version(writer, round);
      writing--;
    });
    let reads = 0;
    const readers = [driver, other, driver].map(async (reader) => {
      while (writing > 0) {
        const { file, body } = await reader.get('k', { signal });
        expect(Buffer.from(body as Uint8Array).toString()).toBe(file.metadata['name'] ?? 'none');
        reads++;
      }
    });
    await Promise.all([...writers, ...readers]);
    expect(reads).toBeGreaterThan(0);
  });
});

async function statOf(path: string): Promise<{ ino: bigint; size: bigint; mtimeNs: bigint }> {
  const { stat } = await import('node:fs/promises');
  return stat(path, { bigint: true });
}
