import { BadRequestException } from '@nestjs/common';

/** @throws BadRequestException when the field of the form is not there, or empty */
export function textOf(form: Record<string, unknown>, field: string): string {
  const text = form[field];
  if (typeof text !== 'string' || text.trim() === '') {
    throw new BadRequestException(`${field} must be a text that is not empty`);
  }
  return text.trim();
}

/**
 * The digits of an ISBN-13 (ISO 2108).
 *
 * @throws BadRequestException when its check digit is another
 */
export function isbnOf(form: Record<string, unknown>): string {
  const isbn = textOf(form, 'isbn').replace(/[- ]/g, '');
  const sum = Array.from(isbn, (digit, at) => Number(digit) * (at % 2 ? 3 : 1)).reduce(plus, 0);
  if (!/^97[89]\d{10}$/.test(isbn) || sum % 10 !== 0) {
    throw new BadRequestException('isbn must be an ISBN of 13 digits, such as 978-0-306-40615-7');
  }
  return isbn;
}

function plus(a: number, b: number): number {
  return a + b;
}
