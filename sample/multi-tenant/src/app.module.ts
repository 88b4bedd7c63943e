import { resolve } from 'node:path';
import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { StorageExceptionFilter, StorageModule } from 'nestjs-storages';
import { FilesController } from './files.controller.js';
import { TenantFiles } from './tenant-files.js';
import { TenantUploads } from './tenant-uploads.js';

const root = resolve(process.env['STORAGE_ROOT'] || 'var/multi-tenant');

@Module({
  imports: [StorageModule.forRoot({ storages: { files: { driver: 'local', root } }, eager: true })],
  controllers: [FilesController],
  providers: [
    TenantFiles,
    TenantUploads,
    { provide: APP_FILTER, useClass: StorageExceptionFilter },
  ],
})
export class AppModule {}
