import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { config } from './upload.config.js';

const app = await NestFactory.create(AppModule, { forceCloseConnections: true });
app.enableShutdownHooks();
await app.listen(config.port, process.env['HOST'] ?? '127.0.0.1');
const { port } = app.getHttpServer().address() as AddressInfo;
console.log(`Direct uploads on http://localhost:${port}, files go to ${config.description}`);
