import { resolve } from 'node:path';
import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { StorageExceptionFilter, StorageModule } from 'nestjs-storages';
import { AvatarsController } from './avatars.controller.js';
import { Avatars } from './avatars.js';

const root = resolve(process.env['STORAGE_ROOT'] || 'var/testing');

@Module({
  imports: [
    StorageModule.forRoot({
      storages: { avatars: { driver: 'local', root } },
      eager: true,
      // Serves the links. In production it needs `baseUrl` and `signingKeys`; elsewhere, links end with the process.
      routes: {},
    }),
  ],
  controllers: [AvatarsController],
  providers: [Avatars, { provide: APP_FILTER, useClass: StorageExceptionFilter }],
})
export class AppModule {}
