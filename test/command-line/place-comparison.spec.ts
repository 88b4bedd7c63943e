import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isNested } from '../../lib/command-line/place-comparison.js';
import { StoragePermissionError } from '../../lib/core/errors.js';
import { parseRetryOptions } from '../../lib/core/retry.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { createStorage, openDriver } from '../../lib/drivers/open-storage.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { type RecordingDriver, recordingDriver } from '../nest/recording-driver.js';
import { command } from './command.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command-line-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Another kind of driver for the files of a service, as S3 and Google Cloud Storage have for one bucket. */
function driverOf(
  { driver: service }: Pick<RecordingDriver, 'driver'>,
  name: string,
  replaced: Partial<StorageDriver> = {},
): StorageDriver {
  // The service outlives the commands.
  const own = { ...replaced, name, close: async () => {} };
  return new Proxy(service, {
    get(_service, member) {
      if (member in own) return Reflect.get(own, member) as unknown;
      const value = Reflect.get(service, member) as unknown;
      return typeof value === 'function' ? (value.bind(service) as unknown) : value;
    },
  });
}

async function textOf({ driver }: RecordingDriver, key: string): Promise<string> {
  return (await createStorage('service', { driver }).getBytes(key)).toString();
}

/** Moves a file between two configured storages. */
async function move(from: string, to: string, storages: Record<string, StorageConfiguration>) {
  // A module is loaded once.
  const config = join(folder, `${randomUUID()}.mjs`);
  await writeFile(config, 'export const storages = globalThis.storagesOfTest;');
  Object.assign(globalThis, { storagesOfTest: storages });
  return command(['mv', from, to, '--config', config]);
}

describe('mv between two kinds of storage', () => {
  test('refuses a file for its own place, where it would be lost', async () => {
    // Its etags are those of the bytes: a file that is copied onto itself seems to be the version that was copied.
    await using s3 = await startS3Server();
    const { endpoint, region, credentials } = s3;
    const one = {
      driver: 's3' as const,
      bucket: 'bucket',
      endpoint,
      region,
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey,
      provider: 'aws' as const,
      forcePathStyle: true,
    };
    const settings = { storage: 'one', retry: parseRetryOptions(), concurrency: 4 };
    const driver = await openDriver(one, 's3', settings);
    await using service = createStorage('service', { driver });
    await service.put('files/a', 'hello');
    const two = { driver: driverOf({ driver }, 'gcs'), prefix: 'files/' };
    const { code, stderr } = await move('one:files/a', 'two:a', { one, two });
    expect([...s3.objects('bucket').keys()]).toEqual(['files/a']);
    expect(stderr).toContain('both addresses lead to the same file, which stays as it is');
    expect(code).toBe(2);
    expect((await service.getBytes('files/a')).toString()).toBe('hello');
  });

  test('refuses it also where the target may not be looked at', async () => {
    const service = await recordingDriver();
    await createStorage('service', { driver: service.driver }).put('a', 'hello');
    const info = async (): Promise<never> => {
      throw new StoragePermissionError();
    };
    const { code } = await move('one:a', 'two:a', {
      one: { driver: driverOf(service, 's3') },
      two: { driver: driverOf(service, 'gcs', { info }) },
    });
    expect(code).toBe(2);
    expect(await service.keys()).toEqual(['a']);
  });

  test('replaces another file, and writes nothing but the file where there is none', async () => {
    const [source, target] = await Promise.all([recordingDriver(), recordingDriver()]);
    const storages = {
      one: { driver: driverOf(source, 's3') },
      two: { driver: driverOf(target, 'gcs') },
    };
    const writes = () => target.calls.filter((call) => /^(put|delete)/.test(call)).length;
    for (const [text, expected] of [
      ['new', 1],
      // With what finds out whether it is the same file.
      ['newer', 1 + 3],
    ] as const) {
      await createStorage('source', { driver: source.driver }).put('a', text);
      expect(await move('one:a', 'two:a', storages)).toMatchObject({ code: 0 });
      expect(await source.keys()).toEqual([]);
      expect(await target.keys()).toEqual(['a']);
      expect(await textOf(target, 'a')).toBe(text);
      expect(writes()).toBe(expected);
    }
  });
});

