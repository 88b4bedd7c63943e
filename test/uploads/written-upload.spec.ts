import { createHash } from 'node:crypto';
import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import {
  Storage,
  StorageConnectionError,
  type StorageDriver,
  type StoredFile,
} from '../../lib/index.js';
import {
  type CheckedFile,
  stageByContent,
  stageUnderKey,
  writeUnderKey,
} from '../../lib/uploads/written-upload.js';
import { recordingDriver } from '../nest/recording-driver.js';

const storages: Storage[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const storage of storages.splice(0)) await storage.close();
});

async function open(replace?: (memory: StorageDriver) => Partial<StorageDriver>) {
  const recorded = await recordingDriver(replace);
  const storage = new Storage(recorded.driver, { retry: { maxRetries: 0 } });
  storages.push(storage);
  return { storage, ...recorded };
}

const FILE = {
  fieldname: 'photo',
  originalname: 'mine.png',
  encoding: '7bit',
  mimetype: 'image/x',
  contentType: 'image/png',
};

function checked(text: string): CheckedFile {
  return {
    file: FILE,
    body: Buffer.from(text),
    attributes: { contentType: 'image/png', metadata: { filename: 'mine.png' } },
    signal: new AbortController().signal,
  };
}

const CREATE_ONLY = { createOnly: true };
const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('a file under its key', () => {
  test('is told as multer has files, with the type that was found', async () => {
    const { storage } = await open();
    const { info, publication } = await writeUnderKey(storage, 'a', checked('12345'), CREATE_ONLY);
    expect(info).toEqual({
      fieldname: 'photo',
      originalname: 'mine.png',
      encoding: '7bit',
      mimetype: 'image/png',
      size: 5,
      key: 'a',
      storage: storage.name,
      stored: await storage.info('a'),
    });
    expect(info.stored).toMatchObject({
      contentType: 'image/png',
      metadata: { filename: 'mine.png' },
    });
    expect(publication).toBe('done');
  });

  test('is removed by its version, and what is there in its place stays', async () => {
    const { storage, keys } = await open();
    const upload = await writeUnderKey(storage, 'a', checked('1'), CREATE_ONLY);
    await upload.publish();
    await upload.remove();
    expect(await keys()).toEqual([]);
    await upload.remove();
    const other = await writeUnderKey(storage, 'a', checked('1'), CREATE_ONLY);
    await storage.put('a', '1');
    await other.remove();
    expect(await keys()).toEqual(['a']);
  });

  test('is removed without a look where nobody else knows the key', async () => {
    const { storage, keys, count } = await open();
    const upload = await writeUnderKey(storage, 'a', checked('1'), { createOnly: false });
    await upload.remove();
    expect([await keys(), count('info')]).toEqual([[], 0]);
  });

  test.each<[what: string, now: object | undefined, isRemoved: boolean]>([
    ['of the same version, whatever else', { version: 'v1', etag: '"other"' }, true],
    ['of another version, with the same bytes', { version: 'v2' }, false],
    ['without a version, of the same etag and time', { version: undefined }, true],
    ['of another etag', { version: undefined, etag: '"other"' }, false],
    ['of two seconds later', { version: undefined, lastModified: new Date(12_000) }, true],
    ['of more than that later', { version: undefined, lastModified: new Date(12_001) }, false],
    ['of before', { version: undefined, lastModified: new Date(0) }, true],
    ['without a time', { version: undefined, lastModified: undefined }, true],
    ['that is not there', undefined, false],
  ])('looks for itself before it is removed: one %s', async (_, now, isRemoved) => {
    const stored = {
      key: 'a',
      size: 1,
      etag: '"e"',
      version: 'v1',
      lastModified: new Date(10_000),
      metadata: {},
    };
    const { storage, count } = await open((memory) => ({
      put: async () => stored,
      info: async (key, options) =>
        now ? ({ ...stored, ...now } as StoredFile) : memory.info(key, options),
    }));
    const upload = await writeUnderKey(storage, 'a', checked('1'), CREATE_ONLY);
    await upload.remove();
    expect(count('deleteMany')).toBe(isRemoved ? 1 : 0);
  });

  test('of which neither time is known is told by its etag', async () => {
    const stored = { key: 'a', size: 1, etag: '"e"', metadata: {} };
    const { storage, count } = await open(() => ({
      put: async () => stored,
      info: async () => ({ ...stored, lastModified: new Date() }),
    }));
    const upload = await writeUnderKey(storage, 'a', checked('1'), CREATE_ONLY);
    await upload.remove();
    expect(count('deleteMany')).toBe(1);
  });

  test('is refused where the backend cannot tell that the key is in use', async () => {
    const { storage, count } = await open((memory) => ({
      capabilities: { ...memory.capabilities, createOnly: false },
    }));
    await expect(writeUnderKey(storage, 'a', checked('1'), CREATE_ONLY)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: `Storage "${storage.name}" cannot refuse a key that is in use, as uploads under keys of one's own need; set overwrite: true, use randomKey or datedKey, or, on S3, name the provider of the service`,
    });
    expect(count('put')).toBe(0);
    await writeUnderKey(storage, 'a', checked('1'), { createOnly: false });
    expect(count('put')).toBe(1);
  });
});

