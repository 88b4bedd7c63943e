import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { MultipartUpload } from '../../lib/core/multipart.js';
import type { PartUrlOptions } from '../../lib/core/storage-methods.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { type Answer, openSocket, send, sendRaw } from '../nest/http-client.js';
import { filesBelow } from './files-below.js';
import { pathMutations, queryMutations, signatureMutations } from './mutations.js';
import {
  ADAPTERS,
  allGone,
  answerOf,
  CASES,
  configurationOf,
  REFUSAL,
  removeFolders,
  type RoutesApp,
  startRoutes,
  targetOf,
} from './routes-fixture.js';

const KEY = 'ordner/größe & co.png';
const BYTES = Buffer.alloc(3000, 'abc');
const checksum = {
  algorithm: 'sha256',
  value: createHash('sha256').update(BYTES).digest('base64'),
} as const;

describe.each(CASES)('the signed PUT of a part of %s on %s', (driver, adapter) => {
  let app: RoutesApp;
  let root: string | undefined;
  let upload: MultipartUpload;

  beforeEach(async () => {
    const configuration = await configurationOf(driver);
    root = 'root' in configuration ? configuration.root : undefined;
    app = await startRoutes({ adapter: ADAPTERS[adapter]!(), configuration });
    upload = await app.storage.startMultipartUpload(KEY);
  });

  afterEach(async () => {
    await closeApps();
    await removeFolders();
  });

  const sign = async (options?: PartUrlOptions, partNumber = 1): Promise<string> =>
    targetOf((await app.storage.uploadPartUrl(upload, partNumber, options)).url);

  const put = (target: string, body: Buffer | string = BYTES): Promise<Answer> =>
    send(app.port, target, { method: 'PUT', body });

  /** The parts that there are, and on disk what is left of others. */
  async function stored(): Promise<unknown[]> {
    const parts = await app.storage.listParts(upload);
    if (root === undefined) return parts;
    const left = await filesBelow(root, '.nestjs-storages/tmp');
    return [...parts, ...left.map(({ name }) => `tmp/${name}`)];
  }

  test('stores the part, answers with its etag, and completes to the file', async () => {
    const answers = [
      await put(await sign({}, 2), 'the end'),
      await put(await sign({ size: BYTES.length, checksum })),
    ];
    expect(answers).toMatchObject([
      { status: 201, text: '' },
      { status: 201, text: '' },
    ]);
    const parts = answers.map(({ headers }, index) => ({
      partNumber: 2 - index,
      etag: String(headers['etag']),
    }));
    expect(await app.storage.listParts(upload)).toMatchObject(parts.toReversed());
    expect(await app.storage.exists(KEY)).toBe(false);
    await app.storage.completeMultipartUpload(upload, parts);
    const expected = Buffer.concat([BYTES, Buffer.from('the end')]);
    expect(await app.storage.getBytes(KEY)).toEqual(expected);
    expect((await app.storage.info(KEY)).contentType).toBe('image/png');
  });

  test('is refused with one answer, whatever of the URL was changed, and stores nothing', async () => {
    const target = await sign({ size: BYTES.length, checksum });
    const mutations = [
      ...queryMutations(target).filter(({ what }) => /part-number|upload-id|size/.test(what)),
      ...signatureMutations(target).slice(0, 2),
      ...pathMutations(target, '/storage').slice(0, 3),
    ];
    expect(mutations.length).toBeGreaterThan(20);
    for (const { what, target } of mutations) {
      expect([what, await answerOf(put(target))]).toEqual([what, REFUSAL]);
    }
    expect(await stored()).toEqual([]);
    expect(await app.storage.exists(KEY)).toBe(false);
  });

  test('takes exactly the size and the bytes that were signed, announced or not', async () => {
    const target = await sign({ size: BYTES.length, checksum });
    const tooMuch = Buffer.concat([BYTES, Buffer.from('x')]);
    expect(await put(target, tooMuch)).toMatchObject({ status: 413, json: { code: 'TOO_LARGE' } });
    for (const body of [BYTES.subarray(1), Buffer.alloc(BYTES.length, 'x')]) {
      expect(await put(target, body)).toMatchObject({ status: 422, json: { code: 'INTEGRITY' } });
    }
    expect(await sendChunked(target, tooMuch)).toMatch(/^HTTP\/1\.1 422 /);
    expect(await stored()).toEqual([]);
    expect(await sendChunked(target, BYTES)).toMatch(/^HTTP\/1\.1 201 /);
    expect(await stored()).toMatchObject([{ partNumber: 1, size: BYTES.length }]);
  });

  test('takes a part of whatever length where no size was signed, announced or not', async () => {
    expect(await sendChunked(await sign(), BYTES)).toMatch(/^HTTP\/1\.1 201 /);
    expect(await put(await sign({}, 2), 'the end')).toMatchObject({ status: 201 });
    expect(await stored()).toMatchObject([{ size: BYTES.length }, { size: 7 }]);
  });

  test('refuses more than 64 MiB where no size was signed, before a byte of it is sent', async () => {
    const socket = await openSocket(app.port);
    const length = 64 * 1024 ** 2 + 1;
    socket.write(
      `PUT ${await sign()} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 [\s\S]*"TOO_LARGE"/);
    socket.destroy();
  });

  test('finds no upload when that is over, and leaves nothing', async () => {
    const target = await sign();
    await app.storage.abortMultipartUpload(upload);
    expect(await put(target)).toMatchObject({ status: 404, json: { code: 'FILE_NOT_FOUND' } });
    upload = await app.storage.startMultipartUpload(KEY);
    expect(await stored()).toEqual([]);
  });

  test('leaves nothing of a part that its client gives up', async () => {
    const socket = await openSocket(app.port);
    socket.write(`PUT ${await sign()} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`);
    await new Promise<void>((resolve) => socket.write(Buffer.alloc(500_000), () => resolve()));
    socket.destroy();
    await allGone(app);
    await until(async () => (await stored()).length === 0);
    expect(app.log.text).toBe('');
  });

  async function sendChunked(target: string, chunk: Buffer): Promise<string> {
    return sendRaw(
      app.port,
      `PUT ${target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
      Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]),
      '0\r\n\r\n',
    );
  }
});
