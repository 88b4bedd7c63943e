// Files from the local disk over HTTP, each adapter against what serves static files on it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { appendFile, open, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { controller, get, param, startApp, storageModule } from '../http/nest-app.js';
import { each, keptConnections, read } from '../http/requests.js';

const MEBIBYTE = 1024 ** 2;
const SMALL = 4096;
const FILES = 100;
const AT_ONCE = 64;
const PEERS = { Express: 'express.static', Fastify: '@fastify/static' };

export const title = 'serving local files over HTTP';

/** @param {boolean} quick whether less is to be done, for ratios that are less sure */
export function rows(quick) {
  return Object.keys(PEERS).flatMap((adapter) => rowsOn(adapter, quick));
}

function rowsOn(adapter, quick) {
  const size = quick ? 256 : 1024;
  const requests = quick ? 5000 : 20_000;
  const shared = {
    limit: 'bare http',
    cases: ['limit', 'ours', PEERS[adapter]],
    files: (folder) => writeFiles(folder, size),
    prepare: (name, { files }) => SERVERS[name](files, adapter),
  };
  return [
    {
      ...shared,
      name: `${size} MiB, ${adapter}`,
      wanted: { best: 0.5 },
      load: (url) => ({
        warmUp: () => read(`${url}/small-0.bin`),
        run: async () => check(await read(`${url}/large.bin`), 200, size * MEBIBYTE),
      }),
    },
    {
      ...shared,
      name: `${size} ranges of 1 MiB, ${adapter}`,
      wanted: { best: 1 / 1.4 },
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

const SERVERS = {
  limit: bare,
  ours,
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

async function ours(root, adapter) {
  const { ServedFile, getStorageToken } = await import('nestjs-storages');
  let storage;
  const files = controller({
    decorators: [get(':key')],
    parameter: param('key'),
    handle: (key) => new ServedFile(storage, key),
  });
  return startApp({
    adapter,
    imports: [await storageModule({ driver: 'local', root, durability: 'rename' })],
    controllers: [files],
    configure: (app) => (storage = app.get(getStorageToken('files'))),
  });
}

/** No check, no header but the length: small files by one read, large ones by buffers of 256 KiB. */
async function bare(root) {
  const server = createServer(async ({ url, headers }, response) => {
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
