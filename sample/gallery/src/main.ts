import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { config } from './gallery.config.js';

const app = await NestFactory.create(AppModule);
app.enableShutdownHooks();
await app.listen(config.port);
const { port } = app.getHttpServer().address() as AddressInfo;
console.log(`Gallery on http://localhost:${port}, photos go to ${config.description}`);
