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
await app.listen(process.env['PORT'] ?? 3000);
const url = (await app.getUrl()).replace('[::1]', 'localhost');
console.log(`Listening on ${url}; try: curl -F document=@a.pdf ${url}/documents`);