describe('a staged file', () => {
  test('takes the place of another when it is published, once', async () => {
    const { storage, keys, count } = await open();
    await storage.put('a', 'old');
    const upload = await stageUnderKey(storage, 'a', checked('new'));
    expect(upload).toMatchObject({ publication: 'replacing', info: { key: 'a', size: 3 } });
    expect(upload.info.stored.etag).toBeUndefined();
    await Promise.all([upload.publish(), upload.publish()]);
    expect(count('copy')).toBe(1);
    expect(upload.info.stored).toEqual(await storage.info('a'));
    // What was published stays.
    await upload.remove();
    expect(await keys()).toEqual(['a']);
    expect((await storage.getBytes('a')).toString()).toBe('new');
  });

  test('leaves nothing when it is not published', async () => {
    const { storage, keys } = await open();
    for (const upload of [
      await stageUnderKey(storage, 'a', checked('1')),
      await stageByContent(storage, () => 'b', checked('1')),
    ]) {
      await upload.remove();
    }
    expect(await keys()).toEqual([]);
  });

  test('may be published again when that has failed, and is removed after it', async () => {
    let copies = 0;
    const { storage, keys } = await open((memory) => ({
      copy: (...args) =>
        ++copies === 1 ? Promise.reject(new StorageConnectionError('down')) : memory.copy(...args),
    }));
    const upload = await stageUnderKey(storage, 'a', checked('1'));
    const publishing = upload.publish();
    const removing = upload.remove();
    await expect(publishing).rejects.toThrow('down');
    await removing;
    expect(await keys()).toEqual([]);
    copies = 0;
    const again = await stageUnderKey(storage, 'a', checked('1'));
    await expect(again.publish()).rejects.toThrow('down');
    await again.publish();
    expect(await keys()).toEqual(['a']);
  });

  test('is published under the signal that it is given', async () => {
    const { storage, keys } = await open();
    const upload = await stageUnderKey(storage, 'a', checked('1'));
    const signal = AbortSignal.abort();
    await expect(upload.publish({ signal })).rejects.toMatchObject({ code: 'ABORTED' });
    await upload.remove();
    expect(await keys()).toEqual([]);
  });
});

