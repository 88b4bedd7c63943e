import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { DirectUploadsModule, StorageExceptionFilter, StorageModule } from 'nestjs-storages';
import { FilesController } from './files.controller.js';
import { PageController } from './page.controller.js';
import { config } from './upload.config.js';

@Module({
  imports: [
    StorageModule.forRoot({
      storages: { files: config.storage },
      eager: true,
      routes: config.signing,
    }),
    DirectUploadsModule.forRoot({
      ...config.signing,
      // An app with users says here whose request it is.
      owner: () => 'everybody',
      maxSize: config.maxSize,
      multipart: { threshold: '5mb', partSize: '5mb' },
      onUploaded: ({ key, size }, { filename }) => {
        console.log(`${filename} is stored under ${key}, ${size} bytes`);
      },
    }),
  ],
  controllers: [FilesController, PageController],
  providers: [{ provide: APP_FILTER, useClass: StorageExceptionFilter }],
})
export class AppModule {}
