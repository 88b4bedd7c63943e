import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { openSocket } from '../nest/http-client.js';
import { form, partHead, png, requestHead } from '../uploads/forms.js';
import type { ShutdownOptions } from './shutdown-app.js';

// More than the buffers of the sockets take, and than one part of S3.
const SIZE = 16 * 1024 * 1024;
const FIVE = Array.from({ length: 5 }, (_, index) => index);
const photo = { name: 'photo', filename: 'a.png', type: 'image/png' };

const here = (name: string): string => join(import.meta.dirname, name);

async function start(nest: string, options: ShutdownOptions) {
  const child = fork(here('shutdown-app.ts'), [JSON.stringify(options)], {
    execArgv: [`--import=${pathToFileURL(here('../leaks/register.js')).href}`],
    env: { ...process.env, NEST: nest },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  children.push(child);
  const [port] = (await once(child, 'message')) as [number];
  return { child, port };
}

/** All that comes until the connection ends. */
async function answerOn(socket: Socket): Promise<Buffer> {
  const received: Buffer[] = [];
  for await (const chunk of socket) received.push(chunk as Buffer);
  return Buffer.concat(received);
}

/** A client that has asked for a file and takes no more than its beginning. */
async function download(port: number, path: string): Promise<Socket> {
  const socket = await openSocket(port);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await once(socket, 'readable');
  return socket;
}

/** A client that sends the first half of its file. */
async function uploadForm(port: number): Promise<Socket> {
  const socket = await openSocket(port);
  socket.write(requestHead('/form', 2 * SIZE));
  socket.write(partHead(photo));
  await new Promise((resolve) => socket.write(png(SIZE / 2), resolve));
  return socket;
}

async function uploadPut(port: number, key: string): Promise<Socket> {
  const socket = await openSocket(port);
  socket.write(requestHead(`/put/${key}`, SIZE, 'application/octet-stream').replace('POST', 'PUT'));
  await new Promise((resolve) => socket.write(Buffer.alloc(SIZE / 2), resolve));
  return socket;
}

async function endOf(child: ChildProcess): Promise<unknown> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return code ?? signal;
}

let folder: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shutdown-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

test.each([
  { adapter: 'Express', nest: '12', driver: 'local', by: 'close' },
  { adapter: 'Fastify', nest: '12', driver: 's3', by: 'SIGTERM' },
  { adapter: 'Express', nest: '11', driver: 's3', by: 'SIGTERM' },
  { adapter: 'Fastify', nest: '11', driver: 'local', by: 'close' },
] as const)(
  'ten uploads and ten downloads do not keep an app from ending, and leave nothing: $adapter, Nest $nest, $driver, $by',
  async ({ adapter, nest, driver, by }) => {
    await using server = await startS3Server({ buckets: ['files'] });
    const configuration: StorageConfiguration =
      driver === 'local'
        ? { driver, root: folder }
        : {
            driver,
            provider: 'aws',
            bucket: 'files',
            endpoint: server.endpoint,
            region: server.region,
            forcePathStyle: true,
            ...server.credentials,
          };
    await using files = await openStorage('files', configuration);
    await files.put('large', Buffer.alloc(SIZE, 1));
    const { child, port } = await start(nest, { adapter, configuration, shutdownTimeout: 5000 });

    const readers = await Promise.all(
      FIVE.flatMap(() => [download(port, '/served/large'), download(port, '/got/large')]),
    );
    const writers = await Promise.all(
      FIVE.flatMap((index) => [uploadForm(port), uploadPut(port, `put-${index}`)]),
    );
    // Two who go on when the app is told to end, and have the time to.
    const reader = await download(port, '/served/large');
    const writer = await openSocket(port);
    const body = form({ ...photo, content: png(1000) });
    const head = requestHead('/form', body.length);
    writer.write(head.replace('Host: x', 'Host: x\r\nExpect: 100-continue'));
    await once(writer, 'data');
    writer.write(body.subarray(0, 500));

    const ended = endOf(child);
    const late = by === 'close' ? once(child, 'message') : undefined;
    if (by === 'close') child.send('close');
    else child.kill(by);
    const reading = answerOn(reader);
    await closedToNew(port);
    writer.write(body.subarray(500));
    const written = (await answerOn(writer)).toString();
    expect(written).toMatch(/^HTTP\/1.1 201 /);
    expect((await reading).byteLength).toBeGreaterThan(SIZE);

    await Promise.all(writers.map(answerOn));
    // Their time was over at the same moment: what they read now is what was on its way.
    const read = (await Promise.all(readers.map(answerOn))).map((answer) => answer.byteLength);
    expect(Math.max(...read)).toBeLessThan(SIZE);
    // Nest itself sends the signal again when its hooks are done.
    expect(await ended).toBe(by === 'close' ? 0 : by);
    expect(await late?.then(([code]) => code as unknown)).toBe(late && 'CLOSED');

    const { key } = JSON.parse(written.slice(written.indexOf('{'))) as { key: string };
    const kept: string[] = [];
    for await (const file of files.list()) kept.push(file.key);
    expect(kept).toEqual(['large', key].sort());
    expect(server.multipartUploads('files')).toEqual([]);
    // The folder that is left is that of `files`.
    const temporary = await readdir(join(folder, '.nestjs-storages/tmp')).catch(() => undefined);
    expect(temporary?.length).toBe(driver === 'local' ? 1 : undefined);
  },
);

/** Resolves as soon as the app takes no new connection. */
async function closedToNew(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (!isOpen) return;
  }
}
