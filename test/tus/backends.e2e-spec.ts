import { randomBytes } from 'node:crypto';
import { closeApps } from '../nest/app-fixture.js';
import { png } from '../uploads/forms.js';
import { UPLOAD_BACKENDS, type UploadBackend } from '../uploads/upload-backends.js';
import {
  ADAPTERS,
  CHUNK,
  metadataHeader,
  published,
  sha256,
  shared,
  staged,
  startTus,
  type TusApp,
} from './tus-fixture.js';

const MiB = 1024 * 1024;

describe.each(Object.entries(UPLOAD_BACKENDS))('on %s', (_, open) => {
  let backend: UploadBackend;
  let partSize: number;

  beforeAll(async () => {
    backend = await open();
    partSize = Math.max(backend.driver.capabilities.limits.minPartSize, 256 * 1024);
  });

  afterAll(() => backend.close());

  describe.each(Object.entries(ADAPTERS))('and %s', (_name, adapter) => {
    let tus: TusApp;
    const uploaded: string[] = [];

    beforeAll(async () => {
      tus = await startTus({
        adapter: adapter(),
        configuration: { driver: shared(backend.driver) },
        options: {
          partSize,
          accept: ['image/*', 'application/octet-stream'],
          onUploaded: ({ key }) => void uploaded.push(key),
        },
      });
    });

    afterAll(closeApps);

    afterEach(async () => {
      await tus.storage.deletePrefix('', { all: true });
      await tus.storage.staging().deletePrefix('', { all: true });
      uploaded.length = 0;
    });

    const readBack = async (): Promise<Buffer> => {
      const [key, ...others] = await published(tus.storage);
      expect([uploaded, others]).toEqual([[key], []]);
      return tus.storage.getBytes(key!);
    };

    test('a file comes in requests of any size, and only its record is left beside it', async () => {
      const bytes = Buffer.concat([png(16), randomBytes(2 * partSize + 70_000)]);
      const path = await tus.create(bytes.length, {
        'Upload-Metadata': metadataHeader({ filename: 'täst.png', filetype: 'image/png' }),
      });
      let offset = 0;
      for (const size of [1000, 70_000, partSize, bytes.length]) {
        const chunk = bytes.subarray(offset, offset + size);
        const answer = await tus.append(path, offset, chunk);
        offset += chunk.length;
        expect([answer.status, answer.headers['upload-offset']]).toEqual([204, String(offset)]);
        const { headers } = await tus.tus('HEAD', path);
        expect(headers['upload-offset']).toBe(String(offset));
      }
      expect(sha256(await readBack())).toBe(sha256(bytes));
      const file = await tus.storage.info(uploaded[0]!);
      expect(file).toMatchObject({
        key: expect.stringMatching(/^[0-9a-f]{32}\.png$/),
        size: bytes.length,
        contentType: 'image/png',
        metadata: { filename: 'täst.png' },
      });
      expect(await staged(tus.storage)).toEqual([
        expect.stringMatching(/^[0-9a-f]{32}-\w+\.json$/),
      ]);
      expect(await backend.unfinished()).toEqual([]);
    });

    test('what the backend has is what counts, and what was begun elsewhere is gone on with', async () => {
      const bytes = randomBytes(partSize + 5000);
      const path = await tus.create(bytes.length);
      await tus.append(path, 0, bytes.subarray(0, 3000));
      const elsewhere = await startTus({
        adapter: adapter(),
        configuration: { driver: shared(backend.driver) },
        options: { partSize },
      });
      const head = await elsewhere.tus('HEAD', path);
      expect([head.status, head.headers['upload-offset']]).toEqual([200, '3000']);
      const answer = await elsewhere.append(path, 3000, bytes.subarray(3000));
      expect(answer.status).toBe(204);
      const [key] = await published(tus.storage);
      expect(sha256(await tus.storage.getBytes(key!))).toBe(sha256(bytes));
    });

    test('a refused file leaves nothing', async () => {
      const html = Buffer.concat([Buffer.from('<html>'), Buffer.alloc(partSize, 0x20)]);
      const metadata = { 'Upload-Metadata': metadataHeader({ filetype: 'image/png' }) };
      const path = await tus.create(html.length, metadata);
      const refused = await tus.append(path, 0, html);
      expect(refused).toMatchObject({ status: 415, json: { code: 'UNSUPPORTED_MEDIA_TYPE' } });
      const again = await tus.tus('HEAD', path);
      expect(again.status).toBe(404);
      const at = await tus.tus(
        'POST',
        '/files',
        { ...CHUNK, ...metadata, 'Upload-Length': '6' },
        '<html>',
      );
      expect([at.status, at.headers.location]).toEqual([415, undefined]);
      expect([await published(tus.storage), await staged(tus.storage)]).toEqual([[], []]);
      expect(await backend.unfinished()).toEqual([]);
      expect(uploaded).toEqual([]);
    });

    test('what is terminated leaves nothing', async () => {
      const path = await tus.create(2 * partSize);
      await tus.append(path, 0, randomBytes(partSize + 1000));
      expect((await tus.tus('DELETE', path)).status).toBe(204);
      expect((await tus.tus('HEAD', path)).status).toBe(404);
      expect((await tus.tus('DELETE', path)).status).toBe(404);
      expect(await staged(tus.storage)).toEqual([]);
      expect(await backend.unfinished()).toEqual([]);
    });

    test('partial uploads are joined in the order that is asked for', async () => {
      const pieces = [png(16), randomBytes(partSize + 10), Buffer.alloc(0), randomBytes(2000)];
      const paths: string[] = [];
      for (const piece of pieces) {
        const path = await tus.create(piece.length, { 'Upload-Concat': 'partial' });
        if (piece.length > 0) expect((await tus.append(path, 0, piece)).status).toBe(204);
        const { headers } = await tus.tus('HEAD', path);
        expect(headers).toMatchObject({
          'upload-concat': 'partial',
          'upload-offset': String(piece.length),
        });
        paths.push(path);
      }
      expect(await published(tus.storage)).toEqual([]);
      const concat = `final;${paths.map((path) => `http://proxy/below${path}`).join(' ')}`;
      const joined = await tus.tus('POST', '/files', { 'Upload-Concat': concat });
      expect(joined.status).toBe(201);
      const bytes = Buffer.concat(pieces);
      expect(sha256(await readBack())).toBe(sha256(bytes));
      expect(await tus.tus('HEAD', joined.headers.location!)).toMatchObject({
        status: 200,
        headers: {
          'upload-concat': concat,
          'upload-offset': String(bytes.length),
          'upload-length': String(bytes.length),
        },
      });
      expect(await staged(tus.storage)).toEqual([expect.stringMatching(/\.json$/)]);
    });

    test('a length that is told later, and a file without bytes', async () => {
      const later = await tus.tus('POST', '/files', { 'Upload-Defer-Length': '1' });
      const path = later.headers.location!;
      const bytes = randomBytes(MiB);
      await tus.append(path, 0, bytes);
      const { headers } = await tus.tus('HEAD', path);
      expect(headers).toMatchObject({ 'upload-defer-length': '1', 'upload-offset': String(MiB) });
      const last = await tus.append(path, MiB, '', { 'Upload-Length': String(MiB) });
      expect(last.status).toBe(204);
      expect(sha256(await readBack())).toBe(sha256(bytes));
      await tus.create(0);
      const none = await tus.tus('POST', '/files', { 'Upload-Defer-Length': '1' });
      const told = await tus.append(none.headers.location!, 0, '', { 'Upload-Length': '0' });
      expect(told).toMatchObject({ status: 204, headers: { 'upload-offset': '0' } });
      expect(uploaded).toHaveLength(3);
      for (const key of uploaded.slice(1)) expect((await tus.storage.info(key)).size).toBe(0);
    });

    test('bytes with another checksum are not stored', async () => {
      const bytes = randomBytes(partSize + 1000);
      const path = await tus.create(bytes.length);
      await tus.append(path, 0, bytes.subarray(0, 500));
      const checksum = `sha256 ${Buffer.from(sha256(bytes.subarray(500)), 'hex').toString('base64')}`;
      const headers = { 'Upload-Checksum': checksum };
      const altered = Buffer.from(bytes.subarray(500));
      altered[partSize] = altered[partSize]! ^ 1;
      const wrong = await tus.append(path, 500, altered, headers);
      expect(wrong).toMatchObject({ status: 460, json: { code: 'INTEGRITY' } });
      expect((await tus.tus('HEAD', path)).headers['upload-offset']).toBe('500');
      expect((await tus.append(path, 500, bytes.subarray(500), headers)).status).toBe(204);
      expect(sha256(await readBack())).toBe(sha256(bytes));
    });
  });
});
