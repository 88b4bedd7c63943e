import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { Test } from '@nestjs/testing';
import { openStorage, StoredFileDto, StoredFileWithMetadataDto } from '../../lib/index.js';

class GalleryDto extends StoredFileWithMetadataDto {}

@Controller()
class FilesController {
  @Get('one')
  @ApiOkResponse({ type: StoredFileDto })
  one(): void {}

  @Get('several')
  @ApiOkResponse({ type: [GalleryDto] })
  several(): void {}
}

describe('StoredFileDto', () => {
  test('is described for the API, without metadata and with them', async () => {
    const module = await Test.createTestingModule({ controllers: [FilesController] }).compile();
    const app = module.createNestApplication();
    const document: any = SwaggerModule.createDocument(app, new DocumentBuilder().build());
    await app.close();
    const { StoredFileDto: plain, GalleryDto: full } = document.components.schemas;
    expect(plain.required).toEqual(['key', 'size']);
    expect(plain.properties).toEqual({
      key: { type: 'string', description: 'The key under which the file is stored' },
      size: { type: 'integer', format: 'int64', minimum: 0, description: 'Bytes' },
      contentType: { type: 'string', description: 'Media type', example: 'image/png' },
      etag: { type: 'string', description: 'Strong validator, in quotes' },
      lastModified: { type: 'string', format: 'date-time' },
    });
    expect(full.properties).toEqual({
      ...plain.properties,
      metadata: { type: 'object', additionalProperties: { type: 'string' } },
    });
    expect(full.required).toEqual(['key', 'size', 'metadata']);
  });

  test('has what the description says, as JSON', async () => {
    await using storage = await openStorage('files', { driver: 'memory' });
    const file = await storage.put('a.txt', 'hello', { metadata: { owner: 'me' } });
    const { key, size, contentType, etag } = file;
    const lastModified = file.lastModified!.toISOString();
    const plain = { key, size, contentType, etag, lastModified };
    expect(JSON.parse(JSON.stringify(new StoredFileDto(file)))).toEqual(plain);
    const full = new StoredFileWithMetadataDto(file);
    expect(JSON.parse(JSON.stringify(full))).toEqual({ ...plain, metadata: { owner: 'me' } });
  });
});
