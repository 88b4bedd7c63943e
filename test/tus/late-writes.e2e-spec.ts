import { createHash } from 'node:crypto';
import { StorageConnectionError } from '../../lib/core/errors.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import { UploadLocker } from '../../lib/tus/upload-locker.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { openSocket } from '../nest/http-client.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { published, shared, startTus, type TusApp } from './tus-fixture.js';

afterEach(closeApps);

/** A backend that stores the first bytes of an upload only when they are let through. */
async function slowBackend(
  replace: (
    memory: StorageDriver,
    landed: () => Promise<void>,
  ) => Partial<StorageDriver> = () => ({}),
) {
  let isOpen = false;
  const events: string[] = [];
  const letThrough = async (): Promise<void> => {
    isOpen = true;
    await until(() => events.includes('stored'));
  };
  const { driver } = await recordingDriver((memory) => ({
    async put(key, body, ...rest) {
      if (key.endsWith('.json') || events.includes('begun')) return memory.put(key, body, ...rest);
      events.push('begun');
      const bytes = Buffer.from(body as Uint8Array);
      await until(() => isOpen);
      const file = await memory.put(key, bytes, ...rest);
      events.push('stored');
      return file;
    },
    ...replace(memory, letThrough),
  }));
  return { driver, events, letThrough };
}

/** A request whose connection dies after the first three of its six bytes. */
async function cutOff({ port }: TusApp, path: string, events: readonly string[]): Promise<void> {
  const socket = await openSocket(port);
  socket.write(
    `PATCH ${path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n` +
      'Content-Type: application/offset+octet-stream\r\nContent-Length: 6\r\n\r\nabc',
  );
  // What is written arrives before the end does.
  socket.end();
  await until(() => events.includes('begun'));
}

async function onlyFile({ storage }: TusApp): Promise<string> {
  const keys = await published(storage);
  expect(keys).toHaveLength(1);
  return (await storage.getBytes(keys[0]!)).toString();
}

test('who comes again waits until what came over the dead connection is stored', async () => {
  const { driver, events, letThrough } = await slowBackend();
  const inner = new UploadLocker();
  let asked = 0;
  const app = await startTus({
    configuration: { driver },
    options: {
      locker: {
        newLock(id) {
          const lock = inner.newLock(id);
          return {
            lock(signal, requestRelease) {
              asked++;
              return lock.lock(signal, requestRelease);
            },
            unlock() {
              events.push('unlocked');
              return lock.unlock();
            },
          };
        },
      },
    },
  });
  const path = await app.create(6);
  events.length = asked = 0;
  await cutOff(app, path, events);
  const head = app.tus('HEAD', path);
  await until(() => asked === 2);
  await letThrough();
  expect((await head).headers['upload-offset']).toBe('3');
  expect(events).toEqual(['begun', 'stored', 'unlocked', 'unlocked']);
  expect((await app.append(path, 3, 'def')).status).toBe(204);
  expect(await onlyFile(app)).toBe('abcdef');
});

