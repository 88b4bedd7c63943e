// A program of its own, so that nothing but the app is measured:
// node --expose-gc --import ./register.js abort-uploads.ts Express|Fastify
import 'reflect-metadata';
import { Controller, Post, UseInterceptors } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { readdirSync } from 'node:fs';
import type { Server } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { StorageFileInterceptor, StorageModule } from '../../lib/index.js';
import { startApp } from '../nest/app-fixture.js';
import { openSocket } from '../nest/http-client.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { partHead, png, requestHead } from '../uploads/forms.js';

const adapters = { Express: () => new ExpressAdapter(), Fastify: () => new FastifyAdapter() };
const { driver, keys, count } = await recordingDriver();

@Controller()
class UploadController {
  @Post()
  @UseInterceptors(
    StorageFileInterceptor('photo', {
      maxSize: '100mb',
      minSize: 1,
      image: { minWidth: 1 },
      scan: async (stream) => {
        for await (const _ of stream);
      },
    }),
  )
  add(): void {}
}

const { app, port } = await startApp(
  {
    imports: [StorageModule.forRoot({ storages: { uploads: { driver } } })],
    controllers: [UploadController],
  },
  { adapter: adapters[process.argv[2] as keyof typeof adapters]() },
);
const server = app.getHttpServer() as Server;

async function abandon(bytes: number): Promise<void> {
  const socket = await openSocket(port);
  socket.write(requestHead('/', 50_000_000));
  socket.write(partHead({ name: 'photo', filename: 'a.png', type: 'image/png' }));
  await new Promise((resolve) =>
    socket.write(png(Math.max(bytes, 32)).subarray(0, bytes), resolve),
  );
  socket.destroy();
}

/** After `times` uploads that broke off, and the end of all that they began. */
async function measureAfter(times: number): Promise<{ heap: number; descriptors: number }> {
  const sizes = [0, 1, 100, 4096, 70_000, 300_000, 700_000];
  for (let index = 0; index < times; index++) await abandon(sizes[index % sizes.length]!);
  const connections = (): Promise<number> =>
    new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
  while ((await connections()) > 0) await setImmediate();
  // What was waited for is let go in the turns after.
  for (let turn = 0; turn < 20; turn++) {
    await setImmediate();
    globalThis.gc!();
  }
  return {
    heap: process.memoryUsage().heapUsed + process.memoryUsage().external,
    descriptors: readdirSync('/proc/self/fd').length,
  };
}

const before = await measureAfter(200);
const after = await measureAfter(500);
console.log(
  JSON.stringify({
    heap: after.heap - before.heap,
    descriptors: after.descriptors - before.descriptors,
    left: (await keys()).length,
    begun: count('put'),
  }),
);
await app.close();
