import { setImmediate } from 'node:timers/promises';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import type { ProgressInfo } from '../../lib/core/progress.js';
import { Storage } from '../../lib/core/storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

async function open(
  replace?: (memory: StorageDriver) => Partial<StorageDriver>,
  options: { timeout?: number } = {},
): Promise<Storage> {
  const { driver } = await recordingDriver(replace);
  return new Storage(driver, { retry: { baseDelay: 1 }, ...options });
}

/** One whose uploads have so many parts at most. */
function openWithParts(maxParts: number): Promise<Storage> {
  return open(({ capabilities }) => ({
    capabilities: { ...capabilities, limits: { ...capabilities.limits, maxParts } },
  }));
}

describe('a resumed upload', () => {
  test('holds no more parts at once than it may', async () => {
    let sending = 0;
    let most = 0;
    let reading = 0;
    const storage = await open((memory) => ({
      async uploadPart(...args) {
        most = Math.max(most, ++sending + reading);
        await setImmediate();
        sending--;
        return memory.uploadPart(...args);
      },
    }));
    const upload = await storage.startMultipartUpload('a', { partSize: 10 });
    const source = {
      size: 500,
      async read({ start, end }: { start: number; end: number }): Promise<Buffer> {
        most = Math.max(most, sending + ++reading);
        await setImmediate();
        reading--;
        return Buffer.alloc(end - start + 1);
      },
    };
    const file = await storage.resumeMultipartUpload(upload, source, { concurrency: 3 });
    expect(file.size).toBe(500);
    expect(most).toBe(3);
  });

  test('waits for the parts under way when one fails, and tells of the first failure', async () => {
    let under = 0;
    const storage = await open((memory) => ({
      async uploadPart(upload, partNumber, body, options) {
        under++;
        try {
          await new Promise((resolve) => options.signal.addEventListener('abort', resolve));
          await setImmediate();
          return await memory.uploadPart(upload, partNumber, body, options);
        } finally {
          under--;
        }
      },
    }));
    const upload = await storage.startMultipartUpload('a', { partSize: 1 });
    const source = {
      size: 4,
      async read({ start }: { start: number }): Promise<string> {
        if (start < 3) return 'x';
        while (under < 3) await setImmediate();
        throw new Error('the disk is gone');
      },
    };
    await expect(storage.resumeMultipartUpload(upload, source)).rejects.toThrow(/disk is gone/);
    expect(under).toBe(0);
  });

  test('is given up when its source is silent for longer than the timeout, though another goes on', async () => {
    const storage = await open(undefined, { timeout: 200 });
    const upload = await storage.startMultipartUpload('a', { partSize: 1 });
    const source = {
      size: 2,
      read: ({ start }: { start: number }) => (start === 0 ? 'x' : new Promise<never>(() => {})),
    };
    await expect(storage.resumeMultipartUpload(upload, source)).rejects.toMatchObject({
      code: 'TIMEOUT',
      operation: 'resumeMultipartUpload',
      key: 'a',
    });
    expect(await storage.listParts(upload)).toHaveLength(1);
  });

  test('frees a stream that it does not read to its end', async () => {
    const storage = await open();
    const upload = await storage.startMultipartUpload('a', { partSize: 10 });
    let isFreed = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(4)),
      cancel: () => void (isFreed = true),
    });
    const source = { size: 5, read: () => endless };
    await expect(storage.resumeMultipartUpload(upload, source)).rejects.toMatchObject({
      code: 'INTEGRITY',
    });
    expect(isFreed).toBe(true);
  });

  test('with verify, sends parts anew that are not those of the body any more, and no other', async () => {
    const { driver, count } = await recordingDriver();
    const storage = new Storage(driver);
    const upload = await storage.startMultipartUpload('a', { partSize: 4 });
    await storage.uploadPart(upload, 1, 'same');
    await storage.uploadPart(upload, 2, 'once');
    await storage.uploadPart(upload, 3, 'a');
    const reports: ProgressInfo[] = [];
    const changed = new Blob(['samethen', 'b']);
    await storage.resumeMultipartUpload(upload, changed, {
      verify: true,
      onProgress: (report) => void reports.push(report),
    });
    expect((await storage.getBytes('a')).toString()).toBe('samethenb');
    expect(count('uploadPart')).toBe(3 + 2);
    expect(reports.at(-1)).toMatchObject({ bytesTransferred: 9, percentage: 100 });
  });

  test('with a verify that is none is refused before anything is sent', async () => {
    const storage = await open();
    const upload = await storage.startMultipartUpload('a');
    const options = { verify: 'true' as unknown as boolean };
    await expect(storage.resumeMultipartUpload(upload, new Blob(['a']), options)).rejects.toThrow(
      /verify must be true or false, not a string/,
    );
    expect(await storage.listParts(upload)).toEqual([]);
  });

  test('does not count what was there for its speed', async () => {
    const storage = await open();
    const upload = await storage.startMultipartUpload('a', { partSize: 1_000_000 });
    await storage.uploadPart(upload, 1, Buffer.alloc(1_000_000));
    const reports: ProgressInfo[] = [];
    await storage.resumeMultipartUpload(upload, new Blob([Buffer.alloc(1_000_000), 'x']), {
      onProgress: (report) => void reports.push(report),
    });
    expect(reports[0]).toMatchObject({ bytesTransferred: 1_000_000, bytesPerSecond: 0 });
    expect(reports.at(-1)).toMatchObject({ bytesTransferred: 1_000_001, percentage: 100 });
  });

  test('is cut anew where the first part that is there holds nothing', async () => {
    const storage = await open();
    const upload = await storage.startMultipartUpload('a', { partSize: 4 });
    await storage.uploadPart(upload, 1, '');
    await storage.resumeMultipartUpload(upload, new Blob(['123456789']));
    expect((await storage.getBytes('a')).toString()).toBe('123456789');
  });

  test('with more parts than an upload can have is refused before anything is sent', async () => {
    const storage = await openWithParts(3);
    const upload = await storage.startMultipartUpload('a', { partSize: 2 });
    await expect(storage.resumeMultipartUpload(upload, new Blob(['1234567']))).rejects.toThrow(
      '7 bytes are more than 3 parts of 2 bytes; start an upload with { size: 7 }, whose parts are larger',
    );
    expect(await storage.listParts(upload)).toEqual([]);
    await storage.resumeMultipartUpload(upload, new Blob(['123456']));
    expect((await storage.getBytes('a')).toString()).toBe('123456');
  });

  test('goes on with parts of the size that are there where those of its own would be too many', async () => {
    const storage = await openWithParts(3);
    const upload = await storage.startMultipartUpload('a', { partSize: 2 });
    await storage.uploadPart(upload, 1, '123');
    await storage.resumeMultipartUpload(upload, new Blob(['1234567']));
    expect((await storage.getBytes('a')).toString()).toBe('1234567');
  });
});
