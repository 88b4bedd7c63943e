import 'reflect-metadata';
import type { AddressInfo, Server } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { config } from './video.config.js';

const app = await NestFactory.create(AppModule, { forceCloseConnections: true });
app.enableShutdownHooks();
const server = app.getHttpServer() as Server & { requestTimeout: number };
// A video may take longer than Node's five minutes: the interceptor ends uploads that are too slow.
server.requestTimeout = 0;
if (config.password === undefined) await app.listen(config.port, '127.0.0.1');
else await app.listen(config.port);
const { port } = server.address() as AddressInfo;
const audience = config.password === undefined ? 'this machine only' : 'who has the password';
console.log(`Videos on http://localhost:${port} for ${audience}, files go to ${config.root}`);