describe('mv of a file whose name is as long as a name can be', () => {
  const name = `${'ä'.repeat(126)}abc`;
  const key = `files/${name}`;

  test('moves it to another place', async () => {
    const [source, target] = await Promise.all([recordingDriver(), recordingDriver()]);
    for (const { driver } of [source, target]) {
      await createStorage('service', { driver }).put(key, driver === source.driver ? 'new' : 'old');
    }
    const ended = await move(`one:${key}`, `two:${key}`, {
      one: { driver: driverOf(source, 's3') },
      two: { driver: driverOf(target, 's3') },
    });
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(await source.keys()).toEqual([]);
    expect(await target.keys()).toEqual([key]);
    expect(await textOf(target, key)).toBe('new');
  });

  test.each([
    ['of a folder', 'files/', name],
    ['that ends within the name', `files/${name.slice(0, 3)}`, name.slice(3)],
  ])('refuses it for its own place below a prefix %s', async (_what, prefix, path) => {
    const service = await recordingDriver();
    await createStorage('service', { driver: service.driver }).put(key, 'hello');
    const storages = {
      one: { driver: driverOf(service, 's3') },
      two: { driver: driverOf(service, 's3'), prefix },
    };
    for (const [from, to] of [
      [`one:${key}`, `two:${path}`],
      [`two:${path}`, `one:${key}`],
    ] as const) {
      const { code, stderr } = await move(from, to, storages);
      expect(stderr).toContain('both addresses lead to the same file');
      expect(code).toBe(2);
    }
    expect(await service.keys()).toEqual([key]);
  });

  test('moves it to another name of its folder', async () => {
    const service = await recordingDriver();
    const storage = createStorage('service', { driver: service.driver });
    await storage.put(key, 'new');
    await storage.put('files/b', 'old');
    const ended = await move(`one:${key}`, 'two:b', {
      one: { driver: driverOf(service, 's3') },
      two: { driver: driverOf(service, 's3'), prefix: 'files/' },
    });
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(await service.keys()).toEqual(['files/b']);
    expect(await textOf(service, 'files/b')).toBe('new');
  });
});

describe('mv to the same name in other letters', () => {
  const run = async (isCaseSensitive: boolean) => {
    const service = await recordingDriver();
    const { driver } = service;
    const storage = createStorage('service', { driver });
    await storage.put('a', 'old');
    if (isCaseSensitive) await storage.put('A', 'new');
    const info: StorageDriver['info'] = (key, options) => driver.info(key.toLowerCase(), options);
    const at = () => driverOf(service, 'local', isCaseSensitive ? {} : { info });
    const { code } = await move('one:A', 'two:a', { one: { driver: at() }, two: { driver: at() } });
    return { code, text: await textOf(service, 'a'), keys: await service.keys() };
  };

  test('is refused where that is the same file, as on some disks, and no other place', async () => {
    expect(await run(false)).toEqual({ code: 2, text: 'old', keys: ['a'] });
    expect(await run(true)).toEqual({ code: 0, text: 'new', keys: ['a'] });
  });
});

describe('a folder of one kind of storage', () => {
  const { signal } = new AbortController();

  function nested(
    from: RecordingDriver,
    to: RecordingDriver,
    { bucket = 'files', inner = 'a/copies/', prefix = '' } = {},
  ): Promise<boolean> {
    const at = (service: RecordingDriver, configuration: StorageConfiguration, prefix: string) => ({
      storage: createStorage('service', { driver: driverOf(service, 'any'), prefix }),
      configuration,
      path: '',
    });
    return isNested(
      at(from, { driver: 's3', bucket: 'files' }, 'a/'),
      at(to, { driver: 'gcs', bucket }, inner),
      { prefix, mayWrite: true, signal },
    );
  }

  test('is found in one of another kind, by buckets of one name', async () => {
    const [service, other] = await Promise.all([recordingDriver(), recordingDriver()]);
    expect(await nested(service, service)).toBe(true);
    expect(await nested(service, other)).toBe(false);
    expect(await Promise.all([service.keys(), other.keys()])).toEqual([[], []]);
    // Nothing is written to find that out.
    other.calls.length = 0;
    expect(await nested(service, other, { bucket: 'others' })).toBe(false);
    expect(other.calls).toEqual([]);
  });

  test('is found by a prefix of names as long as a name can be', async () => {
    const [service, other] = await Promise.all([recordingDriver(), recordingDriver()]);
    const same = { inner: 'a/', prefix: 'b'.repeat(255) };
    expect(await nested(service, service, same)).toBe(true);
    expect(await nested(service, other, same)).toBe(false);
  });
});
