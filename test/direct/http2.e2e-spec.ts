import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type ClientHttp2Session, connect } from 'node:http2';
import { text } from 'node:stream/consumers';
import { DirectUploadsModule } from '../../lib/direct/direct-uploads.module.js';
import { StorageModule } from '../../lib/storage.module.js';
import { TusModule } from '../../lib/tus/index.js';
import { closeApps, startApp } from '../nest/app-fixture.js';
import { signingKeys } from '../routes/routes-fixture.js';

let session: ClientHttp2Session;

beforeEach(async () => {
  const { port } = await startApp(
    {
      imports: [
        StorageModule.forRoot({
          storages: { files: { driver: 'memory' } },
          routes: { signingKeys },
        }),
        DirectUploadsModule.forRoot({ owner: () => 'ada', signingKeys }),
        TusModule.forRoot({ owner: () => 'ada', signingKeys, maxSize: '1mb' }),
      ],
    },
    { adapter: new FastifyAdapter({ http2: true } as never) },
  );
  session = connect(`http://127.0.0.1:${port}`);
});

afterEach(async () => {
  session.destroy();
  await closeApps();
});

/** A request whose body, if it has one, comes without its length, as HTTP/2 allows. */
async function post(
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<{ status: number; body: string }> {
  const stream = session.request(
    { ':method': 'POST', ':path': path, ...headers },
    { endStream: body === undefined },
  );
  if (body !== undefined) stream.end(body);
  let status = 0;
  stream.on('response', (head) => (status = head[':status']!));
  return { body: await text(stream), status };
}

const JSON_TYPE = { 'content-type': 'application/json' };

test('a direct upload begins by JSON whose length is not told, and is completed without a body', async () => {
  const asked = JSON.stringify({ filename: 'a.txt', size: 3 });
  const begun = await post('/direct-uploads', JSON_TYPE, asked);
  expect(begun.status).toBe(201);
  const { id } = JSON.parse(begun.body) as { id: string };
  const early = await post(`/direct-uploads/${id}/complete`, JSON_TYPE);
  expect([early.status, early.body]).toEqual([409, expect.any(String)]);
});

test('a tus upload that joins others is refused with bytes of its own, though their length is not told', async () => {
  const headers = { 'tus-resumable': '1.0.0', 'upload-concat': 'final;/files/a /files/b' };
  const { status } = await post('/files', headers, 'bytes');
  expect(status).toBe(400);
});
