import { join, resolve } from 'node:path';
import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { StorageExceptionFilter, StorageModule } from 'nestjs-storages';
import { AuthorsController } from './authors.controller.js';
import { BooksController } from './books.controller.js';
import { Covers } from './covers.js';
import { Library } from './library.js';
import { Photos } from './photos.js';

const root = resolve(process.env['STORAGE_ROOT'] || 'var/book-library');

@Module({
  imports: [
    StorageModule.forRoot({
      storages: {
        covers: { driver: 'local', root: join(root, 'covers') },
        photos: { driver: 'local', root: join(root, 'photos') },
      },
      eager: true,
    }),
  ],
  controllers: [AuthorsController, BooksController],
  providers: [Library, Covers, Photos, { provide: APP_FILTER, useClass: StorageExceptionFilter }],
})
export class AppModule {}
