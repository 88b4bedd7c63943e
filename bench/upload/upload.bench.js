// Forms with a file over HTTP, into the local disk and into an S3 that answers at once.
import { createWriteStream, mkdirSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  controller,
  post,
  startApp,
  storageModule,
  uploadedFile,
  useInterceptors,
} from '../http/nest-app.js';
import { each, keptConnections, upload } from '../http/requests.js';
import { sdkClientOn, storageOn, withSink } from '../s3/sink.js';

const MEBIBYTE = 1024 ** 2;
const KIBIBYTE = 1024;
/** Small files are behind, for the reasons that docs/performance.md gives: by no more than this. */
const BEHIND = 4;

export const title = 'uploads as multipart/form-data';

/** @param {boolean} quick whether less is to be done, for ratios that are less sure */
export function rows(quick) {
  const large = quick ? 256 : 1024;
  const medium = quick ? 400 : 2000;
  const loads = [
    { what: `${large} MiB in one file`, count: 1, size: large * MEBIBYTE, atOnce: 1 },
    { what: `${medium} × 1 MiB by 100 clients`, count: medium, size: MEBIBYTE, atOnce: 100 },
    { what: '1000 × 16 KiB by 100 clients', count: 1000, size: 16 * KIBIBYTE, atOnce: 100 },
  ];
  return [
    ...loads.map((load) =>
      row(
        load,
        'local, Express',
        { limit: bare, ours: ours('Express'), 'multer diskStorage': multerDisk },
        1,
      ),
    ),
    ...loads.map((load) =>
      row(
        load,
        'local, Fastify',
        { limit: bare, ours: ours('Fastify'), '@fastify/multipart': fastifyMultipart },
        1,
      ),
    ),
    ...loads.map((load) =>
      row(load, 'S3, Express', { ours: oursOnS3('Express'), 'multer-s3': multerS3 }, 0.5),
    ),
    ...loads.map((load) => row(load, 'S3, Fastify', { ours: oursOnS3('Fastify') })),
  ];
}

function row({ what, count, size, atOnce }, where, servers, best) {
  return {
    name: `${what}, ${where}`,
    limit: 'bare http, the body into a file',
    ...(best !== undefined && {
      wanted: { best },
      bounds: { best: BEHIND },
      why: 'Small files in forms',
    }),
    cases: Object.keys(servers),
    prepare: (name, { folder }) => servers[name](folder),
    load(url) {
      const agent = keptConnections(atOnce);
      return {
        warmUp: () => each(20, 4, () => upload(url, 256 * KIBIBYTE, agent)),
        run: () => each(count, atOnce, () => upload(url, size, agent)),
      };
    },
  };
}

function ours(adapter) {
  return async (root) => startOurs(adapter, { driver: 'local', root, durability: 'rename' });
}

function oursOnS3(adapter) {
  return () => withSink((sink) => startOurs(adapter, storageOn(sink)));
}

async function startOurs(adapter, storage) {
  const { StorageFileInterceptor } = await import('nestjs-storages');
  const maxSize = 2048 * MEBIBYTE;
  const files = controller({
    decorators: [
      post(),
      useInterceptors(StorageFileInterceptor('file', { storage: 'files', maxSize })),
    ],
    parameter: uploadedFile(),
    handle: (file) => ({ key: file.stored.key }),
  });
  return startApp({ adapter, imports: [await storageModule(storage)], controllers: [files] });
}

async function multerDisk(folder) {
  return multerApp({ dest: folder });
}

async function multerS3() {
  return withSink(async (sink) => {
    const { default: engine } = await import('multer-s3');
    return multerApp({ storage: engine({ s3: await sdkClientOn(sink), bucket: 'bench' }) });
  });
}

async function multerApp(options) {
  const { FileInterceptor } = await import('@nestjs/platform-express');
  const files = controller({
    decorators: [post(), useInterceptors(FileInterceptor('file', options))],
    parameter: uploadedFile(),
    handle: (file) => ({ key: file.key ?? file.filename }),
  });
  return startApp({ controllers: [files] });
}

async function fastifyMultipart(folder) {
  const { default: plugin } = await import('@fastify/multipart');
  let count = 0;
  return startApp({
    adapter: 'Fastify',
    async configure(app) {
      await app.register(plugin, { limits: { fileSize: 2048 * MEBIBYTE } });
      app
        .getHttpAdapter()
        .getInstance()
        .post('/files', async (request, reply) => {
          const { file } = await request.file();
          await pipeline(file, createWriteStream(join(folder, `file-${count++}`)));
          return reply.code(201).send({});
        });
    },
  });
}

async function bare(folder) {
  mkdirSync(folder, { recursive: true });
  let count = 0;
  const server = createServer(async (request, response) => {
    const file = createWriteStream(join(folder, `file-${count++}`), { highWaterMark: MEBIBYTE });
    await pipeline(request, file);
    response.writeHead(201, { 'content-length': 2 }).end('{}');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}/files`, close };
}
