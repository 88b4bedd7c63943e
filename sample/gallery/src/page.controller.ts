import { Controller, Get, Header, Param, type StreamableFile } from '@nestjs/common';
import { PageFiles, pagePolicy } from '../../look/page-files.js';
import { config } from './gallery.config.js';

const files = new PageFiles(new URL('../public/', import.meta.url), [
  'index.html',
  'style.css',
  'gallery.js',
]);
const POLICY = pagePolicy("img-src 'self' blob:");

/** The page, and what it has to know. */
@Controller()
export class PageController {
  @Get()
  @Header('Content-Security-Policy', POLICY)
  index(): StreamableFile {
    return files.open('index.html');
  }

  @Get('limits')
  limits(): { maxSize: number; accept: string[] } {
    return { maxSize: config.maxSize, accept: config.accept };
  }

  @Get(':name')
  @Header('Content-Security-Policy', POLICY)
  @Header('X-Content-Type-Options', 'nosniff')
  asset(@Param('name') name: string): StreamableFile {
    return files.open(name);
  }
}
