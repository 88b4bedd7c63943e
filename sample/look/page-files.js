import { createReadStream } from 'node:fs';
import { NotFoundException, StreamableFile } from '@nestjs/common';

const LOOK = new URL('./', import.meta.url);
const SHARED = ['look.css', 'uploads.css', 'icon.svg', 'drop.js'];
const TYPES = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

export class PageFiles {
  #files;

  constructor(folder, names) {
    const own = names.map((name) => [name, new URL(name, folder)]);
    const shared = SHARED.map((name) => [name, new URL(name, LOOK)]);
    this.#files = new Map([...own, ...shared]);
  }

  open(name) {
    const file = this.#files.get(name);
    if (!file) throw new NotFoundException();
    const type = TYPES[name.slice(name.lastIndexOf('.') + 1)];
    return new StreamableFile(createReadStream(file), { type });
  }
}

export function pagePolicy(...directives) {
  return [
    "default-src 'self'",
    ...directives,
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
