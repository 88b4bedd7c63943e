import { Controller, ParseFilePipe, Post, UploadedFile, UseInterceptors } from '@nestjs/common';
import { StorageFileInterceptor, type StoredFile, type StoredUpload } from 'nestjs-storages';
import { clamd } from './clamd.js';

@Controller('documents')
export class DocumentsController {
  @Post()
  @UseInterceptors(
    StorageFileInterceptor('document', {
      maxSize: '25mb',
      minSize: 1,
      scan: clamd({ port: Number(process.env['CLAMD_PORT'] ?? 3310) }),
    }),
  )
  add(@UploadedFile(new ParseFilePipe()) document: StoredUpload): StoredFile {
    return document.stored;
  }
}
