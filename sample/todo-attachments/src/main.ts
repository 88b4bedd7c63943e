import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule, { forceCloseConnections: true });
app.enableShutdownHooks();
await app.listen(process.env['PORT'] ?? 3000, process.env['HOST'] ?? '127.0.0.1');
const { port } = app.getHttpServer().address() as AddressInfo;
console.log(`Try: curl -d title='Buy milk' http://localhost:${port}/todos
then: curl -F file=@list.pdf http://localhost:${port}/todos/<id>/attachments
read it back: curl http://localhost:${port}/todos/<id>/attachments/<id of the attachment>
delete both: curl -X DELETE http://localhost:${port}/todos/<id>`);
