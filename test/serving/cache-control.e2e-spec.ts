import { Controller, Get, Header, HttpException, Param } from '@nestjs/common';
import { InjectStorage, ServedFile, Storage } from '../../lib/index.js';
import { closeApps } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { ADAPTERS } from './adapters.js';
import { servingOn } from './serving-fixture.js';

afterEach(closeApps);

@Controller()
class CachesController {
  constructor(@InjectStorage() private readonly files: Storage) {}

  @Get('preset/:preset')
  preset(@Param('preset') preset: 'private'): ServedFile {
    return new ServedFile(this.files, 'a.txt', { cache: preset });
  }

  @Get('own')
  own(): ServedFile {
    return new ServedFile(this.files, 'a.txt', { cacheControl: 'public, max-age=60' });
  }

  @Get('decorated/:key')
  @Header('Cache-Control', 'public, max-age=31536000')
  @Header('Expires', 'Thu, 01 Jan 2099 00:00:00 GMT')
  decorated(@Param('key') key: string): ServedFile {
    return new ServedFile(this.files, key);
  }

  @Get('empty')
  @Header('Cache-Control', '')
  empty(): ServedFile {
    return new ServedFile(this.files, 'a.txt');
  }

  @Get('refused')
  refused(): never {
    throw new HttpException('no', 403);
  }
}

const controllers = [CachesController];

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  const serve = servingOn(adapter);

  test.each([
    ['private', 'private, no-store, no-transform'],
    ['immutable', 'public, max-age=31536000, immutable, no-transform'],
    ['revalidate', 'no-cache, no-transform'],
  ])('the preset %s is %s, for a file, a part of it and a 304', async (preset, cacheControl) => {
    const { port, put } = await serve(undefined, { controllers });
    const { etag } = await put('a.txt', '0123456789', { cacheControl: 'public, max-age=1' });
    for (const [headers, status] of [
      [{}, 200],
      [{ Range: 'bytes=0-1' }, 206],
      [{ 'If-None-Match': etag }, 304],
    ] as const) {
      const answer = await send(port, `/preset/${preset}`, { headers });
      expect(answer.status).toBe(status);
      expect(answer.headers['cache-control']).toBe(cacheControl);
    }
  });

  test('an empty value of the app is none, for a file and a part of it', async () => {
    const { port, put } = await serve(undefined, { controllers });
    await put('a.txt', '0123456789');
    for (const headers of [{}, { Range: 'bytes=0-1' }] as Record<string, string>[]) {
      const answer = await send(port, '/empty', { headers });
      expect(answer.headers['cache-control']).toBe('private, no-cache, no-transform');
    }
  });

  test('a value of the app is sent as it is, but no part of a file is ever compressed', async () => {
    const { port, put } = await serve(undefined, { controllers });
    await put('a.txt', '0123456789');
    expect((await send(port, '/own')).headers['cache-control']).toBe('public, max-age=60');
    const part = await send(port, '/own', { headers: { Range: 'bytes=0-1' } });
    expect(part.headers['cache-control']).toBe('public, max-age=60, no-transform');
  });

  test('an error is not kept for as long as the file would be', async () => {
    const { port, put } = await serve(undefined, { controllers });
    await put('a.txt', '0123456789');
    const found = await send(port, '/decorated/a.txt');
    expect(found.headers).toMatchObject({ 'cache-control': 'public, max-age=31536000' });
    for (const [path, headers, status] of [
      ['/decorated/missing', {}, 404],
      ['/decorated/a.txt', { Range: 'bytes=99-' }, 416],
      ['/decorated/a.txt', { 'If-Match': '"other"' }, 412],
    ] as const) {
      const answer = await send(port, path, { headers });
      expect(answer.status).toBe(status);
      expect(answer.headers).not.toHaveProperty('cache-control');
      expect(answer.headers).not.toHaveProperty('expires');
    }
  });
});
