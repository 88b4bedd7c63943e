import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseFilePipe,
  Post,
  Put,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { type ServedFile, StorageFileInterceptor, type StoredUpload } from 'nestjs-storages';
import { Covers } from './covers.js';
import { isbnOf, textOf } from './form-fields.js';
import { type Book, Library } from './library.js';
import { MOST_PIXELS } from './pictures.js';

const CoverInterceptor = StorageFileInterceptor('cover', {
  storage: 'covers',
  accept: ['image/jpeg', 'image/png', 'image/webp'],
  maxSize: '5mb',
  image: { minWidth: 240, minHeight: 320, maxPixels: MOST_PIXELS },
});

@Controller('books')
export class BooksController {
  constructor(
    private readonly library: Library,
    private readonly covers: Covers,
  ) {}

  @Post()
  @UseInterceptors(CoverInterceptor)
  async add(
    @Body() form: Record<string, unknown>,
    @UploadedFile() upload: StoredUpload | undefined,
  ): Promise<Book> {
    const authorId = textOf(form, 'author');
    const book = { isbn: isbnOf(form), title: textOf(form, 'title'), authorId };
    if (!upload) return this.library.addBook(book);
    return this.covers.add(upload, (cover) => this.library.addBook({ ...book, cover }));
  }

  @Get()
  list(): Book[] {
    return this.library.books;
  }

  @Put(':isbn/cover')
  @UseInterceptors(CoverInterceptor)
  async change(
    @Param('isbn') isbn: string,
    @UploadedFile(new ParseFilePipe()) upload: StoredUpload,
  ): Promise<Book> {
    const before = await this.covers.add(upload, (cover) => this.library.changeCover(isbn, cover));
    await this.covers.remove(before);
    return this.library.book(isbn);
  }

  @Get(':isbn/cover')
  cover(@Param('isbn') isbn: string): ServedFile {
    return this.covers.serve(this.library.book(isbn).cover, 'key');
  }

  @Get(':isbn/thumbnail')
  thumbnail(@Param('isbn') isbn: string): ServedFile {
    return this.covers.serve(this.library.book(isbn).cover, 'thumbnail');
  }

  @Delete(':isbn')
  @HttpCode(204)
  async remove(@Param('isbn') isbn: string): Promise<void> {
    await this.covers.remove(this.library.removeBook(isbn).cover);
  }
}
