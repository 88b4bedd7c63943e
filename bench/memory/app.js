// The app that is measured: an upload, a download and a deletion, as any Nest app has them. Decorators are called as
// functions, since this is plain JavaScript.
import 'reflect-metadata';
import {
  Controller,
  Delete,
  Get,
  HttpCode,
  Module,
  Param,
  Post,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { InjectStorage, ServedFile, StorageFileInterceptor, StorageModule } from 'nestjs-storages';

const { storage, maxSize, adapter } = JSON.parse(process.argv[2]);

class FilesController {
  constructor(files) {
    this.files = files;
  }

  add(file) {
    return file.stored;
  }

  show(key) {
    return new ServedFile(this.files, key);
  }

  remove(key) {
    return this.files.delete(key);
  }
}

class AppModule {}

function decorate(target, name, ...decorators) {
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, name);
  for (const decorator of decorators) decorator(target.prototype, name, descriptor);
}

Controller('files')(FilesController);
InjectStorage('files')(FilesController, undefined, 0);
UploadedFile()(FilesController.prototype, 'add', 0);
decorate(
  FilesController,
  'add',
  Post(),
  UseInterceptors(StorageFileInterceptor('file', { storage: 'files', maxSize })),
);
Param('key')(FilesController.prototype, 'show', 0);
decorate(FilesController, 'show', Get(':key'));
Param('key')(FilesController.prototype, 'remove', 0);
decorate(FilesController, 'remove', Delete(':key'), HttpCode(204));
Module({
  imports: [StorageModule.forRoot({ storages: { files: storage } })],
  controllers: [FilesController],
})(AppModule);

const options = { logger: ['error', 'warn'] };
const app =
  adapter === 'fastify'
    ? await NestFactory.create(AppModule, new FastifyAdapter(), options)
    : await NestFactory.create(AppModule, options);
await app.listen(0, '127.0.0.1');
process.send({ url: await app.getUrl() });
process.once('disconnect', () => void app.close());
