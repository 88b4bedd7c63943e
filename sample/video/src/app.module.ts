import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { StorageExceptionFilter, StorageModule } from 'nestjs-storages';
import { PageController } from './page.controller.js';
import { config } from './video.config.js';
import { VideosController } from './videos.controller.js';

@Module({
  imports: [
    StorageModule.forRoot({
      storages: { videos: { driver: 'local', root: config.root } },
      eager: true,
      // They serve the private links, and need no guard: the signature is what lets a client in.
      routes: config.signing,
    }),
  ],
  controllers: [VideosController, PageController],
  providers: [{ provide: APP_FILTER, useClass: StorageExceptionFilter }],
})
export class AppModule {}
