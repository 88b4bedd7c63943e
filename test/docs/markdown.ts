import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

export const repository = join(import.meta.dirname, '../..');

/** A fenced block of code. */
export interface Block {
  /** Path of the page from the repository's root. */
  readonly page: string;
  /** Line of the page on which the code starts, from 1. */
  readonly line: number;
  /** The info string: a language, and words after it. */
  readonly info: string;
  readonly code: string;
}

/** Every page for readers: those at the top and those below `docs`. */
export async function markdownPages(): Promise<string[]> {
  const top = await readdir(repository);
  const docs = await readdir(join(repository, 'docs'), { recursive: true, withFileTypes: true });
  return [
    ...top,
    ...docs.map((entry) => relative(repository, join(entry.parentPath, entry.name))),
  ].filter((path) => path.endsWith('.md'));
}

export function readPage(page: string): Promise<string> {
  return readFile(join(repository, page), 'utf8');
}

export async function codeBlocks(): Promise<Block[]> {
  const pages = await Promise.all(
    (await markdownPages()).map(async (page) => blocksOf(page, await readPage(page))),
  );
  return pages.flat();
}

function blocksOf(page: string, text: string): Block[] {
  return [...text.matchAll(/^```([^\n`]+)\n(.*?)^```$/gms)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length + 1,
    info: match[1]!.trim(),
    code: match[2]!,
  }));
}

/** The text without its code, in which a `[…](…)` is no link and a `#` no heading. */
export function proseOf(text: string): string {
  return text
    .replace(/^```.*?^```$/gms, '')
    .replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()]/g, ''));
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(text: string): string[] {
  const headings = text.replace(/^```.*?^```$/gms, '').matchAll(/^#{1,6} (.+)$/gm);
  return [...headings].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}
