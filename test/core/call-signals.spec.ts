import { Storage } from '../../lib/core/storage.js';
import type { StorageDriver, UploadUrl } from '../../lib/core/storage-driver.js';
import { recordingDriver } from '../nest/recording-driver.js';

/** Everything that a driver does, but for its end. */
const METHODS = [
  'put',
  'get',
  'info',
  'list',
  'deleteMany',
  'copy',
  'url',
  'uploadUrl',
  'startMultipartUpload',
  'uploadPart',
  'uploadPartUrl',
  'listParts',
  'completeMultipartUpload',
  'abortMultipartUpload',
  'listMultipartUploads',
] as const satisfies readonly (keyof StorageDriver)[];

test('each call of a driver gets a signal, by which the storage can end it', async () => {
  const without: string[] = [];
  const called = new Set<string>();
  const signed: UploadUrl = {
    method: 'PUT',
    url: 'https://files.example/a',
    headers: {},
    expiresAt: new Date(),
  };
  const { driver } = await recordingDriver((memory) => {
    const own: Partial<StorageDriver> = {
      capabilities: {
        ...memory.capabilities,
        signedUrls: true,
        signedUploads: { PUT: ['createOnly'], POST: false },
        signedParts: [],
      },
      url: async () => 'https://files.example/a',
      uploadUrl: async () => signed,
      uploadPartUrl: async () => signed,
    };
    const watched = METHODS.map((name) => {
      const method = (own[name] ?? memory[name]) as (...args: unknown[]) => unknown;
      return [
        name,
        (...args: unknown[]): unknown => {
          called.add(name);
          const { signal } = args.at(-1) as { readonly signal?: unknown };
          if (!(signal instanceof AbortSignal)) without.push(name);
          return method.apply(memory, args);
        },
      ] as const;
    });
    return { ...own, ...Object.fromEntries(watched) };
  });
  await using storage = new Storage(driver);

  await storage.put('a', 'abc');
  await storage.getBytes('a');
  await storage.info('a');
  await storage.exists('b');
  await storage.copy('a', 'b');
  await storage.move('b', 'c');
  await storage.url('a');
  await storage.uploadUrl('a');
  for await (const _ of storage.list());
  await storage.listPage({ delimiter: '/' });
  const parts = await storage.startMultipartUpload('d');
  await storage.uploadPart(parts, 1, 'abc');
  await storage.uploadPartUrl(parts, 2);
  await storage.listParts(parts);
  const resumed = await storage.startMultipartUpload('h');
  await storage.resumeMultipartUpload(resumed, new Blob(['abc']));
  await storage.completeMultipartUpload(parts);
  const aborted = await storage.startMultipartUpload('e');
  await storage.abortMultipartUpload(aborted);
  await storage.startMultipartUpload('f');
  await (await storage.stage('abc')).commit('g');
  await (await storage.stage('abc')).discard();
  await storage.stage('abc');
  // What was begun is older than a millisecond soon.
  for (let swept = 0; swept < 2;) {
    const { staged, multipartUploads, failed } = await storage.sweep({ olderThan: 1 });
    expect(failed).toEqual([]);
    swept += staged.length + multipartUploads.length;
  }
  await storage.delete('a');
  await storage.deleteMany(['c', 'd']);
  await storage.deletePrefix('', { all: true });

  expect([...called].toSorted()).toEqual([...METHODS].toSorted());
  expect(without).toEqual([]);
});
