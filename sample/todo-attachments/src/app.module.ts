import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { StorageExceptionFilter, StorageModule } from 'nestjs-storages';
import { DiscardedFile } from './discarded-file.entity.js';
import { DiscardedFiles } from './discarded-files.js';
import { Attachment, Todo } from './todo.entities.js';
import { TodosController } from './todos.controller.js';
import { Todos } from './todos.js';
import { Transactions } from './transactions.js';

const root = resolve(process.env['STORAGE_ROOT'] || 'var/todo-attachments');
mkdirSync(root, { recursive: true });

@Module({
  imports: [
    // SQLite in the process: nothing to install. It writes the whole database after each transaction.
    TypeOrmModule.forRoot({
      type: 'sqljs',
      location: join(root, 'todos.sqlite'),
      autoSave: true,
      synchronize: true,
      entities: [Todo, Attachment, DiscardedFile],
    }),
    StorageModule.forRoot({
      storages: { attachments: { driver: 'local', root: join(root, 'files') } },
      eager: true,
    }),
    ScheduleModule.forRoot(),
  ],
  controllers: [TodosController],
  providers: [
    Todos,
    DiscardedFiles,
    Transactions,
    { provide: APP_FILTER, useClass: StorageExceptionFilter },
  ],
})
export class AppModule {}