describe('a file whose key tells its content', () => {
  test('is named by all of its bytes, in memory or not', async () => {
    const { storage, keys } = await open();
    async function* body(): AsyncGenerator<Uint8Array, void> {
      yield Buffer.from('he');
      yield Buffer.from('llo');
    }
    for (const given of [checked('hello'), { ...checked(''), body: body() }]) {
      const named: unknown[] = [];
      const upload = await stageByContent(
        storage,
        (file) => {
          named.push(file);
          return 'a';
        },
        given,
      );
      expect(named).toEqual([{ ...FILE, size: 5, sha256: hash('hello') }]);
      expect(upload.publication).toBe('adding');
      await upload.publish();
    }
    expect(await keys()).toEqual(['a']);
  });

  test('leaves nothing when it gets no key', async () => {
    const { storage, keys } = await open();
    const failure = new Error('no name');
    await expect(stageByContent(storage, () => Promise.reject(failure), checked('1'))).rejects.toBe(
      failure,
    );
    expect(await keys()).toEqual([]);
  });

  test('tells why it gets no key, also when it cannot be discarded', async () => {
    const { storage } = await open(() => ({
      deleteMany: () => Promise.reject(new StorageConnectionError('down')),
    }));
    const failure = new Error('no name');
    await expect(stageByContent(storage, () => Promise.reject(failure), checked('1'))).rejects.toBe(
      failure,
    );
  });

  test('is the one that is there already, as that is', async () => {
    const { storage, keys } = await open();
    const first = await storage.put('a', 'same');
    const upload = await stageByContent(storage, () => 'a', checked('same'));
    await upload.publish();
    expect(upload.info.stored).toEqual(first);
    expect(await keys()).toEqual(['a']);
  });

  test('is there, also when what was staged cannot be discarded, which is logged', async () => {
    const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => {});
    const failure = new StorageConnectionError('down');
    const { storage } = await open(() => ({ deleteMany: () => Promise.reject(failure) }));
    const first = await storage.put('a', 'same');
    const upload = await stageByContent(storage, () => 'a', checked('same'));
    await upload.publish();
    expect(upload.info.stored).toEqual(first);
    expect(logged.mock.calls).toEqual([
      [
        expect.stringMatching(
          /^The bytes of an upload .* still staged in the storage ".*", as "[0-9a-f]{32}", until sweepStaged\(\) /,
        ),
        expect.objectContaining({ code: 'CONNECTION_FAILED' }),
      ],
    ]);
  });

  test.each([true, false])(
    'leaves the metadata of the one that is there; copies can be create-only: %s',
    async (createOnlyCopy) => {
      const { storage, keys } = await open((memory) => ({
        capabilities: { ...memory.capabilities, createOnlyCopy },
      }));
      const first = await stageByContent(storage, () => 'a', checked('same'));
      await first.publish();
      const theirs = checked('same');
      const again = await stageByContent(storage, () => 'a', {
        ...theirs,
        attributes: { ...theirs.attributes, metadata: { filename: 'theirs.png' } },
      });
      await again.publish();
      expect(again.info.stored).toEqual(first.info.stored);
      expect((await storage.info('a')).metadata).toEqual({ filename: 'mine.png' });
      expect(await keys()).toEqual(['a']);
    },
  );

  test.each([true, false])(
    'is refused where a file of another size is there; copies can be create-only: %s',
    async (createOnlyCopy) => {
      const { storage, keys } = await open((memory) => ({
        capabilities: { ...memory.capabilities, createOnlyCopy },
      }));
      await storage.put('a', 'another');
      const upload = await stageByContent(storage, () => 'a', checked('mine'));
      await expect(upload.publish()).rejects.toMatchObject({
        code: 'FILE_EXISTS',
        message: `A file of another size is stored under the key already (commit "a", storage "${storage.name}")`,
      });
      await upload.remove();
      expect(await keys()).toEqual(['a']);
      expect((await storage.getBytes('a')).toString()).toBe('another');
    },
  );

  test('fails with what else goes wrong, at the first try', async () => {
    const { storage, count } = await open(() => ({
      copy: () => Promise.reject(new StorageConnectionError('down')),
    }));
    const upload = await stageByContent(storage, () => 'a', checked('same'));
    await expect(upload.publish()).rejects.toThrow('down');
    expect(count('copy')).toBe(1);
  });
});
