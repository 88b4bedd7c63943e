// Nest apps that are measured. Decorators are called as functions, since this is plain JavaScript.
import 'reflect-metadata';
import {
  Controller,
  Get,
  Module,
  Param,
  Post,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

/** A controller with one handler. `decorators` are those of the method, `parameter` that of its only argument. */
export function controller({ decorators, parameter, handle, path = 'files' }) {
  class FilesController {
    handle(argument) {
      return handle(argument);
    }
  }
  const descriptor = Object.getOwnPropertyDescriptor(FilesController.prototype, 'handle');
  Controller(path)(FilesController);
  parameter?.(FilesController.prototype, 'handle', 0);
  for (const decorator of decorators) decorator(FilesController.prototype, 'handle', descriptor);
  return FilesController;
}

/** @returns the URL to ask, and how to end it */
export async function startApp({ adapter, imports = [], controllers = [], configure }) {
  class AppModule {}
  Module({ imports, controllers })(AppModule);
  const options = { logger: ['error', 'warn'] };
  const app =
    adapter === 'Fastify'
      ? await NestFactory.create(AppModule, await fastify(), options)
      : await NestFactory.create(AppModule, options);
  await configure?.(app);
  await app.listen(0, '127.0.0.1');
  return { url: `${await app.getUrl()}/files`, close: () => app.close() };
}

export async function storageModule(storage) {
  const { StorageModule } = await import('nestjs-storages');
  return StorageModule.forRoot({ storages: { files: storage } });
}

export const get = Get;
export const post = Post;
export const param = Param;
export const uploadedFile = UploadedFile;
export const useInterceptors = UseInterceptors;

async function fastify() {
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return new FastifyAdapter({ bodyLimit: 4 * 1024 ** 3 });
}
