import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule, { forceCloseConnections: true });
app.enableShutdownHooks();
await app.listen(process.env['PORT'] ?? 3000, process.env['HOST'] ?? '127.0.0.1');
const { port } = app.getHttpServer().address() as AddressInfo;
console.log(`Try: curl -F name='Jane Austen' -F photo=@jane.jpg http://localhost:${port}/authors
then: curl -F author=<id> -F title=Emma -F isbn=978-0-14-143958-7 -F cover=@emma.jpg http://localhost:${port}/books`);
