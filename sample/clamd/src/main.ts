import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { StorageModule } from 'nestjs-storages';
import { DocumentsController } from './documents.controller.js';

@Module({
  imports: [
    StorageModule.forRoot({
      storages: { documents: { driver: 'local', root: './var/documents' } },
    }),
  ],
  controllers: [DocumentsController],
})
class AppModule {}

const app = await NestFactory.create(AppModule);
app.enableShutdownHooks();
await app.listen(process.env['PORT'] ?? 3000, process.env['HOST'] ?? '127.0.0.1');
const url = await app.getUrl();
console.log(`Listening on ${url}; try: curl -F document=@a.pdf ${url}/documents`);
