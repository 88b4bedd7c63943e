import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { anchorsOf, markdownPages, proseOf, readPage, repository } from './markdown.js';

const pages = await markdownPages();

test.each(pages)('the relative links of %s lead somewhere', async (page) => {
  const text = await readPage(page);
  const broken: string[] = [];
  for (const [, target] of proseOf(text).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target!)) continue;
    const [path, anchor] = target!.split('#');
    const file = path === '' ? page : join(dirname(page), path!);
    const found = existsSync(join(repository, file));
    const named = !found || !anchor || anchorsOf(await readPage(file)).includes(anchor);
    if (!found || !named) broken.push(target!);
  }
  expect(broken).toEqual([]);
});

test('every page of docs is in its table of contents, to which the README leads', async () => {
  expect(await readPage('README.md')).toContain('(docs/README.md)');
  const contents = await readPage('docs/README.md');
  const missing = pages
    .filter((page) => page.startsWith('docs/') && page !== 'docs/README.md')
    .filter((page) => !contents.includes(`(${relative('docs', page)})`));
  expect(missing).toEqual([]);
});

test('the npm scripts that the pages name exist', async () => {
  const { scripts } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const texts = await Promise.all(pages.map(async (page) => [page, await readPage(page)] as const));
  const named = texts.flatMap(([page, text]) =>
    [...text.matchAll(/\bnpm (?:run ([\w:-]+)|(test|start)\b)/g)].map((match) => ({
      page,
      script: match[1] ?? match[2]!,
    })),
  );
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter(({ script }) => !(script in scripts))).toEqual([]);
});
