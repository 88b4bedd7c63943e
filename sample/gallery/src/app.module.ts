import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { StorageExceptionFilter, StorageModule } from 'nestjs-storages';
import { config } from './gallery.config.js';
import { PageController } from './page.controller.js';
import { PhotosController } from './photos.controller.js';

@Module({
  // Eager: a root that cannot be written to, or a missing package, shows at the start and not at the first upload.
  imports: [StorageModule.forRoot({ storages: { photos: config.storage }, eager: true })],
  controllers: [PhotosController, PageController],
  providers: [{ provide: APP_FILTER, useClass: StorageExceptionFilter }],
})
export class AppModule {}
