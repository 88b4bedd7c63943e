import type { StreamableFile } from '@nestjs/common';

// JavaScript, so that each sample is compiled from its own folder alone.

/** The files of a page: its own by name, and those that the pages of all samples share. There are no others. */
export class PageFiles {
  constructor(folder: URL, names: readonly string[]);

  /** @throws NotFoundException when it is none of them */
  open(name: string): StreamableFile;
}

/** The Content-Security-Policy of a page that loads everything from its app, and what else the directives say. */
export function pagePolicy(...directives: string[]): string;
