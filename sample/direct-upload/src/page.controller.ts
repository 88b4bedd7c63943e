import { Controller, Get, Header, Param, type StreamableFile } from '@nestjs/common';
import { PageFiles, pagePolicy } from '../../look/page-files.js';

const files = new PageFiles(new URL('../public/', import.meta.url), ['index.html', 'upload.js']);
const POLICY = pagePolicy(
  // The page sends files to wherever the storage is.
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
);

@Controller()
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
