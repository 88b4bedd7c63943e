import { createReadStream } from 'node:fs';
import { Controller, Get, Header, NotFoundException, Param, StreamableFile } from '@nestjs/common';

const FOLDER = new URL('../public/', import.meta.url);
const TYPES = new Map([
  ['index.html', 'text/html; charset=utf-8'],
  ['style.css', 'text/css; charset=utf-8'],
  ['upload.js', 'text/javascript; charset=utf-8'],
]);
const POLICY = [
  "default-src 'self'",
  // The page sends files to wherever the storage is.
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

@Controller()
export class PageController {
  @Get()
  @Header('Content-Security-Policy', POLICY)
  index(): StreamableFile {
    return this.asset('index.html');
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
