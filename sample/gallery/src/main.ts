import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { config } from './gallery.config.js';

// Ends what clients still hold open at shutdown, such as a paused download, which would otherwise hold up the end.
const app = await NestFactory.create(AppModule, { forceCloseConnections: true });
app.enableShutdownHooks();
await app.listen(config.port, config.host);
const { port } = app.getHttpServer().address() as AddressInfo;
console.log(`Gallery on http://localhost:${port}, photos go to ${config.description}`);
