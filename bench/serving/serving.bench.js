// Files over HTTP: from the local disk, each adapter against what serves static files on it; from S3; and by nginx in front.
import { createReadStream, mkdirSync, writeFileSync } from 'node:fs';
import { appendFile, open, readFile, stat } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { StreamableFile } from '@nestjs/common';
import { controller, get, param, startApp, storageModule } from '../http/nest-app.js';
import { each, keptConnections, read } from '../http/requests.js';
import { sdkClientOn, storageOn, withSink } from '../s3/sink.js';
import { findNginx, startNginx } from './nginx.js';

const MEBIBYTE = 1024 ** 2;
const SMALL = 4096;
const FILES = 100;
const AT_ONCE = 64;
/** Small files are behind, for the reasons that docs/performance.md gives: by no more than this. */
const BEHIND = 4;
const PEERS = { Express: 'express.static', Fastify: '@fastify/static' };

export const title = 'serving files over HTTP';

/** @param {boolean} quick whether less is to be done, for ratios that are less sure */
export function rows(quick) {
  return [
    ...Object.keys(PEERS).flatMap((adapter) => rowsOn(adapter, quick)),
    ...rowsOfS3(quick),
    rowOfNginx(quick),
  ];
}

function rowsOn(adapter, quick) {
  const size = quick ? 256 : 1024;
  const requests = quick ? 5000 : 20_000;
  const shared = {
    limit: 'bare http',
    cases: ['limit', 'ours', 'Nest, StreamableFile of a file', PEERS[adapter]],
    files: (folder) => writeFiles(folder, size),
    prepare: (name, { files }) => SERVERS[name](files, adapter),
  };
  return [
    {
      ...shared,
      name: `${size} MiB, ${adapter}`,
      wanted: { best: 0.5 },
      why: 'Large files over HTTP',
      load: (url) => ({
        warmUp: () => read(`${url}/small-0.bin`),
        run: async () => check(await read(`${url}/large.bin`), 200, size * MEBIBYTE),
      }),
    },
    {
      ...shared,
      name: `${size} ranges of 1 MiB, ${adapter}`,
      // Not the StreamableFile, which knows no ranges.
      cases: ['limit', 'ours', PEERS[adapter]],
      wanted: { best: 1 / 1.4 },
      bounds: { best: 1.5 },
      why: 'Ranges over HTTP',
      load(url) {
        const agent = keptConnections(4);
        const ask = async (index) => {
          const start = index * MEBIBYTE;
          const range = `bytes=${start}-${start + MEBIBYTE - 1}`;
          check(await read(`${url}/large.bin`, { agent, range }), 206, MEBIBYTE);
        };
        return { warmUp: () => each(20, 4, ask), run: () => each(size, 4, ask) };
      },
    },
    {
      ...shared,
      name: `${requests} files of 4 KiB, ${adapter}`,
      wanted: { best: 1 },
      bounds: { best: BEHIND },
      why: 'Small files over HTTP',
      guard: 8,
      load(url) {
        const agent = keptConnections(AT_ONCE);
        const ask = async (index) =>
          check(await read(`${url}/small-${index % FILES}.bin`, { agent }), 200, SMALL);
        return { warmUp: () => each(2000, AT_ONCE, ask), run: () => each(requests, AT_ONCE, ask) };
      },
    },
  ];
}

function rowsOfS3(quick) {
  const size = quick ? 256 : 1024;
  const requests = quick ? 5000 : 20_000;
  const shared = {
    limit: 'bare http, the body of S3 piped on',
    cases: ['limit', 'ours', 'the SDK, as a StreamableFile'],
    wanted: { limit: 1.15, best: 1 },
    bounds: { limit: 8 },
    prepare: (name) => withSink((sink) => FROM_S3[name](sink), { mebibytes: size }),
  };
  return [
    {
      ...shared,
      name: `${size} MiB from S3, Express`,
      why: 'Large files from S3, over HTTP',
      load: (url) => ({
        warmUp: () => each(20, 4, () => read(`${url}/small.bin`)),
        run: async () => check(await read(`${url}/large`), 200, size * MEBIBYTE),
      }),
    },
    {
      ...shared,
      name: `${requests} files of 4 KiB from S3, Express`,
      why: 'Small files from S3',
      load(url) {
        const agent = keptConnections(AT_ONCE);
        const ask = async () => check(await read(`${url}/small.bin`, { agent }), 200, SMALL);
        return { warmUp: () => each(2000, AT_ONCE, ask), run: () => each(requests, AT_ONCE, ask) };
      },
    },
  ];
}

/** The processor's time of nginx counts, and that of the app behind it. */
function rowOfNginx(quick) {
  const size = quick ? 256 : 1024;
  const count = 4096 / size;
  return {
    name: `${count} × ${size} MiB by nginx, told by X-Accel-Redirect`,
    limit: 'nginx alone',
    cases: ['limit', 'ours'],
    wanted: { limit: 1.05 },
    ...(!findNginx() && { leftOut: 'nginx is not there (Debian: apt-get install nginx-light)' }),
    files: (folder) => writeFiles(folder, size),
    prepare: (name, { files }) => (name === 'limit' ? nginxAlone(files) : accelerated(files)),
    load(url) {
      const agent = keptConnections(1);
      const ask = async () =>
        check(await read(`${url}/large.bin`, { agent }), 200, size * MEBIBYTE);
      return {
        warmUp: () => each(200, 1, () => read(`${url}/small-0.bin`, { agent })),
        run: () => each(count, 1, ask),
      };
    },
  };
}

