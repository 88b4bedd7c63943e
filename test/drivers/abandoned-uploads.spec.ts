import { setTimeout as sleep } from 'node:timers/promises';
import { Storage } from '../../lib/core/storage.js';
import { UPLOAD_BACKENDS } from '../uploads/upload-backends.js';

const COUNT = 50;

function times<Result>(call: (index: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: COUNT }, (_, index) => call(index)));
}

/** A time that lies after all that was stored until now, and before all that will be, told in whole seconds or not. */
async function between(): Promise<number> {
  const second = Math.ceil((Date.now() + 500) / 1000) * 1000;
  // Backends tell whole seconds: what they store from then on has none before.
  while (Date.now() < second) await sleep(second - Date.now());
  return second - 500;
}

describe.each(Object.entries(UPLOAD_BACKENDS))('a sweep on %s', (_, open) => {
  test('removes fifty abandoned uploads of each kind, and nothing that is alive, published or of others', async () => {
    const backend = await open();
    const storage = new Storage(backend.driver, { prefix: 'ours/' });
    const other = new Storage(backend.driver, { prefix: 'ours-too/' });
    await storage.put('published', 'text');
    const staged = await times(() => storage.stage('text'));
    const uploads = await times(async (index) => {
      const upload = await storage.startMultipartUpload(`${index % 10}`);
      await storage.uploadPart(upload, 1, 'part');
      return upload;
    });
    const toStaging = await times((index) => storage.staging().startMultipartUpload(`${index}`));
    const othersFile = await other.stage('text');
    const othersUpload = await other.startMultipartUpload('0');
    const time = await between();
    const fresh = await storage.stage('text');
    const alive = await storage.startMultipartUpload('0');
    await storage.uploadPart(alive, 1, 'part');

    const result = await storage.sweep({ olderThan: Date.now() - time });
    expect(result.failed).toEqual([]);
    expect(result.staged.map(({ name }) => name).sort()).toEqual(
      staged.map(({ name }) => name).sort(),
    );
    expect(result.multipartUploads.map(({ uploadId }) => uploadId).sort()).toEqual(
      [...uploads, ...toStaging].map(({ uploadId }) => uploadId).sort(),
    );

    // What is alive can be ended, and then there is nothing more.
    await fresh.commit('committed');
    await storage.completeMultipartUpload(alive);
    await other.abortMultipartUpload(othersUpload);
    await othersFile.discard();
    expect((await backend.objects()).sort()).toEqual([
      'ours/0',
      'ours/committed',
      'ours/published',
    ]);
    await storage.deletePrefix('', { all: true });
    expect(await backend.objects()).toEqual([]);
    expect(await backend.unfinished()).toEqual([]);
    await storage.close();
    await backend.close();
  });
});
