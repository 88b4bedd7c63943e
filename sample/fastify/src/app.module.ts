import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { StorageExceptionFilter, StorageModule } from 'nestjs-storages';
import { PhotosController } from './photos.controller.js';

@Module({
  imports: [
    StorageModule.forRoot({ storages: { photos: { driver: 'local', root: './var/photos' } } }),
  ],
  controllers: [PhotosController],
  providers: [{ provide: APP_FILTER, useClass: StorageExceptionFilter }],
})
export class AppModule {}
