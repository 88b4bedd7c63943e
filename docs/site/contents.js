import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The root of the repository. */
export const root = join(import.meta.dirname, '../..');

/**
 * The pages in the order in which docs/README.md names them, each with the heading under which it stands there.
 *
 * @type {readonly { readonly page: string; readonly chapter: string }[]}
 */
export const contents = readContents(readFileSync(join(root, 'docs/README.md'), 'utf8'));

/** @param {string} text */
function readContents(text) {
  const pages = [];
  let chapter = '';
  for (const line of text.split('\n')) {
    chapter = /^## (.+)$/.exec(line)?.[1] ?? chapter;
    for (const [, target] of line.matchAll(/\]\(([^)#:]+\.md)\)/g)) {
      pages.push({ page: join('docs', target), chapter });
    }
  }
  return pages;
}
