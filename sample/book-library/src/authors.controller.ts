import { randomUUID } from 'node:crypto';
import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { type ServedFile, StorageFileInterceptor, type StoredUpload } from 'nestjs-storages';
import { textOf } from './form-fields.js';
import { type Author, Library } from './library.js';
import { Photos } from './photos.js';
import { MOST_PIXELS } from './pictures.js';

const PhotoInterceptor = StorageFileInterceptor('photo', {
  storage: 'photos',
  accept: ['image/jpeg', 'image/png', 'image/webp'],
  maxSize: '5mb',
  image: { minWidth: 160, minHeight: 160, maxPixels: MOST_PIXELS },
});

@Controller('authors')
export class AuthorsController {
  constructor(
    private readonly library: Library,
    private readonly photos: Photos,
  ) {}

  @Post()
  @UseInterceptors(PhotoInterceptor)
  async add(
    @Body() form: Record<string, unknown>,
    @UploadedFile() upload: StoredUpload | undefined,
  ): Promise<Author> {
    const author = { id: randomUUID(), name: textOf(form, 'name') };
    if (!upload) return this.library.addAuthor(author);
    return this.photos.add(upload, (photo) => this.library.addAuthor({ ...author, photo }));
  }

  @Get()
  list(): Author[] {
    return this.library.authors;
  }

  @Get(':id/photo')
  photo(@Param('id') id: string): ServedFile {
    return this.photos.serve(this.library.author(id).photo, 'key');
  }

  @Get(':id/thumbnail')
  thumbnail(@Param('id') id: string): ServedFile {
    return this.photos.serve(this.library.author(id).photo, 'thumbnail');
  }

  @Delete(':id')
  @HttpCode(204)
  async remove(@Param('id') id: string): Promise<void> {
    await this.photos.remove(this.library.removeAuthor(id).photo);
  }
}
