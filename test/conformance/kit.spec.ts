import { Readable } from 'node:stream';
import type { Capabilities } from '../../lib/core/capabilities.js';
import { StorageError, StorageFileExistsError } from '../../lib/core/errors.js';
import { parseRetryOptions } from '../../lib/core/retry.js';
import type { ListPage, StorageDriver } from '../../lib/core/storage-driver.js';
import { Storage } from '../../lib/core/storage.js';
import { storedFile } from '../../lib/core/stored-file.js';
import { createMemoryDriver } from '../../lib/drivers/memory/memory.driver.js';
import {
  checkBehaviour,
  describeStorageDriver,
  type OpenedStorage,
  shutdownBehaviours,
  storageBehaviours,
  type TestRunner,
} from '../../lib/testing/conformance/index.js';

/** A memory driver of which some methods were replaced. */
type Change = (driver: StorageDriver) => Partial<StorageDriver>;

async function openChanged(change: Change): Promise<OpenedStorage> {
  const driver: StorageDriver = await createMemoryDriver(
    {},
    { storage: 'changed', retry: parseRetryOptions(), concurrency: 4 },
  );
  const changes = change(driver);
  const changed = new Proxy(driver, {
    get(target, name: keyof StorageDriver) {
      const value = changes[name] ?? target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const storage = new Storage(changed, { name: 'changed' });
  return { storage, destroy: () => storage.close({ timeout: 1 }) };
}

/** The names of the behaviours that the driver does not have. */
async function failures(change: Change, groups: readonly string[]): Promise<string[]> {
  const failed: string[] = [];
  for (const { name: group, behaviours } of storageBehaviours) {
    if (!groups.includes(group)) continue;
    const open = (): Promise<OpenedStorage> => openChanged(change);
    const { storage, destroy } = await open();
    for (const [index, behaviour] of behaviours.entries()) {
      const context = { folder: `k${index}/`, maxKeyBytes: 1024 };
      await checkBehaviour(behaviour, storage, open, context).catch((error: Error) =>
        failed.push(`${group}: ${behaviour.name}: ${error.message}`),
      );
    }
    await destroy();
  }
  return failed;
}

const ALL_GROUPS = storageBehaviours.map(({ name }) => name);

describe('the conformance kit', () => {
  it('has a name of its own for each behaviour of a group', () => {
    for (const { name: group, behaviours } of [...storageBehaviours, shutdownBehaviours]) {
      const names = behaviours.map(({ name }) => `${group}: ${name}`);
      expect(names).toEqual([...new Set(names)]);
    }
  });

  it('holds a storage to more than 130 behaviours', () => {
    const count = storageBehaviours.reduce((sum, { behaviours }) => sum + behaviours.length, 0);
    expect(count).toBeGreaterThan(130);
  });

  it('finds nothing wrong with a driver that is only wrapped', async () => {
    await expect(failures(() => ({}), ALL_GROUPS)).resolves.toEqual([]);
  });

  it('finds nothing wrong with a driver that can do little, and says so', async () => {
    const little = ({ capabilities }: StorageDriver): { capabilities: Capabilities } => ({
      capabilities: {
        ...capabilities,
        createOnly: false,
        compareAndSet: false,
        createOnlyCopy: false,
        conditionalGet: false,
        ranges: false,
        metadata: false,
        headers: false,
        delimiters: 'none',
        atomicMove: false,
        multipart: false,
        signedUrls: false,
        signedUploads: { PUT: false, POST: false },
        checksums: [],
      },
    });
    await expect(failures(little, ALL_GROUPS)).resolves.toEqual([]);
  });

  it('registers a test for each behaviour with the runner that it is given', async () => {
    const tests: { name: string; body: () => Promise<void> }[] = [];
    const before: (() => Promise<void>)[] = [];
    const after: (() => Promise<void>)[] = [];
    const runner: TestRunner = {
      describe: (_name, body) => body(),
      it: (name, body) => tests.push({ name, body }),
      beforeAll: (body) => before.push(body),
      afterAll: (body) => after.push(body),
    };
    let open = 0;
    describeStorageDriver(
      'any',
      async () => {
        open++;
        const { storage, destroy } = await openChanged(() => ({}));
        return {
          storage,
          async destroy() {
            open--;
            await destroy();
          },
        };
      },
      { runner },
    );
    const groups = [...storageBehaviours, shutdownBehaviours];
    expect(tests).toHaveLength(groups.flatMap(({ behaviours }) => behaviours).length);
    expect(open).toBe(0);
    for (const each of before) await each();
    expect(open).toBe(groups.length);
    await tests[0]!.body();
    for (const each of after) await each();
    expect(open).toBe(0);
  });
});

/** Drivers that break a promise, and where the kit has to notice. */
const BROKEN: Readonly<Record<string, { groups: readonly string[]; change: Change }>> = {
  'drops metadata': {
    groups: ['metadata'],
    change: (driver) => ({
      put: (key, body, options) => driver.put(key, body, { ...options, metadata: {} }),
    }),
  },
  'drops cacheControl': {
    groups: ['attributes'],
    change: (driver) => ({
      put: (key, body, options) => driver.put(key, body, without(options, 'cacheControl')),
    }),
  },
  'stores what came of a body that failed': {
    groups: ['bodies that fail'],
    change: (driver) => ({
      async put(key, body, options) {
        if (body instanceof Uint8Array) return driver.put(key, body, options);
        const chunks: Uint8Array[] = [];
        try {
          for await (const chunk of body) chunks.push(chunk);
        } catch (error) {
          await driver.put(key, Buffer.concat(chunks), options);
          throw error;
        }
        return driver.put(key, Buffer.concat(chunks), options);
      },
    }),
  },
  'deletes before it writes': {
    groups: ['put', 'bodies that fail'],
    change: (driver) => ({
      async put(key, body, options) {
        await driver.deleteMany([key], options);
        return driver.put(key, body, options);
      },
    }),
  },
  'loses the last byte of a download': {
    groups: ['get'],
    change: (driver) => ({
      async get(key, options) {
        const opened = await driver.get(key, options);
        const bytes = opened.body as Uint8Array;
        return { ...opened, body: Readable.from([bytes.subarray(0, -1)]) };
      },
    }),
  },
  'ignores ranges': {
    groups: ['ranges'],
    change: (driver) => ({ get: (key, options) => driver.get(key, without(options, 'range')) }),
  },
  'ignores ifMatch of reads': {
    groups: ['conditions of reads'],
    change: (driver) => ({ get: (key, options) => driver.get(key, without(options, 'ifMatch')) }),
  },
  'ignores ifNoneMatch of writes': {
    groups: ['conditions of writes'],
    change: (driver) => ({
      put: (key, body, options) => driver.put(key, body, without(options, 'ifNoneMatch')),
    }),
  },
  'looks first and writes then': {
    groups: ['conditions of writes'],
    change: (driver) => ({
      async put(key, body, { ifNoneMatch, ...options }) {
        const there = ifNoneMatch && (await driver.info(key, options).catch(() => undefined));
        if (there) throw new StorageFileExistsError();
        await new Promise((resolve) => setImmediate(resolve));
        return driver.put(key, body, options);
      },
    }),
  },
  'ignores ifMatch of writes': {
    groups: ['conditions of writes'],
    change: (driver) => ({
      put: (key, body, options) => driver.put(key, body, without(options, 'ifMatch')),
    }),
  },
  'makes etags of the size': {
    groups: ['put'],
    change: (driver) => {
      const sized = (file: Awaited<ReturnType<StorageDriver['info']>>) =>
        storedFile({ ...file, etag: `"${file.size}"` });
      return {
        put: async (...call) => sized(await driver.put(...call)),
        info: async (...call) => sized(await driver.info(...call)),
      };
    },
  },
  'takes keys that differ in case for one': {
    groups: ['keys'],
    change: (driver) => ({
      put: (key, body, options) => driver.put(key.toLowerCase(), body, options),
      get: (key, options) => driver.get(key.toLowerCase(), options),
    }),
  },
  'decodes keys': {
    groups: ['keys'],
    change: (driver) => {
      const decoded = (key: string): string => {
        try {
          return decodeURIComponent(key);
        } catch {
          return key;
        }
      };
      return {
        put: (key, body, options) => driver.put(decoded(key), body, options),
        get: (key, options) => driver.get(decoded(key), options),
        info: (key, options) => driver.info(decoded(key), options),
      };
    },
  },
  'orders keys by UTF-16': {
    groups: ['list'],
    change: (driver) => ({
      list: (options) =>
        changedPages(driver.list(options), (page) => ({
          ...page,
          files: page.files.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
        })),
    }),
  },
  'takes prefixes for folders': {
    groups: ['list'],
    change: (driver) => ({
      list: (options) =>
        changedPages(driver.list(options), (page) => ({
          ...page,
          files: page.files.filter(
            ({ key }) => options.prefix.endsWith('/') || key.startsWith(`${options.prefix}/`),
          ),
        })),
    }),
  },
  'includes the key that it starts after': {
    groups: ['list'],
    change: (driver) => ({
      list: ({ startAfter, ...options }) =>
        driver.list({
          ...options,
          ...(startAfter !== undefined && { startAfter: startAfter.slice(0, -1) }),
        }),
    }),
  },
  'stops after the first page': {
    groups: ['pages'],
    change: (driver) => ({
      list: (options) =>
        changedPages(driver.list(options), ({ files, prefixes }) => ({ files, prefixes })),
    }),
  },
  'says that there is another page when there is none': {
    groups: ['pages'],
    change: (driver) => ({
      list: (options) =>
        changedPages(driver.list(options), (page) => ({
          cursor: Buffer.from(`after ${page.files.at(-1)?.key ?? 'z'}`).toString('base64url'),
          ...page,
        })),
    }),
  },
  'fails to delete what is not there': {
    groups: ['delete'],
    change: (driver) => ({
      async deleteMany(keys, options) {
        const failed = [];
        for (const key of keys) {
          try {
            await driver.info(key, options);
            await driver.deleteMany([key], options);
          } catch (error) {
            failed.push({ key, error: error as StorageError });
          }
        }
        return { failed };
      },
    }),
  },
  'deletes below a key as well': {
    groups: ['delete'],
    change: (driver) => ({
      async deleteMany(keys, options) {
        const all: string[] = [...keys];
        for (const key of keys) {
          const pages = driver.list({ ...options, prefix: `${key}/`, pageSize: 1000 });
          for await (const { files } of pages) all.push(...files.map((file) => file.key));
        }
        return driver.deleteMany(all, options);
      },
    }),
  },
  'forgets attributes when it copies': {
    groups: ['copy'],
    change: (driver) => ({
      copy: (from, to, options) => driver.copy(from, to, { metadata: {}, ...options }),
    }),
  },
  'leaves the source of a move': {
    groups: ['move'],
    change: (driver) => ({
      copy: (from, to, options) => driver.copy(from, to, without(options, 'move')),
    }),
  },
  'overwrites the destination of a copy that is to create it': {
    groups: ['copy', 'move'],
    change: (driver) => ({
      copy: (from, to, options) => driver.copy(from, to, without(options, 'ifNoneMatch')),
    }),
  },
  'joins parts in the order that they came': {
    groups: ['multipart uploads'],
    change: (driver) => {
      let sent = 0;
      return {
        uploadPart: (upload, _number, body, options) =>
          driver.uploadPart(upload, ++sent, body, options),
      };
    },
  },
  'joins the parts that it has, whatever is asked': {
    groups: ['multipart uploads'],
    change: (driver) => ({
      completeMultipartUpload: async (upload, _parts, options) =>
        driver.completeMultipartUpload(upload, await driver.listParts(upload, options), options),
    }),
  },
  'keeps an upload that is aborted': {
    groups: ['multipart uploads'],
    change: () => ({ abortMultipartUpload: async () => {} }),
  },
  'says of a missing file that something went wrong': {
    groups: ['get', 'errors'],
    change: (driver) => ({
      async get(key, options) {
        return driver.get(key, options).catch(() => {
          throw new StorageError('The service answered 404');
        });
      },
    }),
  },
};

describe('the conformance kit notices a driver that', () => {
  it.each(Object.entries(BROKEN))('%s', async (_name, { groups, change }) => {
    const failed = await failures(change, groups);
    expect(failed).not.toEqual([]);
  });
});

function without<T extends object, Name extends keyof T>(options: T, name: Name): Omit<T, Name> {
  const others: Partial<T> = { ...options };
  delete others[name];
  return others as T;
}

async function* changedPages(
  pages: AsyncIterable<ListPage>,
  change: (page: ListPage) => ListPage,
): AsyncGenerator<ListPage, void> {
  for await (const page of pages) yield change(page);
}
