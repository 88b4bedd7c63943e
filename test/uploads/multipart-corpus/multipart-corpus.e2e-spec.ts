import { StorageAnyFilesInterceptor } from '../../../lib/index.js';
import { closeApps, RejectionWatch, until } from '../../nest/app-fixture.js';
import { openSocket, sendRaw } from '../../nest/http-client.js';
import type { RecordingDriver } from '../../nest/recording-driver.js';
import { png } from '../forms.js';
import { onEachAdapter, recordedUploadApp, type UploadApp } from '../upload-fixture.js';
import { CORPUS } from './requests.js';

const interceptor = StorageAnyFilesInterceptor({ accept: ['image/*'], maxSize: 100_000 });
const photo = { name: 'f', filename: 'a.png', type: 'image/png', content: png(6000) };

onEachAdapter(() => {
  let app: UploadApp & RecordingDriver;
  const rejections = new RejectionWatch();

  beforeAll(async () => {
    app = await recordedUploadApp(interceptor);
  });
  afterAll(closeApps);
  beforeEach(() => rejections.start());
  afterEach(() => rejections.stop());

  /** The process lives, the app answers as before, and there is nothing but what was kept. */
  async function expectUnharmed(kept: readonly string[] = []): Promise<void> {
    await until(async () => (await app.keys()).length === kept.length);
    const answer = await app.post(photo);
    expect(answer.status).toBe(201);
    await app.storage.deleteMany([...kept, answer.json.files[0].key]);
  }

  test.each(CORPUS)('$what: $statuses', async ({ bytes, statuses }) => {
    const answer = await sendRaw(app.port, bytes);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
    expect(statuses).toContain(status);
    // As JSON, without a word about what the server is made of; the HTTP parser of Node.js says nothing at all.
    const text = answer.slice(answer.indexOf('\r\n\r\n') + 4);
    if (status !== 201 && text !== '') {
      expect(text).toContain(`"statusCode":${status}`);
      expect(text).not.toMatch(/node_modules|\.js:|at [A-Z]/);
    }
    const kept = status === 201 ? await app.keys() : [];
    await expectUnharmed(kept);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  test.each(CORPUS)('$what, byte by byte at first, ends as well', async ({ bytes, statuses }) => {
    const socket = await openSocket(app.port);
    socket.setNoDelay(true);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    // The head of the first part comes in the smallest pieces.
    for (const byte of bytes.subarray(0, 400)) {
      await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
    }
    socket.write(bytes.subarray(400));
    await closed;
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
    expect(statuses).toContain(status);
    await expectUnharmed(status === 201 ? await app.keys() : []);
  });

  test('all of it at once does no harm, either', async () => {
    const answers = await Promise.all(CORPUS.map(({ bytes }) => sendRaw(app.port, bytes)));
    expect(answers.every((answer) => answer.startsWith('HTTP/1.1 '))).toBe(true);
    const accepted = answers.filter((answer) => answer.startsWith('HTTP/1.1 201')).length;
    await until(async () => (await app.keys()).length <= accepted);
    await app.storage.deleteMany(await app.keys());
    await expectUnharmed();
  });

  test('the corpus has its requests, each once', () => {
    expect(CORPUS.length).toBeGreaterThanOrEqual(50);
    expect(new Set(CORPUS.map(({ what }) => what)).size).toBe(CORPUS.length);
  });
});