const FROM_S3 = { limit: proxy, ours: oursOnS3, 'the SDK, as a StreamableFile': sdkStreamed };

const SERVERS = {
  limit: bare,
  ours,
  'Nest, StreamableFile of a file': streamed,
  'express.static': (root) =>
    startApp({ configure: (app) => app.useStaticAssets(root, { prefix: '/files' }) }),
  '@fastify/static': async (root) => {
    const { default: plugin } = await import('@fastify/static');
    return startApp({
      adapter: 'Fastify',
      configure: (app) => app.register(plugin, { root, prefix: '/files/' }),
    });
  },
};

/** What Nest's own pages advise: no check, no header but type and length, and no ranges. */
function streamed(root, adapter) {
  const files = controller({
    decorators: [get(':key')],
    parameter: param('key'),
    async handle(key) {
      const path = join(root, key);
      const { size } = await stat(path);
      return new StreamableFile(createReadStream(path), { length: size });
    },
  });
  return startApp({ adapter, controllers: [files] });
}

function ours(root, adapter) {
  return startOurs({ driver: 'local', root, durability: 'rename' }, adapter);
}

function oursOnS3(sink) {
  return startOurs(storageOn(sink), 'Express');
}

async function startOurs(options, adapter, serving) {
  const { ServedFile, getStorageToken } = await import('nestjs-storages');
  let storage;
  const files = controller({
    decorators: [get(':key')],
    parameter: param('key'),
    handle: (key) => new ServedFile(storage, key, serving),
  });
  return startApp({
    adapter,
    imports: [await storageModule(options)],
    controllers: [files],
    configure: (app) => (storage = app.get(getStorageToken('files'))),
  });
}

/** No check, no header but the length: small files by one read, large ones by buffers of 256 KiB. */
async function bare(root) {
  return listening(async ({ url, headers }, response) => {
    const path = join(root, url.slice('/files/'.length));
    if (!url.endsWith('large.bin')) {
      const bytes = await readFile(path);
      response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
      return;
    }
    const file = await open(path);
    const [, first, last] = /(\d+)-(\d+)/.exec(headers.range ?? '') ?? [];
    const start = Number(first ?? 0);
    const end = last === undefined ? (await file.stat()).size : Number(last) + 1;
    response.writeHead(first === undefined ? 200 : 206, { 'content-length': end - start });
    for (let at = start; at < end;) {
      const { buffer, bytesRead } = await file.read(
        Buffer.allocUnsafeSlow(Math.min(256 * 1024, end - at)),
        { position: at },
      );
      at += bytesRead;
      if (!response.write(buffer)) await once(response, 'drain');
    }
    response.end();
    await file.close();
  });
}

async function nginxAlone(root) {
  const nginx = await startNginx(`location /files/ { alias ${root}/; }`);
  return { ...nginx, url: `${nginx.url}/files` };
}

async function accelerated(root) {
  const accel = { header: 'X-Accel-Redirect', location: '/protected/' };
  const options = { driver: 'local', root };
  const app = await startOurs(options, 'Express', { mode: 'accel', accel });
  const nginx = await startNginx(
    `location /files/ { proxy_pass ${app.url}/; } location /protected/ { internal; alias ${root}/; }`,
  );
  const close = () => Promise.all([nginx.close(), app.close()]);
  return { url: `${nginx.url}/files`, cpu: () => nginx.cpu(), close };
}

/** Whatever the answer of S3 says of its body is said again, and nothing is checked. */
async function proxy({ port }) {
  const agent = keptConnections(AT_ONCE);
  return listening(async ({ url }, response) => {
    const asked = request({ port, agent, path: url.replace('/files/', '/bench/') });
    const [answer] = await once(asked.end(), 'response');
    const headers = { 'content-length': answer.headers['content-length'] };
    answer.pipe(response.writeHead(answer.statusCode, headers));
  });
}

async function sdkStreamed(sink) {
  const { GetObjectCommand } = await import('@aws-sdk/client-s3');
  const s3 = await sdkClientOn(sink);
  const files = controller({
    decorators: [get(':key')],
    parameter: param('key'),
    async handle(Key) {
      const { Body, ContentLength } = await s3.send(new GetObjectCommand({ Bucket: 'bench', Key }));
      return new StreamableFile(Body, { length: ContentLength });
    },
  });
  return startApp({ controllers: [files] });
}

async function listening(answer) {
  const server = createServer(answer);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/files`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function writeFiles(folder, mebibytes) {
  mkdirSync(folder, { recursive: true });
  for (let index = 0; index < FILES; index++) {
    writeFileSync(join(folder, `small-${index}.bin`), Buffer.alloc(SMALL, 1));
  }
  const chunk = Buffer.alloc(16 * MEBIBYTE, 3);
  for (let written = 0; written < mebibytes; written += 16) {
    await appendFile(join(folder, 'large.bin'), chunk);
  }
}

function check({ status, size }, wantedStatus, wantedSize) {
  if (status === wantedStatus && size === wantedSize) return;
  throw new Error(`${status} with ${size} bytes, not ${wantedStatus} with ${wantedSize}`);
}
