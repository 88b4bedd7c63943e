import { ConflictException, Injectable, NotFoundException } from '@nestjs/common';
import type { Picture } from './pictures.js';

export interface Author {
  readonly id: string;
  readonly name: string;
  readonly photo?: Picture;
}

export interface Book {
  /** ISBN-13, digits only. */
  readonly isbn: string;
  readonly title: string;
  readonly authorId: string;
  readonly cover?: Picture;
}

/** Books and their authors, until the process ends. An app has them in its database: sample/todo-attachments shows how. */
@Injectable()
export class Library {
  readonly #authors = new Map<string, Author>();
  readonly #books = new Map<string, Book>();

  get authors(): Author[] {
    return [...this.#authors.values()];
  }

  get books(): Book[] {
    return [...this.#books.values()];
  }

  addAuthor(author: Author): Author {
    this.#authors.set(author.id, author);
    return author;
  }

  /** @throws ConflictException when the book is there already */
  addBook(book: Book): Book {
    this.author(book.authorId);
    if (this.#books.has(book.isbn)) throw new ConflictException(`There is a book ${book.isbn}`);
    this.#books.set(book.isbn, book);
    return book;
  }

  /** @returns the cover that the book had */
  changeCover(isbn: string, cover: Picture): Picture | undefined {
    const book = this.book(isbn);
    this.#books.set(isbn, { ...book, cover });
    return book.cover;
  }

  /** @throws NotFoundException */
  author(id: string): Author {
    const author = this.#authors.get(id);
    if (!author) throw new NotFoundException(`There is no author ${id}`);
    return author;
  }

  /** @throws NotFoundException */
  book(isbn: string): Book {
    const book = this.#books.get(isbn);
    if (!book) throw new NotFoundException(`There is no book ${isbn}`);
    return book;
  }

  /** @throws ConflictException while there is a book of the author */
  removeAuthor(id: string): Author {
    const author = this.author(id);
    if (this.books.some(({ authorId }) => authorId === id)) {
      throw new ConflictException(`There are books of ${author.name}`);
    }
    this.#authors.delete(id);
    return author;
  }

  removeBook(isbn: string): Book {
    const book = this.book(isbn);
    this.#books.delete(isbn);
    return book;
  }
}