describe('of two processes that share no locker', () => {
  async function startBoth(
    driver: StorageDriver,
    key?: () => Promise<string>,
  ): Promise<[TusApp, TusApp]> {
    const configuration = { driver: shared(driver) };
    return [
      await startTus({ configuration }),
      await startTus({ configuration, ...(key && { options: { key } }) }),
    ];
  }

  test('the one stores its beginning of the file when the other publishes it, and the file is whole', async () => {
    const { driver, events, letThrough } = await slowBackend();
    const [first, second] = await startBoth(driver, async () => {
      await letThrough();
      return 'key';
    });
    const path = await first.create(6);
    await cutOff(first, path, events);
    expect((await second.append(path, 0, 'abcdef')).status).toBe(204);
    expect(await onlyFile(second)).toBe('abcdef');
  });

  test('the one takes bytes away that the other goes on after: the client is told to ask again', async () => {
    let isRead = false;
    const { driver, events, letThrough } = await slowBackend((memory, land) => ({
      async get(...args) {
        const [key] = args;
        if (key.endsWith('.part-1') && !isRead) {
          isRead = true;
          await land();
        }
        return memory.get(...args);
      },
    }));
    const [first, second] = await startBoth(driver);
    const path = await first.create(6);
    await cutOff(first, path, events);
    expect((await second.append(path, 0, 'abcd')).headers['upload-offset']).toBe('4');
    expect(await second.append(path, 4, 'ef')).toMatchObject({
      status: 409,
      json: { code: 'UPLOAD_OFFSET_CONFLICT' },
    });
    await letThrough();
    expect((await second.tus('HEAD', path)).headers['upload-offset']).toBe('3');
    expect((await second.append(path, 3, 'def')).status).toBe(204);
    expect(await onlyFile(second)).toBe('abcdef');
  });

  /** `act` comes before the first download of a file with such a name. */
  async function meddle(name: RegExp) {
    let act: (() => Promise<unknown>) | undefined;
    const { driver } = await recordingDriver((memory) => ({
      async get(...args) {
        const [key] = args;
        if (name.test(key)) {
          const once = act;
          act = undefined;
          await once?.();
        }
        return memory.get(...args);
      },
    }));
    return { driver, before: (given: typeof act) => void (act = given) };
  }

  test('the one publishes the file when the other goes on with it: the client is told to ask again', async () => {
    const { driver, before } = await meddle(/\.part-1$/);
    const [first, second] = await startBoth(driver);
    const path = await first.create(6);
    await first.append(path, 0, 'abc');
    before(() => first.append(path, 3, 'def'));
    expect(await second.append(path, 3, 'def')).toMatchObject({
      status: 409,
      json: { code: 'UPLOAD_OFFSET_CONFLICT' },
    });
    expect((await second.tus('HEAD', path)).headers['upload-offset']).toBe('6');
    expect(await onlyFile(second)).toBe('abcdef');
  });

  test('each verifies its own bytes, and stores those', async () => {
    const { driver, before } = await meddle(/\.chunk/);
    const [first, second] = await startBoth(driver);
    const path = await first.create(6);
    const checksum = (text: string) => ({
      'Upload-Checksum': `sha1 ${createHash('sha1').update(text).digest('base64')}`,
    });
    before(() => first.append(path, 0, 'xy', checksum('xy')));
    expect((await second.append(path, 0, 'abc', checksum('abc'))).headers['upload-offset']).toBe(
      '3',
    );
    expect((await first.append(path, 3, 'def', checksum('def'))).status).toBe(204);
    expect(await onlyFile(second)).toBe('abcdef');
  });
});

test('a note that the app is told whose answer is lost leaves a file that DELETE removes', async () => {
  let isLost = false;
  const { driver } = await recordingDriver((memory) => ({
    async put(key, body, ...rest) {
      const stored = await memory.put(key, body, ...rest);
      if (isLost || !Buffer.from(body as Uint8Array).includes('"isTold":true')) return stored;
      isLost = true;
      throw new StorageConnectionError();
    },
  }));
  const told: string[] = [];
  const app = await startTus({
    configuration: { driver, retry: { maxRetries: 0 } },
    options: { onUploaded: ({ key }) => void told.push(key) },
  });
  const path = await app.create(5);
  expect((await app.append(path, 0, 'hello')).status).toBe(502);
  expect((await app.tus('DELETE', path)).status).toBe(204);
  expect([told, await published(app.storage)]).toEqual([[], []]);
});

test('a staged file of another length than the upload is not published, and the client sends it again', async () => {
  let isCut = false;
  const { driver } = await recordingDriver((memory) => ({
    put(key, body, ...rest) {
      if (key.endsWith('.json') || isCut) return memory.put(key, body, ...rest);
      isCut = true;
      return memory.put(key, Buffer.from('abc'), ...rest);
    },
  }));
  const app = await startTus({ configuration: { driver } });
  const path = await app.create(6);
  expect(await app.append(path, 0, 'abcdef')).toMatchObject({
    status: 409,
    json: { code: 'UPLOAD_OFFSET_CONFLICT' },
  });
  expect(await published(app.storage)).toEqual([]);
  expect((await app.tus('HEAD', path)).headers['upload-offset']).toBe('0');
  expect((await app.append(path, 0, 'abcdef')).status).toBe(204);
  expect(await onlyFile(app)).toBe('abcdef');
});
