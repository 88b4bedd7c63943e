import {
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseFilePipe,
  Post,
  Query,
  UploadedFiles,
  UseInterceptors,
} from '@nestjs/common';
import {
  contentTypeOf,
  InjectStorage,
  ServedFile,
  Storage,
  StorageFilesInterceptor,
  type StoredFile,
  type StoredUpload,
} from 'nestjs-storages';
import { config } from './gallery.config.js';

@Controller('photos')
export class PhotosController {
  constructor(@InjectStorage('photos') private readonly photos: Storage) {}

  @Post()
  @UseInterceptors(
    StorageFilesInterceptor('photo', 20, {
      storage: 'photos',
      accept: config.accept,
      maxSize: config.maxSize,
      // Under its random key, a photo never changes.
      cacheControl: 'private, max-age=31536000, immutable',
    }),
  )
  add(@UploadedFiles(new ParseFilePipe()) uploads: StoredUpload[]): StoredFile | StoredFile[] {
    const photos = uploads.map((upload) => upload.stored);
    return photos.length > 1 ? photos : photos[0]!;
  }

  @Get()
  async list(): Promise<StoredFile[]> {
    const photos: StoredFile[] = [];
    for await (const photo of this.photos.list()) {
      // Not every backend lists the content type, but each key ends in the type's extension.
      photos.push({ contentType: contentTypeOf(photo.key), ...photo });
    }
    return photos.sort((a, b) => Number(b.lastModified) - Number(a.lastModified));
  }

  @Get(':key')
  show(@Param('key') key: string, @Query('download') download?: string): ServedFile {
    return new ServedFile(this.photos, key, {
      disposition: download === undefined ? 'inline' : 'attachment',
    });
  }

  @Delete(':key')
  @HttpCode(204)
  async remove(@Param('key') key: string): Promise<void> {
    await this.photos.delete(key);
  }
}
