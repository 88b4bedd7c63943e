import { createReadStream } from 'node:fs';
import {
  Controller,
  Get,
  Header,
  NotFoundException,
  Param,
  StreamableFile,
  UseGuards,
} from '@nestjs/common';
import { OwnerGuard } from './owner.guard.js';

const PAGE = new URL('../public/', import.meta.url);
/** What the pages of all samples share. */
const LOOK = new URL('../../look/', import.meta.url);
const ASSETS = new Map([
  ['index.html', { folder: PAGE, type: 'text/html; charset=utf-8' }],
  ['style.css', { folder: PAGE, type: 'text/css; charset=utf-8' }],
  ['video.js', { folder: PAGE, type: 'text/javascript; charset=utf-8' }],
  ['look.css', { folder: LOOK, type: 'text/css; charset=utf-8' }],
  ['icon.svg', { folder: LOOK, type: 'image/svg+xml' }],
]);
const POLICY = [
  "default-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

@Controller()
@UseGuards(OwnerGuard)
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
    const asset = ASSETS.get(name);
    if (!asset) throw new NotFoundException();
    const { folder, type } = asset;
    return new StreamableFile(createReadStream(new URL(name, folder)), { type });
  }
}
