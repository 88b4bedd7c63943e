import {
  Controller,
  Get,
  Param,
  ParseFilePipe,
  Post,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import {
  InjectStorage,
  ServedFile,
  Storage,
  StorageFileInterceptor,
  type StoredFile,
  type StoredUpload,
} from 'nestjs-storages';

@Controller('photos')
export class PhotosController {
  constructor(@InjectStorage('photos') private readonly photos: Storage) {}

  @Post()
  @UseInterceptors(
    StorageFileInterceptor('photo', { storage: 'photos', accept: ['image/*'], maxSize: '10mb' }),
  )
  add(@UploadedFile(new ParseFilePipe()) photo: StoredUpload): StoredFile {
    return photo.stored;
  }

  @Get(':key')
  show(@Param('key') key: string): ServedFile {
    return new ServedFile(this.photos, key);
  }
}
