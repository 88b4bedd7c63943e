import {
  BadRequestException,
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseFilePipe,
  ParseUUIDPipe,
  Post,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import {
  InjectStorage,
  ServedFile,
  Storage,
  StorageFileInterceptor,
  type StoredUpload,
} from 'nestjs-storages';
import type { Attachment, Todo } from './todo.entities.js';
import { Todos } from './todos.js';

@Controller('todos')
export class TodosController {
  constructor(
    private readonly todos: Todos,
    @InjectStorage('attachments') private readonly files: Storage,
  ) {}

  @Post()
  add(@Body('title') title: unknown): Promise<Todo> {
    if (typeof title !== 'string' || title.trim() === '') {
      throw new BadRequestException('title must be a text that is not empty');
    }
    return this.todos.add(title);
  }

  @Get()
  list(): Promise<Todo[]> {
    return this.todos.list();
  }

  @Delete(':id')
  @HttpCode(204)
  remove(@Param('id', ParseUUIDPipe) id: string): Promise<void> {
    return this.todos.remove(id);
  }

  @Post(':id/attachments')
  @UseInterceptors(StorageFileInterceptor('file', { storage: 'attachments', maxSize: '20mb' }))
  attach(
    @Param('id', ParseUUIDPipe) id: string,
    @UploadedFile(new ParseFilePipe()) file: StoredUpload,
  ): Promise<Attachment> {
    return this.todos.attach(id, file);
  }

  @Get(':id/attachments/:attachment')
  async show(
    @Param('id', ParseUUIDPipe) id: string,
    @Param('attachment', ParseUUIDPipe) attachment: string,
  ): Promise<ServedFile> {
    const { key, name } = await this.todos.attachment(id, attachment);
    return new ServedFile(this.files, key, { disposition: 'attachment', filename: name });
  }

  @Delete(':id/attachments/:attachment')
  @HttpCode(204)
  detach(
    @Param('id', ParseUUIDPipe) id: string,
    @Param('attachment', ParseUUIDPipe) attachment: string,
  ): Promise<void> {
    return this.todos.detach(id, attachment);
  }
}
