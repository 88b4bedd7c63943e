import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { Capabilities } from '../../lib/core/capabilities.js';
import {
  StorageError,
  StorageFileExistsError,
  StorageInvalidKeyError,
} from '../../lib/core/errors.js';
import { parseRetryOptions } from '../../lib/core/retry.js';
import type { ListPage, StorageDriver } from '../../lib/core/storage-driver.js';
import { Storage } from '../../lib/core/storage.js';
import { type StoredFile, storedFile } from '../../lib/core/stored-file.js';
import { brokenWindowsRule } from '../../lib/drivers/local/local.windows-names.js';
import { createMemoryDriver } from '../../lib/drivers/memory/memory.driver.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import {
  type BackendNames,
  type BehaviourContext,
  type BehaviourGroup,
  checkBehaviour,
  describeStorageDriver,
  type OpenedStorage,
  servedBehaviours,
  shutdownBehaviours,
  storageBehaviours,
  type TestRunner,
} from '../../lib/testing/conformance/index.js';
import { altered } from '../../lib/testing/conformance/expectations.js';
import { type GcsTestServer, startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { clientOf } from '../drivers/gcs/open-gcs.js';

/** What is replaced in a storage in memory, or in its driver. */
interface Changes {
  readonly driver?: (driver: StorageDriver) => Partial<StorageDriver>;
  readonly storage?: (storage: Storage) => Partial<Storage>;
  readonly reopen?: () => Promise<Storage>;
}

async function openChanged({ driver: change, ...changes }: Changes): Promise<OpenedStorage> {
  const driver: StorageDriver = await createMemoryDriver(
    {},
    { storage: 'changed', retry: parseRetryOptions(), concurrency: 4 },
  );
  const storage = new Storage(replaced(driver, change?.(driver)), { name: 'changed' });
  return {
    storage: replaced(storage, changes.storage?.(storage)),
    ...(changes.reopen && { reopen: changes.reopen }),
    destroy: () => storage.close({ timeout: 1 }),
  };
}

function replaced<T extends object>(target: T, replacements: Partial<T> = {}): T {
  return new Proxy(target, {
    get(_, name) {
      const key = name as keyof T;
      const value: unknown = key in replacements ? replacements[key] : target[key];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The behaviours of the groups that the storage does not have, by group. */
async function failures(
  open: () => Promise<OpenedStorage>,
  groups: readonly BehaviourGroup[] = GROUPS,
  names: BackendNames = 'any',
): Promise<Record<string, string[]>> {
  const failed: Record<string, string[]> = {};
  for (const { name: group, behaviours } of groups) {
    const opened = await open();
    for (const [index, behaviour] of behaviours.entries()) {
      if (behaviour.needsNames === 'cased' && names !== 'any') continue;
      const context = { folder: `k${index}/`, maxKeyBytes: 1024, names };
      await checkBehaviour(behaviour, opened, open, context).catch((error: Error) => {
        (failed[group] ??= []).push(`${behaviour.name}: ${error.message}`);
      });
    }
    await opened.destroy();
  }
  return failed;
}

const GROUPS = [...storageBehaviours, shutdownBehaviours];

function groupsNamed(names: readonly string[]): BehaviourGroup[] {
  return [...GROUPS, ...servedBehaviours].filter(({ name }) => names.includes(name));
}

// What is run here shows the kit, not a storage: it has no place in the matrix of a run.
delete process.env['STORAGE_CONFORMANCE_RESULTS'];

describe('the conformance kit', () => {
  it('has a name of its own for each behaviour of a group', () => {
    for (const { name: group, behaviours } of [...GROUPS, ...servedBehaviours]) {
      const names = behaviours.map(({ name }) => `${group}: ${name}`);
      expect(names).toEqual([...new Set(names)]);
    }
  });

  it('holds a storage to more than 450 behaviours', () => {
    const count = storageBehaviours.reduce((sum, { behaviours }) => sum + behaviours.length, 0);
    expect(count).toBeGreaterThan(450);
  });

  it('finds nothing wrong with a driver that is only wrapped', async () => {
    await expect(failures(() => openChanged({}))).resolves.toEqual({});
  });

  it('finds nothing wrong with a driver that can do little, and says so', async () => {
    const little = ({ capabilities }: StorageDriver): { capabilities: Capabilities } => ({
      capabilities: {
        ...capabilities,
        createOnly: false,
        compareAndSet: false,
        conditionalDelete: false,
        createOnlyCopy: false,
        conditionalGet: false,
        ranges: false,
        metadata: false,
        headers: false,
        delimiters: 'none',
        atomicMove: false,
        multipart: false,
        multipartListing: false,
        signedUrls: false,
        signedCacheControl: false,
        signedUploads: { PUT: false, POST: false },
        signedParts: false,
        checksums: [],
      },
    });
    await expect(failures(() => openChanged({ driver: little }))).resolves.toEqual({});
  });

  it('stores nothing under a name that Windows does not have, or under two that differ only in case', async () => {
    const twins: string[] = [];
    const ofWindows = (driver: StorageDriver): Partial<StorageDriver> => {
      const stored = new Map<string, string>();
      const store = (key: string): void => {
        const rule = brokenWindowsRule(key);
        if (rule !== undefined) throw new StorageInvalidKeyError(rule, { key });
        const known = stored.get(key.toLowerCase()) ?? key;
        if (known !== key) twins.push(`${known} and ${key}`);
        stored.set(key.toLowerCase(), key);
      };
      return {
        async put(key, ...rest) {
          store(key);
          return driver.put(key, ...rest);
        },
        async copy(from, to, options) {
          store(to);
          return driver.copy(from, to, options);
        },
        async startMultipartUpload(key, options) {
          store(key);
          return driver.startMultipartUpload(key, options);
        },
      };
    };
    const open = (): Promise<OpenedStorage> => openChanged({ driver: ofWindows });
    await expect(failures(open, GROUPS, 'windows')).resolves.toEqual({});
    expect(twins).toEqual([]);
  });

  it('finds that a driver takes names that Windows does not have', async () => {
    const failed = await failures(() => openChanged({}), groupsNamed(['keys']), 'windows');
    expect(failed['keys']).toContainEqual(
      expect.stringMatching(/^keeps the key "CON" .*: expected a StorageInvalidKeyError, but/),
    );
    expect(failed['keys']).toHaveLength(12);
  });

  it('finds nothing wrong with a driver of small limits', async () => {
    const small = ({ capabilities }: StorageDriver): { capabilities: Capabilities } => ({
      capabilities: {
        ...capabilities,
        limits: {
          maxObjectSize: 12 * 1024 * 1024,
          minPartSize: 1000,
          maxPartSize: 8 * 1024 * 1024,
          maxParts: 100,
          deleteBatch: 7,
          maxExpiresIn: 3600,
        },
      },
    });
    await expect(failures(() => openChanged({ driver: small }))).resolves.toEqual({});
  });

  it('finds nothing wrong with a driver that dates a write by its answer, some seconds later', async () => {
    const late = (driver: StorageDriver): Partial<StorageDriver> => ({
      async put(...call) {
        const file = await driver.put(...call);
        return storedFile({ ...file, lastModified: new Date(file.lastModified!.getTime() + 9000) });
      },
    });
    const groups = groupsNamed(['put']);
    await expect(failures(() => openChanged({ driver: late }), groups)).resolves.toEqual({});
  });

  it('finds nothing wrong with a storage that lets go of a signal some turns after its call', async () => {
    const slow = (storage: Storage): Partial<Storage> => ({
      async deleteMany(keys, options) {
        const listener = (): void => {};
        const letGo = (): void => options?.signal?.removeEventListener('abort', listener);
        options?.signal?.addEventListener('abort', listener);
        try {
          return await storage.deleteMany(keys, options);
        } finally {
          setImmediate(() => setImmediate(letGo));
        }
      },
    });
    const groups = groupsNamed(['abort']);
    await expect(failures(() => openChanged({ storage: slow }), groups)).resolves.toEqual({});
  });

  it('alters a signature so that no decoder takes it for the same one', () => {
    const signatures = Array.from({ length: 256 }, (_, byte) => Buffer.alloc(32, byte));
    for (const signature of signatures) {
      const text = signature.toString('base64url');
      expect(altered(text)).toHaveLength(text.length);
      expect(Buffer.from(altered(text), 'base64url')).not.toEqual(signature);
    }
  });

  it('registers a test for each behaviour with the runner that it is given', async () => {
    const run = registered(() => openChanged({}));
    expect(run.tests).toHaveLength(GROUPS.flatMap(({ behaviours }) => behaviours).length);
  });

  it('leaves out what is about case where case is ignored', async () => {
    const run = registered(() => openChanged({}));
    for (const names of ['caseless', 'windows'] as const) {
      const left = registered(() => openChanged({}), names);
      expect(left.tests).toHaveLength(run.tests.length - 1);
    }
  });

  it('opens a storage for each group, and destroys it', async () => {
    let open = 0;
    const run = registered(async () => {
      open++;
      const { storage, destroy } = await openChanged({});
      return {
        storage,
        async destroy() {
          open--;
          await destroy();
        },
      };
    });
    expect(open).toBe(0);
    for (const before of run.before) await before();
    expect(open).toBe(GROUPS.length);
    await run.tests[0]!.body();
    for (const after of run.after) await after();
    expect(open).toBe(0);
  });

  it('closes the storages that it has opened on the same place', async () => {
    const others: Storage[] = [];
    const open = async (): Promise<OpenedStorage> => {
      const opened = await openChanged({});
      const reopen = async (): Promise<Storage> => {
        const storage = replaced(opened.storage, { close: async () => void others.splice(0, 1) });
        others.push(storage);
        return storage;
      };
      return { ...opened, reopen };
    };
    expect(await failures(open, groupsNamed(['a second storage']))).toEqual({});
    expect(others).toEqual([]);
  });

  it('has many files put by other means than the storage, where it is given some', async () => {
    const open = async (): Promise<OpenedStorage> => {
      let original!: Storage;
      const opened = await openChanged({
        storage(storage) {
          original = storage;
          return { put: () => Promise.reject(new Error('one by one')) };
        },
      });
      const fill = async (keys: readonly string[]): Promise<void> => {
        for (const key of keys) await original.put(key, key);
      };
      return { ...opened, fill };
    };
    expect(await failures(open, groupsNamed(['many files']))).toEqual({});
  });

  it('writes what came of each group into the folder that the environment names', async () => {
    const driver = ({ capabilities }: StorageDriver): Partial<StorageDriver> => ({
      capabilities: {
        ...capabilities,
        multipart: false,
        limits: { ...capabilities.limits, maxParts: Infinity },
      },
    });
    const groups = groupsNamed(['capabilities', 'bodies', 'multipart uploads']);
    const results = await resultsOf(async () => {
      const kit = registered(() => openChanged({ driver }));
      for (const before of kit.before) await before();
      for (const { group, body } of kit.tests) {
        if (groups.some(({ name }) => name === group)) await body().catch(() => {});
      }
      for (const after of kit.after) await after();
    });
    const ran = results.filter(({ group }) => groups.some(({ name }) => name === group));
    const [, bodies, multipart] = groups.map(({ behaviours }) => behaviours.length);
    const run = expect.any(String) as string;
    const line = {
      storage: 'any',
      run,
      refused: 0,
      broken: [],
      milliseconds: expect.any(Number),
    };
    const broken = ['tells limits in whole numbers that agree with each other'];
    expect(ran).toEqual([
      { ...line, group: 'capabilities', kept: 2, broken },
      { ...line, group: 'bodies', kept: bodies },
      { ...line, group: 'multipart uploads', kept: 0, refused: multipart },
    ]);
  });

  it.each<[string, Changes['storage'] | undefined]>([
    ['is not there', undefined],
    ['cannot be opened', () => ({ open: () => Promise.reject(new Error('no such bucket')) })],
  ])('writes that all behaviours of a storage that %s are broken', async (_what, storage) => {
    const results = await resultsOf(async () => {
      const open = (): Promise<OpenedStorage> =>
        storage ? openChanged({ storage }) : Promise.reject(new Error('no such place'));
      const kit = registered(open);
      for (const before of kit.before) await before().catch(() => {});
      for (const after of kit.after) await after();
    });
    expect(results).toMatchObject(
      GROUPS.map(({ name, behaviours }) => ({
        group: name,
        kept: 0,
        refused: 0,
        broken: behaviours.map((behaviour) => behaviour.name),
      })),
    );
  });

  it('destroys every storage of a behaviour, and reports the one that cannot be', async () => {
    const destroyed: number[] = [];
    const open = async (): Promise<OpenedStorage> => {
      const { storage, destroy } = await openChanged({});
      const number = destroyed.push(0);
      return {
        storage,
        async destroy() {
          await destroy();
          destroyed[number - 1]!++;
          if (number === 2) throw new Error('it cannot be destroyed');
        },
      };
    };
    const opened = await open();
    const behaviour = {
      name: 'opens two storages',
      async run(_storage: Storage, { open: openOther }: BehaviourContext) {
        await openOther();
        await openOther();
      },
    };
    const context = { folder: 'k/', maxKeyBytes: 1024 };
    await expect(checkBehaviour(behaviour, opened, open, context)).rejects.toThrow(
      'it cannot be destroyed',
    );
    expect(destroyed).toEqual([0, 1, 1]);
    await opened.destroy();
  });
});

/** The lines that the kit writes meanwhile. */
async function resultsOf(work: () => Promise<void>): Promise<{ group: string }[]> {
  const folder = await mkdtemp(join(tmpdir(), 'results-'));
  process.env['STORAGE_CONFORMANCE_RESULTS'] = folder;
  try {
    await work();
    const [file, ...others] = await readdir(folder);
    expect(others).toEqual([]);
    const lines = (await readFile(join(folder, file!), 'utf8')).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as { group: string });
  } finally {
    delete process.env['STORAGE_CONFORMANCE_RESULTS'];
    await rm(folder, { recursive: true, force: true });
  }
}

interface Registered {
  readonly tests: { readonly group: string; readonly body: () => Promise<void> }[];
  readonly before: (() => Promise<void>)[];
  readonly after: (() => Promise<void>)[];
}

/** What the kit registers with a runner. */
function registered(open: () => Promise<OpenedStorage>, names?: BackendNames): Registered {
  const run: Registered = { tests: [], before: [], after: [] };
  let group = '';
  const runner: TestRunner = {
    describe(name, body) {
      group = name;
      body();
    },
    it: (_name, body) => run.tests.push({ group, body }),
    beforeAll: (body) => run.before.push(body),
    afterAll: (body) => run.after.push(body),
  };
  describeStorageDriver('any', open, { runner, ...(names && { names }) });
  return run;
}

/** Drivers that break a promise, and where the kit has to notice. */
const BROKEN: Readonly<Record<string, Changes & { groups: readonly string[] }>> = {
  'drops metadata': {
    groups: ['metadata'],
    driver: (driver) => ({
      put: (key, body, options) => driver.put(key, body, { ...options, metadata: {} }),
    }),
  },
  'drops cacheControl': {
    groups: ['attributes'],
    driver: (driver) => ({
      put: (key, body, options) => driver.put(key, body, without(options, 'cacheControl')),
    }),
  },
  'stores what came of a body that failed': {
    groups: ['bodies that fail', 'abort', 'staged files'],
    driver: (driver) => ({
      async put(key, body, options) {
        if (body instanceof Uint8Array) return driver.put(key, body, options);
        const chunks: Uint8Array[] = [];
        try {
          for await (const chunk of body) chunks.push(chunk);
        } catch (error) {
          const { signal } = new AbortController();
          await driver.put(key, Buffer.concat(chunks), { ...options, signal });
          throw error;
        }
        return driver.put(key, Buffer.concat(chunks), options);
      },
    }),
  },
  'deletes before it writes': {
    groups: ['put', 'bodies that fail', 'races'],
    driver: (driver) => ({
      async put(key, body, options) {
        await driver.deleteMany([key], options);
        return driver.put(key, body, options);
      },
    }),
  },
  'loses the last byte of a download': {
    groups: ['get'],
    driver: (driver) => ({
      async get(key, options) {
        const opened = await driver.get(key, options);
        const bytes = opened.body as Uint8Array;
        return { ...opened, body: Readable.from([bytes.subarray(0, -1)]) };
      },
    }),
  },
  'ignores ranges': {
    groups: ['ranges'],
    driver: (driver) => ({ get: (key, options) => driver.get(key, without(options, 'range')) }),
  },
  'ignores ifMatch of reads': {
    groups: ['conditions of reads', 'parallel downloads'],
    driver: (driver) => ({ get: (key, options) => driver.get(key, without(options, 'ifMatch')) }),
  },
  'ignores ifNoneMatch of writes': {
    groups: ['conditions of writes'],
    driver: (driver) => ({
      put: (key, body, options) => driver.put(key, body, without(options, 'ifNoneMatch')),
    }),
  },
  'looks first and writes then': {
    groups: ['races'],
    driver: (driver) => ({
      async put(key, body, { ifNoneMatch, ...options }) {
        const there = ifNoneMatch && (await driver.info(key, options).catch(() => undefined));
        if (there) throw new StorageFileExistsError();
        await new Promise((resolve) => setImmediate(resolve));
        return driver.put(key, body, options);
      },
    }),
  },
  'ignores ifMatch of writes': {
    groups: ['conditions of writes', 'races', 'a second storage'],
    driver: (driver) => ({
      put: (key, body, options) => driver.put(key, body, without(options, 'ifMatch')),
    }),
  },
  'makes etags of the size': {
    groups: ['put'],
    driver: (driver) => {
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
    driver: (driver) => ({
      put: (key, body, options) => driver.put(key.toLowerCase(), body, options),
      get: (key, options) => driver.get(key.toLowerCase(), options),
    }),
  },
  'decodes keys': {
    groups: ['keys'],
    driver: (driver) => {
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
    driver: (driver) => ({
      list: (options) =>
        changedPages(driver.list(options), (page) => ({
          ...page,
          files: page.files.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
        })),
    }),
  },
  'takes prefixes for folders': {
    groups: ['list'],
    driver: (driver) => ({
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
    driver: (driver) => ({
      list: ({ startAfter, ...options }) =>
        driver.list({
          ...options,
          ...(startAfter !== undefined && { startAfter: startAfter.slice(0, -1) }),
        }),
    }),
  },
  'stops after the first page': {
    groups: ['pages', 'many files'],
    driver: (driver) => ({
      list: (options) =>
        changedPages(driver.list(options), ({ files, prefixes }) => ({ files, prefixes })),
    }),
  },
  'says that there is another page when there is none': {
    groups: ['pages'],
    driver: (driver) => ({
      list: (options) =>
        changedPages(driver.list(options), (page) => ({
          cursor: Buffer.from(`after ${page.files.at(-1)?.key ?? 'z'}`).toString('base64url'),
          ...page,
        })),
    }),
  },
  'fails to delete what is not there': {
    groups: ['delete'],
    driver: (driver) => ({
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
    driver: (driver) => ({
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
    driver: (driver) => ({
      copy: (from, to, options) => driver.copy(from, to, { metadata: {}, ...options }),
    }),
  },
  ...Object.fromEntries(
    (['cacheControl', 'contentDisposition', 'contentEncoding', 'contentLanguage'] as const).map(
      (header) => [
        `keeps the ${header} of the source, whatever a copy is given`,
        {
          groups: ['copy', 'move'],
          driver: (driver: StorageDriver): Partial<StorageDriver> => ({
            copy: (from, to, options) => driver.copy(from, to, without(options, header)),
          }),
        },
      ],
    ),
  ),
  'leaves the source of a move': {
    groups: ['move'],
    driver: (driver) => ({
      copy: (from, to, options) => driver.copy(from, to, without(options, 'move')),
    }),
  },
  'moves in two steps, and says that it is one': {
    groups: ['move'],
    driver: (driver) => ({
      async copy(from, to, options) {
        const file = await driver.copy(from, to, without(options, 'move'));
        if (options.move) {
          await new Promise((resolve) => setImmediate(resolve));
          await driver.deleteMany([from], options);
        }
        return file;
      },
    }),
  },
  'takes the source away before the destination is there': {
    groups: ['move'],
    driver: (driver) => ({
      async copy(from, to, options) {
        if (!options.move) return driver.copy(from, to, options);
        const { file, body } = await driver.get(from, { signal: options.signal });
        await driver.copy(from, to, options);
        await driver.deleteMany([to], options);
        await new Promise((resolve) => setImmediate(resolve));
        const contentType = options.contentType ?? file.contentType!;
        return driver.put(to, body as Uint8Array, { ...file, ...options, contentType });
      },
    }),
  },
  'overwrites the destination of a copy that is to create it': {
    groups: ['copy', 'move'],
    driver: (driver) => ({
      copy: (from, to, options) => driver.copy(from, to, without(options, 'ifNoneMatch')),
    }),
  },
  'goes on with a copy that it has rejected': {
    groups: ['abort'],
    driver: (driver) => ({
      copy: (from, to, options) =>
        rejectedAtOnce(options.signal, async (signal) => {
          await sleep(20);
          return driver.copy(from, to, { ...options, signal });
        }),
    }),
  },
  'goes on with the completion of an upload that it has rejected': {
    groups: ['abort'],
    driver: (driver) => ({
      completeMultipartUpload: (upload, parts, options) =>
        rejectedAtOnce(options.signal, async (signal) => {
          await sleep(20);
          return driver.completeMultipartUpload(upload, parts, { ...options, signal });
        }),
    }),
  },
  'goes on with a deletion that it has rejected': {
    groups: ['abort'],
    driver: (driver) => ({
      deleteMany: (keys, options) =>
        rejectedAtOnce(options.signal, async (signal) => {
          await sleep(20);
          return driver.deleteMany(keys, { ...options, signal });
        }),
    }),
  },
  'joins parts in the order that they came': {
    groups: ['multipart uploads'],
    driver: (driver) => {
      let sent = 0;
      return {
        uploadPart: (upload, _number, body, options) =>
          driver.uploadPart(upload, ++sent, body, options),
      };
    },
  },
  'joins the parts that it has, whatever is asked': {
    groups: ['multipart uploads'],
    driver: (driver) => ({
      completeMultipartUpload: async (upload, _parts, options) =>
        driver.completeMultipartUpload(upload, await driver.listParts(upload, options), options),
    }),
  },
  'keeps an upload that is aborted': {
    groups: ['multipart uploads', 'sweeps'],
    driver: () => ({ abortMultipartUpload: async () => {} }),
  },
  'lists one upload for each key': {
    groups: ['multipart uploads under way'],
    driver: (driver) => ({
      async *listMultipartUploads(options) {
        for await (const page of driver.listMultipartUploads(options)) {
          yield [...new Map(page.map((upload) => [upload.key, upload])).values()];
        }
      },
    }),
  },
  'does not know which parts it has': {
    groups: ['resumed uploads'],
    driver: () => ({ listParts: async () => [] }),
  },
  'says of a missing file that something went wrong': {
    groups: ['get', 'errors'],
    driver: (driver) => ({
      async get(key, options) {
        return driver.get(key, options).catch(() => {
          throw new StorageError('The service answered 404');
        });
      },
    }),
  },
  'tells limits that are none': {
    groups: ['capabilities'],
    driver: ({ capabilities }) => ({
      capabilities: { ...capabilities, limits: { ...capabilities.limits, maxParts: Infinity } },
    }),
  },
  'stores the whole buffer behind a view': {
    groups: ['bodies'],
    driver: (driver) => ({
      put: (key, body, options) =>
        driver.put(key, body instanceof Uint8Array ? new Uint8Array(body.buffer) : body, options),
    }),
  },
  'tells of any file the same checksum': {
    groups: ['sizes and checksums'],
    driver: (driver) => ({
      info: async (...call) =>
        storedFile({
          ...(await driver.info(...call)),
          checksum: { algorithm: 'crc32c', value: 'AAAAAA==' },
        }),
    }),
  },
  'opens files with a checksum that their bytes do not have': {
    groups: ['verified reads'],
    driver: (driver) => ({
      async get(key, options) {
        const opened = await driver.get(key, options);
        const checksum = { algorithm: 'crc32c', value: 'AAAAAQ==' } as const;
        return { ...opened, file: storedFile({ ...opened.file, checksum }) };
      },
    }),
  },
  'dates files ever earlier': {
    groups: ['put'],
    driver: (driver) => {
      let time = Date.now();
      return {
        info: async (...call) =>
          storedFile({ ...(await driver.info(...call)), lastModified: new Date((time -= 5)) }),
      };
    },
  },
  'decodes what is stored gzipped': {
    groups: ['get'],
    driver: (driver) => ({
      async get(key, options) {
        const opened = await driver.get(key, options);
        if (opened.file.contentEncoding !== 'gzip') return opened;
        return { ...opened, body: gunzipSync(opened.body as Uint8Array) };
      },
    }),
  },
  'loses a file when another is stored below it': {
    groups: ['files and folders'],
    driver: (driver) => ({
      async put(key, body, options) {
        await driver.deleteMany([key.slice(0, key.lastIndexOf('/'))], options);
        return driver.put(key, body, options);
      },
    }),
  },
  'lists everything, whatever the prefix': {
    groups: ['list', 'scopes'],
    driver: (driver) => ({ list: (options) => driver.list({ ...options, prefix: '' }) }),
  },
  'gathers prefixes page by page': {
    groups: ['many files'],
    driver: (driver) => ({
      list: ({ delimiter, ...options }) =>
        changedPages(driver.list(options), ({ files, ...page }) => {
          const cut = ({ key }: { key: string }): number =>
            delimiter ? key.indexOf(delimiter, options.prefix.length) + 1 : 0;
          const below = files.filter((file) => cut(file) > 0);
          return {
            ...page,
            files: files.filter((file) => cut(file) === 0),
            prefixes: [...new Set(below.map((file) => file.key.slice(0, cut(file))))],
          };
        }),
    }),
  },
  'deletes no more than 500 files at once, and says nothing': {
    groups: ['many files'],
    driver: (driver) => ({
      deleteMany: (keys, options) => driver.deleteMany(keys.slice(0, 500), options),
    }),
  },
  'adds a part that is sent again to the first': {
    groups: ['multipart uploads'],
    driver: (driver) => {
      const sent = new Map<string, Uint8Array>();
      return {
        uploadPart(upload, partNumber, body, options) {
          const name = `${upload.uploadId} ${partNumber}`;
          const bytes = Buffer.concat([sent.get(name) ?? Buffer.alloc(0), body]);
          sent.set(name, bytes);
          return driver.uploadPart(upload, partNumber, bytes, options);
        },
      };
    },
  },
  'has one multipart upload for each key': {
    groups: ['multipart uploads', 'races'],
    driver: (driver) => {
      const started = new Map<string, Promise<string>>();
      return {
        startMultipartUpload(key, options) {
          const upload = started.get(key) ?? driver.startMultipartUpload(key, options);
          started.set(key, upload);
          return upload;
        },
      };
    },
  },
  'ignores ifNoneMatch when an upload is completed': {
    groups: ['multipart uploads', 'races'],
    driver: (driver) => ({
      completeMultipartUpload: (upload, parts, options) =>
        driver.completeMultipartUpload(upload, parts, without(options, 'ifNoneMatch')),
    }),
  },
  'reports an upload as complete before it is': {
    groups: ['progress'],
    storage: (storage) => ({
      put(key, body, options) {
        options?.onProgress?.({
          operation: 'upload',
          key,
          bytesTransferred: 500_000,
          totalBytes: 500_000,
          percentage: 100,
          bytesPerSecond: 0,
        });
        return storage.put(key, body, options);
      },
    }),
  },
  'can write through its read-only views': {
    groups: ['read-only views'],
    storage: (storage) => ({ readonly: () => storage }),
  },
  'goes on after it was closed': { groups: ['close'], storage: () => ({ close: async () => {} }) },
  'goes on with a listing after it was closed': {
    groups: ['shutdown'],
    storage: (storage) => ({
      async *list(...call) {
        const files: StoredFile[] = [];
        for await (const file of storage.list(...call)) files.push(file);
        yield* files;
      },
    }),
  },
  'signs URLs although it says that it cannot': {
    groups: ['URLs'],
    storage: () => ({ url: async () => 'https://example.com/' }),
  },
  'sees another place when it is opened again': {
    groups: ['a second storage'],
    reopen: async () => (await openChanged({})).storage,
  },
};

describe('the conformance kit notices a storage that', () => {
  it.each(Object.entries(BROKEN))('%s', async (_name, { groups, ...changes }) => {
    const failed = await failures(() => openChanged(changes), groupsNamed(groups));
    expect(Object.keys(failed).toSorted()).toEqual([...groups].toSorted());
  });

  it('breaks a promise of any group', () => {
    const shown = Object.values({ ...BROKEN, ...BADLY_SERVED }).flatMap(({ groups }) => groups);
    const missing = [...GROUPS, ...servedBehaviours].filter(({ name }) => !shown.includes(name));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });
});

/** Behaviours that must notice by themselves what is broken, since it shows nowhere else, or less clearly. */
const NOTICED: Readonly<Record<string, { group: string; driver: NonNullable<Changes['driver']> }>> =
  {
    'tells key, size, etag and time of each file': {
      group: 'list',
      driver: () => ({
        async *list() {
          yield { files: [], prefixes: [] };
        },
      }),
    },
    'deletes one file and none below or beside it': {
      group: 'delete',
      // Only what is there leads it to more.
      driver: (driver) => ({
        async deleteMany(keys, options) {
          const all: string[] = [...keys];
          for (const key of keys) {
            if (!(await driver.info(key, options).catch(() => undefined))) continue;
            const pages = driver.list({ ...options, prefix: key, pageSize: 1000 });
            for await (const { files } of pages) all.push(...files.map((file) => file.key));
          }
          return driver.deleteMany(all, options);
        },
      }),
    },
    'gives the same files and prefixes in pages of any size as in one': {
      group: 'pages',
      driver: (driver) => ({
        list: (options) =>
          changedPages(driver.list(options), (page) => ({ ...page, prefixes: [] })),
      }),
    },
    'deletes nothing any more when a deletion of many was aborted and has rejected': {
      group: 'abort',
      driver: (driver) => ({
        deleteMany: (keys, options) => driver.deleteMany(keys.slice(0, 1), options),
      }),
    },
    'stage: a body that fails leaves nothing, staged or not': {
      group: 'staged files',
      // And dates it so that no sweep comes to it.
      driver: (driver) => ({
        async put(key, body, options) {
          try {
            return await driver.put(key, body, options);
          } catch (error) {
            await driver.put(key, Buffer.from('a part'), options);
            throw error;
          }
        },
        list: (options) =>
          changedPages(driver.list(options), (page) => ({
            ...page,
            files: page.files.map((file) =>
              storedFile({ ...file, lastModified: new Date(Date.now() + 60_000) }),
            ),
          })),
      }),
    },
  };

describe('the conformance kit has a behaviour that notices what it is about:', () => {
  it.each(Object.entries(NOTICED))('%s', async (behaviour, { group, driver }) => {
    const failed = await failures(() => openChanged({ driver }), groupsNamed([group]));
    expect(failed[group]).toContainEqual(expect.stringContaining(`${behaviour}: `));
  });
});

/** The same of what shows only where URLs are served. */
const BADLY_SERVED: Readonly<
  Record<string, Required<Pick<Changes, 'storage'>> & { groups: readonly string[] }>
> = {
  'signs URLs for reading that say nothing of the answer': {
    groups: ['served URLs'],
    storage: (storage) => ({ url: (key) => storage.url(key) }),
  },
  'signs uploads for an hour, whatever is asked': {
    groups: ['served URLs'],
    storage: (storage) => ({
      uploadUrl: (key, options) => storage.uploadUrl(key, { ...options, expiresIn: 3600 }),
    }),
  },
  'binds an upload to nothing that is asked': {
    groups: ['signed uploads'],
    storage: (storage) => ({
      uploadUrl: (key, options) =>
        storage.uploadUrl(key, options?.method ? { method: options.method } : {}),
    }),
  },
  'binds the URL of a part to nothing that is asked': {
    groups: ['URLs of parts', 'signed parts'],
    storage: (storage) => ({
      uploadPartUrl: (upload, partNumber) => storage.uploadPartUrl(upload, partNumber),
    }),
  },
};

describe('the conformance kit notices a storage with a server that', () => {
  it.each(Object.entries(BADLY_SERVED))('%s', async (_name, { groups, storage: change }) => {
    await using server = await startS3Server({ buckets: ['files'] });
    const { endpoint, region, credentials } = server;
    const options = { driver: 's3', bucket: 'files', endpoint, region, ...credentials } as const;
    const open = async (): Promise<OpenedStorage> => {
      const storage = await openStorage('s3', options);
      return {
        storage: replaced(storage as Storage, change(storage as Storage)),
        destroy: () => storage.close(),
      };
    };
    expect(Object.keys(await failures(open, groupsNamed(groups)))).toEqual(groups);
  });
});

describe('the conformance kit notices a gcs driver whose resumable uploads', () => {
  it('have lost their preconditions and attributes', async () => {
    await using server = await startGcsServer({ buckets: ['files'] });
    const proxy = await startForgetful(server);
    const { port } = proxy.address() as AddressInfo;
    const apiEndpoint = `http://127.0.0.1:${port}`;
    const open = async (): Promise<OpenedStorage> => {
      const client = clientOf({
        ...server,
        clientOptions: { ...server.clientOptions, apiEndpoint },
      });
      const storage = await openStorage('gcs', { driver: 'gcs', bucket: 'files', client });
      return { storage, destroy: () => storage.close() };
    };
    try {
      const failed = await failures(open, groupsNamed(['conditions of writes', 'attributes']));
      expect(
        Object.values(failed)
          .flat()
          .map((line) => line.split(':')[0]),
      ).toEqual([
        'refuses to create what exists from a body of several parts',
        'replaces the version that is named, and no other, by a body of several parts',
        'keeps all attributes of a body of several parts',
      ]);
    } finally {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    }
  });
});

/** Passes everything on to the server, but the conditions and the attributes with which a resumable upload begins. */
async function startForgetful({ endpoint }: GcsTestServer): Promise<Server> {
  const proxy = createServer((incoming, outgoing) => {
    const pass = async (): Promise<void> => {
      const url = new URL(incoming.url!, endpoint);
      const { 'content-length': _, ...headers } = incoming.headers;
      let body = await buffer(incoming);
      if (incoming.method === 'POST' && url.searchParams.get('uploadType') === 'resumable') {
        for (const name of ['ifGenerationMatch', 'ifGenerationNotMatch']) {
          url.searchParams.delete(name);
        }
        body = Buffer.from('{}');
      }
      const passed = request(url, { method: incoming.method!, headers });
      passed.setHeader('content-length', body.byteLength);
      passed.end(body);
      const [answer] = (await once(passed, 'response')) as [IncomingMessage];
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    };
    pass().catch(() => outgoing.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return proxy;
}

/** Rejects on the abort, and lets the work go on. */
async function rejectedAtOnce<T>(
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  return Promise.race([work(new AbortController().signal), aborted]);
}

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
