import {
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseFilePipe,
  Post,
  UploadedFile,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import {
  ServedFile,
  StorageFileInterceptor,
  type StoredFile,
  type StoredUpload,
} from 'nestjs-storages';
import { TenantFiles } from './tenant-files.js';
import { TenantUploads } from './tenant-uploads.js';
import { TenantGuard } from './tenant.guard.js';

@Controller('files')
@UseGuards(TenantGuard)
export class FilesController {
  constructor(private readonly files: TenantFiles) {}

  @Post()
  @UseInterceptors(StorageFileInterceptor('file', TenantUploads))
  async add(@UploadedFile(new ParseFilePipe()) file: StoredUpload): Promise<StoredFile> {
    // Once more, with the file among the others. Of two that came at the same time at least one sees both, and what
    // is refused here is removed: together they never stay beyond the quota.
    await this.files.assertQuota();
    return this.files.own(file.stored);
  }

  @Get()
  async list(): Promise<{ used: number; quota: number; files: readonly StoredFile[] }> {
    const { files } = await this.files.storage.listPage({ limit: 100 });
    return { used: await this.files.used(), quota: this.files.tenant.quota, files };
  }

  @Get(':key')
  show(@Param('key') key: string): ServedFile {
    return new ServedFile(this.files.storage, key);
  }

  @Delete(':key')
  @HttpCode(204)
  async remove(@Param('key') key: string): Promise<void> {
    await this.files.storage.delete(key);
  }
}
