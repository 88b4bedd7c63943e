import { Controller, Get, type INestApplication, Param, Query, Res } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { InjectStorage, ServedFile, Storage, StorageModule } from '../../lib/index.js';
import { getStorageToken } from '../../lib/index.js';
import { startApp } from '../nest/app-fixture.js';
import type { ADAPTERS } from '../serving/adapters.js';
import { REACHED } from './hostile-files.js';

@Controller()
class PagesController {
  constructor(@InjectStorage() private readonly files: Storage) {}

  /** A page of the app itself, with whatever markup. */
  @Get('host')
  host(@Query('body') body: string, @Res() response: Framework): void {
    answer(response, 'text/html; charset=utf-8', `<!doctype html><title>host</title>${body}`);
  }

  @Get('files/:key')
  show(@Param('key') key: string, @Query('save') filename?: string): ServedFile {
    return new ServedFile(
      this.files,
      key,
      filename === undefined ? {} : { filename, disposition: 'attachment' },
    );
  }

  /** Everything that can run is shown. */
  @Get('shown/:key')
  shown(@Param('key') key: string): ServedFile {
    return new ServedFile(this.files, key, {
      dangerouslyAllowInline: [
        'text/html',
        'image/svg+xml',
        'application/xhtml+xml',
        'application/xml',
        'text/xml',
        'application/atom+xml',
        'video/x+xml',
        'multipart/related',
        'application/octet-stream',
        'text/javascript',
      ],
    });
  }

  /** As apps serve files that use no `ServedFile`: the type as it is stored, and nothing else. */
  @Get('unprotected/:key')
  async unprotected(@Param('key') key: string, @Res() response: Framework): Promise<void> {
    const download = await this.files.get(key);
    answer(response, download.file.contentType!, await download.text());
  }
}

type Framework = ServerResponse | { readonly raw: ServerResponse; hijack(): void };

function answer(response: Framework, contentType: string, body: string): void {
  if ('hijack' in response) response.hijack();
  const raw = 'raw' in response ? response.raw : response;
  raw.writeHead(200, { 'Content-Type': contentType });
  raw.end(body);
}

/** A request that was answered. */
interface Exchange {
  readonly path: string;
  readonly range: string | undefined;
  readonly status: number;
}

export interface ServingApp {
  readonly url: string;
  readonly storage: Storage;
  readonly exchanges: Exchange[];
  /** Whether any script ran. */
  reached(): boolean;
}

export async function startServingApp(adapter: (typeof ADAPTERS)[number][1]): Promise<ServingApp> {
  const exchanges: Exchange[] = [];
  const { app, port } = await startApp(
    {
      controllers: [PagesController],
      imports: [StorageModule.forRoot({ storages: { files: { driver: 'memory' } } })],
    },
    { adapter: adapter(), configure: (started) => note(started, exchanges) },
  );
  return {
    url: `http://127.0.0.1:${port}`,
    storage: app.get<Storage>(getStorageToken()),
    exchanges,
    reached: () => exchanges.some(({ path }) => path === REACHED),
  };
}

function note(app: INestApplication, exchanges: Exchange[]): void {
  app.use((request: Request, response: ServerResponse, next: () => void) => {
    const path = request.originalUrl ?? request.url;
    const { range } = request.headers;
    response.once('close', () => exchanges.push({ path, range, status: response.statusCode }));
    next();
  });
}

interface Request {
  readonly url: string;
  readonly originalUrl?: string;
  readonly headers: { readonly range?: string };
}
