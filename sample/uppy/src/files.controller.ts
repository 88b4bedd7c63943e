import { Controller, Get, Param } from '@nestjs/common';
import { InjectStorage, ServedFile, Storage, type StoredFile } from 'nestjs-storages';

@Controller('files')
export class FilesController {
  constructor(@InjectStorage('files') private readonly files: Storage) {}

  @Get()
  async list(): Promise<StoredFile[]> {
    const files: StoredFile[] = [];
    for await (const { key } of this.files.list('', { limit: 100 })) {
      files.push(await this.files.info(key));
    }
    return files.sort((a, b) => Number(b.lastModified) - Number(a.lastModified));
  }

  @Get(':key')
  show(@Param('key') key: string): ServedFile {
    return new ServedFile(this.files, key, { disposition: 'attachment' });
  }
}
