// Takes files of any type, as large as the default `maxSize`: 10 MiB.
import 'reflect-metadata';
import {
  Controller,
  Get,
  Module,
  Param,
  ParseFilePipe,
  Post,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  InjectStorage,
  ServedFile,
  Storage,
  StorageFileInterceptor,
  StorageModule,
  type StoredUpload,
} from 'nestjs-storages';

@Controller('files')
class FilesController {
  constructor(@InjectStorage() private readonly files: Storage) {}

  @Post()
  @UseInterceptors(StorageFileInterceptor('file'))
  add(@UploadedFile(new ParseFilePipe()) file: StoredUpload) {
    return file.stored;
  }

  @Get()
  list() {
    return this.files.listPage({ limit: 100 });
  }

  @Get(':key')
  show(@Param('key') key: string) {
    return new ServedFile(this.files, key);
  }
}

@Module({
  imports: [StorageModule.forRoot({ storages: { files: { driver: 'local', root: 'var/files' } } })],
  controllers: [FilesController],
})
class AppModule {}

export const app = await NestFactory.create(AppModule);
await app.listen(process.env['PORT'] ?? 3000, process.env['HOST'] ?? '127.0.0.1');
console.log(`Try: curl -F file=@a.png ${await app.getUrl()}/files`);
