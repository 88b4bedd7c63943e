import {
  BadRequestException,
  Body,
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
  InjectStorage,
  ServedFile,
  Storage,
  StorageFileInterceptor,
  type StoredFile,
  type StoredUpload,
} from 'nestjs-storages';
import { OwnerGuard } from './owner.guard.js';
import { config } from './video.config.js';

/** How long a private link may live, in seconds. */
const LIFETIMES = new Map([
  ['15m', 15 * 60],
  ['1d', 24 * 60 * 60],
  ['7d', 7 * 24 * 60 * 60],
]);

@Controller('videos')
@UseGuards(OwnerGuard)
export class VideosController {
  constructor(@InjectStorage('videos') private readonly videos: Storage) {}

  @Post()
  @UseInterceptors(
    StorageFileInterceptor('video', {
      storage: 'videos',
      accept: ['video/*'],
      maxSize: config.maxSize,
    }),
  )
  add(@UploadedFile(new ParseFilePipe()) video: StoredUpload): StoredFile {
    return video.stored;
  }

  @Get()
  async list(): Promise<StoredFile[]> {
    const videos: StoredFile[] = [];
    for await (const { key } of this.videos.list('', { limit: 100 })) {
      videos.push(await this.videos.info(key));
    }
    return videos.sort((a, b) => Number(b.lastModified) - Number(a.lastModified));
  }

  /** What the player asks for, in ranges: to seek, it reads from where it wants to go on. */
  @Get(':key')
  show(@Param('key') key: string): ServedFile {
    return new ServedFile(this.videos, key);
  }

  /** A link that plays the video for whoever has it, until its time is over. */
  @Post(':key/links')
  async link(
    @Param('key') key: string,
    @Body('lifetime') lifetime = '15m',
  ): Promise<{ url: string; expiresAt: Date }> {
    const expiresIn = LIFETIMES.get(lifetime);
    if (expiresIn === undefined) {
      throw new BadRequestException(`lifetime must be one of ${[...LIFETIMES.keys()].join(', ')}`);
    }
    // Any key can be signed: one of a video that is not there is told to the owner, not to a friend.
    await this.videos.info(key);
    const expiresAt = new Date(Date.now() + expiresIn * 1000);
    return { url: await this.videos.url(key, { expiresIn, disposition: 'inline' }), expiresAt };
  }

  @Delete(':key')
  @HttpCode(204)
  async remove(@Param('key') key: string): Promise<void> {
    await this.videos.delete(key);
  }
}
