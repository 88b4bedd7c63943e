import { createReadStream } from 'node:fs';
import { Controller, Get, Header, NotFoundException, Param, StreamableFile } from '@nestjs/common';
import { config } from './gallery.config.js';

const FOLDER = new URL('../public/', import.meta.url);
const TYPES = new Map([
  ['index.html', 'text/html; charset=utf-8'],
  ['style.css', 'text/css; charset=utf-8'],
  ['gallery.js', 'text/javascript; charset=utf-8'],
  ['icon.svg', 'image/svg+xml'],
]);
const POLICY = [
  "default-src 'self'",
  "img-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The page, and what it has to know. */
@Controller()
export class PageController {
  @Get()
  @Header('Content-Security-Policy', POLICY)
  index(): StreamableFile {
    return this.asset('index.html');
  }

  @Get('limits')
  limits(): { maxSize: number; accept: string[] } {
    return { maxSize: config.maxSize, accept: config.accept };
  }

  @Get(':name')
  @Header('Content-Security-Policy', POLICY)
  @Header('X-Content-Type-Options', 'nosniff')
  asset(@Param('name') name: string): StreamableFile {
    const type = TYPES.get(name);
    if (!type) throw new NotFoundException();
    return new StreamableFile(createReadStream(new URL(name, FOLDER)), { type });
  }
}
