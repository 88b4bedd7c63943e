import { Controller, Get, Header, Param, type StreamableFile, UseGuards } from '@nestjs/common';
import { PageFiles, pagePolicy } from '../../look/page-files.js';
import { OwnerGuard } from './owner.guard.js';

const files = new PageFiles(new URL('../public/', import.meta.url), [
  'index.html',
  'style.css',
  'video.js',
]);
const POLICY = pagePolicy();

@Controller()
@UseGuards(OwnerGuard)
export class PageController {
  @Get()
  @Header('Content-Security-Policy', POLICY)
  index(): StreamableFile {
    return files.open('index.html');
  }

  @Get(':name')
  @Header('Content-Security-Policy', POLICY)
  @Header('X-Content-Type-Options', 'nosniff')
  asset(@Param('name') name: string): StreamableFile {
    return files.open(name);
  }
}
