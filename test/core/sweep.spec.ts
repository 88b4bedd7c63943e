import { jest } from '@jest/globals';
import {
  StorageConnectionError,
  StoragePermissionError,
  StorageUnsupportedError,
} from '../../lib/core/errors.js';
import { keptName } from '../../lib/core/kept-names.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import type { SweepResult } from '../../lib/core/storage-methods.js';
import { Storage } from '../../lib/core/storage.js';
import { type RecordingDriver, recordingDriver } from '../nest/recording-driver.js';

interface Swept extends RecordingDriver {
  readonly storage: Storage;
}

async function open(replace?: (memory: StorageDriver) => Partial<StorageDriver>): Promise<Swept> {
  const recording = await recordingDriver(replace);
  const storage = new Storage(recording.driver, { prefix: 'ours/', retry: { maxRetries: 0 } });
  return { ...recording, storage };
}

/** Sweeps once all are old enough, on the one clock that there is: a sweep before would take some of them away. */
async function sweepAll(
  storage: Storage,
  count: number,
  signal = new AbortController().signal,
): Promise<SweepResult> {
  for (;;) {
    const { staged, multipartUploads } = await storage.sweep({ olderThan: 1, dryRun: true });
    if (staged.length + multipartUploads.length === count) break;
  }
  return storage.sweep({ olderThan: 1, signal });
}

/** What is staged, once it is older than a millisecond. */
async function stagedSoon(storage: Storage): Promise<SweepResult['staged']> {
  for (;;) {
    const { staged } = await storage.sweep({ olderThan: 1, dryRun: true });
    if (staged.length > 0) return staged;
  }
}

describe('a sweep', () => {
  test('leaves what says that it may be alive, whatever view it was begun through', async () => {
    const { storage } = await open();
    const name = keptName(Date.now() + 3_600_000);
    const views = [storage, storage.scope('avatars/')];
    for (const view of views) {
      await view.stage('abandoned');
      await view.staging().put(`${name}.json`, 'alive');
      await view.staging().startMultipartUpload(name);
    }
    const { staged, multipartUploads } = await sweepAll(storage, views.length);
    expect([staged.length, multipartUploads]).toEqual([views.length, []]);
    expect(await storage.sweepStaged({ olderThan: 1 })).toEqual({ deleted: 0, failed: [] });
    for (const view of views) {
      expect((await view.staging().getBytes(`${name}.json`)).toString()).toBe('alive');
      const uploads: string[] = [];
      for await (const { key } of view.staging().listMultipartUploads()) uploads.push(key);
      expect(uploads).toContain(name);
    }
  });

  test('tells of each item that could not be removed, and removes the others', async () => {
    const { storage } = await open((memory) => ({
      async abortMultipartUpload(upload, options) {
        if (upload.key === 'ours/kept') throw new StoragePermissionError('not yours');
        return memory.abortMultipartUpload(upload, options);
      },
      deleteMany: async (keys) => ({
        failed: keys.map((key) => ({ key, error: new StoragePermissionError('not yours') })),
      }),
    }));
    const staged = await storage.stage('text');
    const kept = await storage.startMultipartUpload('kept');
    const removed = await storage.startMultipartUpload('removed');
    const result = await sweepAll(storage, 3);
    expect(result.staged).toEqual([]);
    expect(result.multipartUploads).toMatchObject([{ ...removed, staged: false }]);
    expect(result.failed).toMatchObject([
      { key: staged.name, error: { code: 'PERMISSION_DENIED', operation: 'sweep' } },
      { key: 'kept', uploadId: kept.uploadId, error: { code: 'PERMISSION_DENIED', key: 'kept' } },
    ]);
  });

  test('is of what is as old as it says, and a day without a word', async () => {
    const { storage } = await open();
    await storage.stage('text');
    const [found] = await stagedSoon(storage);
    const stagedAt = found!.stagedAt.getTime();
    using clock = jest.spyOn(Date, 'now').mockReturnValue(stagedAt + 86_399_999);
    const sweep = async (olderThan?: number): Promise<number> => {
      const options = { dryRun: true, ...(olderThan !== undefined && { olderThan }) };
      return (await storage.sweep(options)).staged.length;
    };
    expect(await sweep()).toBe(0);
    expect(await sweep(86_399_999)).toBe(1);
    expect((await storage.sweepStaged()).deleted).toBe(0);
    clock.mockReturnValue(stagedAt + 86_400_000);
    expect(await sweep()).toBe(1);
    expect((await storage.sweepStaged()).deleted).toBe(1);
  });

  test('goes on with the uploads when the files cannot be deleted at all', async () => {
    const { storage } = await open(() => ({
      deleteMany: () => Promise.reject(new StorageConnectionError('gone')),
    }));
    await storage.stage('one');
    await storage.stage('two');
    await storage.startMultipartUpload('a');
    const { failed, multipartUploads } = await sweepAll(storage, 3);
    expect(multipartUploads).toHaveLength(1);
    expect(new Set(failed.map(({ error }) => error)).size).toBe(2);
    expect(failed).toMatchObject([
      { error: { code: 'CONNECTION_FAILED' } },
      { error: { code: 'CONNECTION_FAILED' } },
    ]);
  });

  test('leaves alone what a backend lists that does not lie below the prefix', async () => {
    const { storage, driver } = await open((memory) => ({
      listMultipartUploads: (options) => memory.listMultipartUploads({ ...options, prefix: '' }),
    }));
    const other = new Storage(driver, { prefix: 'theirs/' });
    const theirs = await other.startMultipartUpload('a');
    const reserved = await storage.staging().startMultipartUpload('ours-staged');
    await storage.startMultipartUpload('a');
    const { multipartUploads } = await sweepAll(storage, 2);
    expect(multipartUploads).toMatchObject([
      { key: 'a', staged: false },
      { key: 'ours-staged', uploadId: reserved.uploadId, staged: true },
    ]);
    expect(await other.listParts(theirs)).toEqual([]);
  });

  test('ends at its signal', async () => {
    const aborting = new AbortController();
    const { storage, count } = await open((memory) => ({
      async abortMultipartUpload(upload, options) {
        aborting.abort();
        options.signal.throwIfAborted();
        return memory.abortMultipartUpload(upload, options);
      },
    }));
    await storage.startMultipartUpload('a');
    await expect(sweepAll(storage, 1, aborting.signal)).rejects.toMatchObject({
      code: 'ABORTED',
      operation: 'sweep',
    });
    expect(count('abortMultipartUpload')).toBe(1);
  });

  test('is refused before any request where uploads cannot be listed', async () => {
    const { storage, calls } = await open((memory) => ({
      capabilities: { ...memory.capabilities, multipartListing: false },
    }));
    await expect(storage.sweep()).rejects.toBeInstanceOf(StorageUnsupportedError);
    expect(calls).toEqual([]);
  });

  test('sweeps the staged files where there are no multipart uploads', async () => {
    const { storage } = await open((memory) => ({
      capabilities: { ...memory.capabilities, multipart: false, multipartListing: false },
    }));
    await storage.stage('text');
    const { staged } = await sweepAll(storage, 1);
    expect(staged).toMatchObject([{ size: 4 }]);
  });
});
