import {
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseFilePipe,
  Post,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { ServedFile, StorageFileInterceptor, type StoredUpload } from 'nestjs-storages';
import { Avatars } from './avatars.js';

@Controller('avatars')
export class AvatarsController {
  constructor(private readonly avatars: Avatars) {}

  @Post()
  @UseInterceptors(
    StorageFileInterceptor('avatar', { storage: 'avatars', accept: ['image/*'], maxSize: '1mb' }),
  )
  async add(
    @UploadedFile(new ParseFilePipe()) { key }: StoredUpload,
  ): Promise<{ key: string; link: string }> {
    return { key, link: await this.avatars.link(key) };
  }

  @Get(':key')
  show(@Param('key') key: string): ServedFile {
    return new ServedFile(this.avatars.storage, key);
  }

  @Delete(':key')
  @HttpCode(204)
  retire(@Param('key') key: string): Promise<void> {
    return this.avatars.retire(key);
  }
}
