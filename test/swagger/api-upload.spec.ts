import {
  All,
  Body,
  Controller,
  Get,
  HttpCode,
  ParseFilePipe,
  Patch,
  Post,
  Put,
  Query,
  UploadedFile,
  UploadedFiles,
  UseInterceptors,
} from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import { ApiBody, ApiProperty, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { Test } from '@nestjs/testing';
import {
  StorageAnyFilesInterceptor,
  StorageFileFieldsInterceptor,
  StorageFileInterceptor,
  StorageFilesInterceptor,
  StorageModule,
  type StoredUpload,
} from '../../lib/index.js';
import { closeApps, startApp } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { ApiUpload } from '../../lib/uploads/api-upload.decorator.js';

const file = { type: 'string', format: 'binary' };
const files = { type: 'array', items: file };

class Caption {
  @ApiProperty()
  title!: string;

  @ApiProperty({ required: false })
  author?: string;
}

class Base {
  @Post('inherited')
  @UseInterceptors(StorageFileInterceptor('photo'))
  inherited(): void {}
}

@Controller()
class PhotosController extends Base {
  @Post('one')
  @UseInterceptors(StorageFileInterceptor('photo'))
  one(): void {}

  @Post('several')
  @UseInterceptors(StorageFilesInterceptor('photo', 3))
  several(): void {}

  @Put('fields')
  @UseInterceptors(StorageFileFieldsInterceptor([{ name: 'avatar', maxCount: 1 }, { name: 'cv' }]))
  fields(): void {}

  @Post('any')
  @UseInterceptors(StorageAnyFilesInterceptor())
  any(): void {}

  @Post('with-policy')
  @UseInterceptors(StorageFileInterceptor('photo', () => ({})))
  withPolicy(): void {}

  @Post('with-text')
  @UseInterceptors(StorageFileInterceptor('photo'))
  withText(
    @Body('title') _title: string,
    @Query('page') _page: string,
    @Body('rank') _rank: number,
    @Body('draft') _draft: boolean,
    @Body('more') _more: unknown,
  ): void {}

  @Post('with-list')
  @UseInterceptors(StorageFileInterceptor('photo'))
  withList(@Body() _list: string[]): void {}

  @Post('with-whole-text')
  @UseInterceptors(StorageFileInterceptor('photo'))
  withWholeText(@Body() _text: string): void {}

  @Patch('with-both')
  @ApiUpload({ files: 'any', required: ['title', 'photo'] })
  @UseInterceptors(StorageFileInterceptor('photo'))
  withBoth(@Body('title') _title: string, @Body() _caption: Caption): void {}

  @Post('demanded')
  @UseInterceptors(StorageFileInterceptor('photo'))
  demanded(
    @UploadedFile(new ParseFilePipe()) _photo: StoredUpload,
    @Body('title') _t: string,
  ): void {}

  @Post('demanded-list')
  @UseInterceptors(StorageFilesInterceptor('photo'))
  demandedList(@UploadedFiles(ParseFilePipe) _photos: StoredUpload[]): void {}

  @Post('not-demanded')
  @UseInterceptors(StorageFileInterceptor('photo'))
  notDemanded(
    @UploadedFile(new ParseFilePipe({ fileIsRequired: false })) _photo?: StoredUpload,
  ): void {}

  @Post('demanded-of-two')
  @UseInterceptors(StorageFileFieldsInterceptor([{ name: 'avatar' }, { name: 'cv' }]))
  demandedOfTwo(@UploadedFiles(new ParseFilePipe()) _files: object): void {}

  @Post('demanded-of-any')
  @UseInterceptors(StorageAnyFilesInterceptor())
  demandedOfAny(@UploadedFiles(new ParseFilePipe()) _files: StoredUpload[]): void {}

  @Post('with-model')
  @UseInterceptors(StorageFileInterceptor('photo'))
  withModel(@Body() _caption: Caption): void {}

  @Post('with-record')
  @UseInterceptors(StorageFileInterceptor('photo'))
  withRecord(@Body() _caption: Record<string, string>): void {}

  @Post('described')
  @ApiUpload({
    description: 'A photo with a caption',
    fields: { caption: { type: 'string', maxLength: 80 } },
    required: ['photo'],
  })
  @UseInterceptors(StorageFileInterceptor('photo'))
  described(): void {}

  @Post('by-hand')
  @ApiBody({ description: 'by hand', schema: { type: 'object' } })
  @UseInterceptors(StorageFileInterceptor('photo'))
  byHand(): void {}

  @Post('engine')
  @ApiUpload({ files: { photo: 'file' } })
  @UseInterceptors(FileInterceptor('photo'))
  engine(): void {}

  @Post('no-form')
  noForm(@Body() _caption: Caption): void {}
}

@Controller('all')
@UseInterceptors(StorageFileInterceptor('document'))
class DocumentsController {
  @Post()
  add(): void {}

  @Get()
  list(): void {}
}

class Resource {
  readonly kind: string = 'none';

  @Get('first')
  first(): string {
    return this.kind;
  }

  @Post()
  @HttpCode(202)
  add(@Body('title') title: string): object {
    return { kind: this.kind, title };
  }

  @All(':other')
  other(): string {
    return 'other';
  }
}

@Controller('avatars')
@UseInterceptors(StorageFileInterceptor('avatar'))
class AvatarsController extends Resource {
  override readonly kind = 'avatar';
}

@Controller('letters')
@UseInterceptors(StorageFilesInterceptor('letter'))
class LettersController extends Resource {
  override readonly kind = 'letter';
}

@Controller('notes')
class NotesController extends Resource {}

const controllers = [
  PhotosController,
  DocumentsController,
  AvatarsController,
  LettersController,
  NotesController,
];

const imports = [StorageModule.forRoot({ storages: { photos: { driver: 'memory' } } })];

async function paths(): Promise<any> {
  const module = await Test.createTestingModule({ imports, controllers }).compile();
  const app = module.createNestApplication();
  // As apps do: before the app is initialised.
  const document = SwaggerModule.createDocument(app, new DocumentBuilder().build());
  await app.close();
  return document;
}

describe('the description of the API', () => {
  afterEach(closeApps);

  let document: any;

  beforeAll(async () => {
    document = await paths();
  });

  const bodyOf = (path: string, method = 'post'): any => document.paths[path][method].requestBody;
  const schemaOf = (path: string, method?: string): any =>
    bodyOf(path, method).content['multipart/form-data'].schema;

  test.each([
    ['/one', 'post', { photo: file }],
    ['/several', 'post', { photo: files }],
    ['/fields', 'put', { avatar: file, cv: files }],
    ['/with-policy', 'post', { photo: file }],
    ['/with-record', 'post', { photo: file }],
    ['/with-list', 'post', { photo: file }],
    ['/with-whole-text', 'post', { photo: file }],
    ['/inherited', 'post', { photo: file }],
    ['/engine', 'post', { photo: file }],
    ['/all', 'post', { document: file }],
  ])('%s has the fields of its form, as binary', (path, method, properties) => {
    expect(Object.keys(bodyOf(path, method).content)).toEqual(['multipart/form-data']);
    expect(schemaOf(path, method)).toEqual({ type: 'object', properties });
  });

  test('fields of any name are described as such', () => {
    expect(schemaOf('/any')).toEqual({
      type: 'object',
      properties: {},
      additionalProperties: files,
    });
  });

  test('text fields that are parameters of the handler are there', () => {
    expect(schemaOf('/with-text')).toEqual({
      type: 'object',
      properties: {
        title: { type: 'string' },
        rank: { type: 'number' },
        draft: { type: 'boolean' },
        more: { type: 'string' },
        photo: file,
      },
      required: ['title', 'rank', 'draft', 'more'],
    });
    expect(document.paths['/with-text'].post.parameters).toMatchObject([
      { in: 'query', name: 'page' },
    ]);
  });

  test.each([
    ['/demanded', ['title', 'photo']],
    ['/demanded-list', ['photo']],
    ['/not-demanded', undefined],
    ['/demanded-of-two', undefined],
    ['/demanded-of-any', undefined],
  ])('%s requires the file that a ParseFilePipe demands', (path, required) => {
    expect(schemaOf(path).required).toEqual(required);
  });

  test('the class of the body is referred to, and described', () => {
    expect(schemaOf('/with-model')).toEqual({
      allOf: [
        { $ref: '#/components/schemas/Caption' },
        { type: 'object', properties: { photo: file } },
      ],
    });
    expect(document.components.schemas.Caption.required).toEqual(['title']);
    expect(schemaOf('/with-both', 'patch')).toEqual({
      allOf: [
        { $ref: '#/components/schemas/Caption' },
        {
          type: 'object',
          properties: { title: { type: 'string' } },
          additionalProperties: files,
          required: ['title', 'photo'],
        },
      ],
    });
  });

  test('@ApiUpload() adds to what the interceptor says', () => {
    expect(bodyOf('/described').description).toBe('A photo with a caption');
    expect(schemaOf('/described')).toEqual({
      type: 'object',
      properties: { caption: { type: 'string', maxLength: 80 }, photo: file },
      required: ['photo'],
    });
  });

  test('a handler that is inherited keeps its name, and tells how many parameters it has', () => {
    const { prototype } = AvatarsController;
    expect(Object.hasOwn(prototype, 'add')).toBe(true);
    expect([prototype.add.name, prototype.add.length]).toEqual(['add', 1]);
    expect(Object.keys(prototype)).toEqual([]);
    expect(Object.hasOwn(NotesController.prototype, 'add')).toBe(false);
  });

  test('@ApiBody() goes before', () => {
    expect(bodyOf('/by-hand').description).toBe('by hand');
    expect(document.paths['/by-hand'].post.requestBody.content).not.toHaveProperty(
      'multipart/form-data.schema.properties',
    );
  });

  test('handlers without a form are left alone', () => {
    expect(Object.keys(bodyOf('/no-form').content)).toEqual(['application/json']);
    expect(document.paths['/all'].get).not.toHaveProperty('requestBody');
  });

  test('a handler that several controllers inherit is described for each, and works as before', async () => {
    const title = { type: 'string' };
    expect(schemaOf('/avatars').properties).toEqual({ title, avatar: file });
    expect(schemaOf('/letters').properties).toEqual({ title, letter: files });
    expect(document.paths['/notes'].post.requestBody).toBeUndefined();
    const { port } = await startApp({ imports, controllers });
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ title: 'x' });
    for (const [path, kind] of [
      ['/avatars', 'avatar'],
      ['/letters', 'letter'],
      ['/notes', 'none'],
    ] as const) {
      const answer = await send(port, path, { method: 'POST', headers, body });
      expect(answer).toMatchObject({ status: 202, json: { kind, title: 'x' } });
      expect((await send(port, `${path}/first`)).text).toBe(kind);
    }
  });

  test('a second app with the same controllers is described alike', async () => {
    expect(await paths()).toEqual(document);
  });
});
