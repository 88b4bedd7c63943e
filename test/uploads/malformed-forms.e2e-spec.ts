import { StorageAnyFilesInterceptor } from '../../lib/index.js';
import { closeApps, RejectionWatch, until } from '../nest/app-fixture.js';
import { openSocket, send, sendRaw } from '../nest/http-client.js';
import { BOUNDARY, form, formHeaders, part, partHead, png, requestHead } from './forms.js';
import { onEachAdapter, recordedUploadApp, type UploadApp } from './upload-fixture.js';
import type { RecordingDriver } from '../nest/recording-driver.js';

onEachAdapter(() => {
  let app: UploadApp & RecordingDriver;
  const rejections = new RejectionWatch();

  beforeAll(async () => {
    app = await recordedUploadApp(StorageAnyFilesInterceptor({ maxSize: '1mb' }));
  });
  afterAll(closeApps);
  beforeEach(() => rejections.start());
  afterEach(() => rejections.stop());

  /** The process lives, the app answers as before, and nothing was kept. */
  async function expectUnharmed(): Promise<void> {
    expect(await app.keys()).toEqual([]);
    const answer = await app.post({ name: 'f', filename: 'a.png', content: png() });
    expect(answer.status).toBe(201);
    await app.storage.delete(answer.json.files[0].key);
  }

  const file = { name: 'f', filename: 'a.png', type: 'image/png', content: png(200_000) };

  const malformed: [what: string, body: string | Buffer, type?: string][] = [
    ['a form without its end', form(file).subarray(0, -20)],
    ['a form that ends inside a file', form(file).subarray(0, 100_000)],
    ['a form that ends inside the first bytes of a file', form(file).subarray(0, 150)],
    ['a form that ends inside a header', form(file).subarray(0, 60)],
    ['a form that ends inside a text field', part({ name: 'a', content: 'x' }).subarray(0, -3)],
    ['an empty body', ''],
    ['a body that is no form', 'hello'],
    ['another boundary', `--other\r\n\r\nx\r\n--other--\r\n`],
    [
      'a header without a colon',
      `--${BOUNDARY}\r\nContent-Disposition\r\n\r\nx\r\n--${BOUNDARY}--\r\n`,
    ],
    [
      'a header that starts with a blank',
      `--${BOUNDARY}\r\n Content-Disposition: form-data; name="a"\r\n\r\nx\r\n--${BOUNDARY}--\r\n`,
    ],
    ['a NUL in a header', form({ ...file, filename: 'a\0b' })],
    [
      'a header without end',
      Buffer.concat([partHead({ name: 'f', filename: 'x'.repeat(100_000) })]),
    ],
    [
      'ten thousand headers',
      `--${BOUNDARY}\r\n${'X-A: b\r\n'.repeat(10_000)}\r\nx\r\n--${BOUNDARY}--\r\n`,
    ],
    ['no boundary', form(file), 'multipart/form-data'],
  ];

  test.each(malformed)('%s is a 400 that says so', async (...row) => {
    const [, body, type] = row;
    const bytes = Buffer.from(body);
    const answer = await sendRaw(app.port, requestHead('/', bytes.length, type), bytes);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('"statusCode":400');
    expect(answer).toContain('"code":"MALFORMED_FORM"');
    await expectUnharmed();
  });

  test.each(['multipart/mixed; boundary=x', 'multipart/related; boundary=x'])(
    '%s is refused as no form',
    async (type) => {
      const answer = await send(app.port, '/', {
        method: 'POST',
        headers: { 'Content-Type': type },
        body: '--x--\r\n',
      });
      expect([400, 415]).toContain(answer.status);
      await expectUnharmed();
    },
  );

  test('a part without a disposition is passed over', async () => {
    const answer = await send(app.port, '/', {
      method: 'POST',
      headers: formHeaders,
      body: `--${BOUNDARY}\r\nX: y\r\n\r\nx\r\n--${BOUNDARY}--\r\n`,
    });
    expect([201, 400]).toContain(answer.status);
    await expectUnharmed();
  });

  test('a file before a form that breaks off is removed', async () => {
    const body = Buffer.concat([part({ ...file, content: png() }), partHead(file), png(50_000)]);
    app.calls.length = 0;
    const answer = await sendRaw(app.port, requestHead('/', body.length), body);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(app.count('put')).toBeGreaterThan(0);
    await expectUnharmed();
  });

  test('a chunked body that breaks its own rules does not end the process', async () => {
    const socket = await openSocket(app.port);
    socket.write(
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const head = partHead(file);
    socket.write(`${head.length.toString(16)}\r\n`);
    socket.write(head);
    socket.write('\r\nNOT-A-LENGTH\r\n');
    socket.resume();
    await until(() => socket.destroyed || socket.readableEnded);
    socket.destroy();
    await expectUnharmed();
  });
});
