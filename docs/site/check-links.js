import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from './contents.js';

// Every link of the site that leads to a page, an anchor or a file of it. Where one leads that is on the internet is not looked at.
const site = join(root, 'dist-docs');
const files = readdirSync(site, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(site, join(entry.parentPath, entry.name)));
const pages = new Map(files.filter(isPage).map((file) => [file, readPage(file)]));

const broken = [...pages].flatMap(([page, { links }]) =>
  links.filter((link) => !resolves(page, link)).map((link) => `${page}: ${link}`),
);
const links = [...pages.values()].reduce((sum, page) => sum + page.links.length, 0);
if (broken.length > 0 || links === 0) {
  console.error(['These links lead nowhere:', ...broken].join('\n  '));
  process.exitCode = 1;
} else {
  console.log(`${links} links of ${pages.size} pages lead somewhere.`);
}

/** @param {string} file */
function isPage(file) {
  return file.endsWith('.html');
}

/** @param {string} file */
function readPage(file) {
  const html = readFileSync(join(site, file), 'utf8');
  const values = (/** @type {RegExp} */ attribute) =>
    [...html.matchAll(attribute)].map(([, value]) => value.replaceAll('&amp;', '&'));
  return {
    anchors: new Set(values(/\sid="([^"]*)"/g)),
    links: values(/\s(?:href|src)="([^"]*)"/g).filter((link) => !/^[a-z]+:/.test(link)),
  };
}

/**
 * @param {string} page
 * @param {string} link
 */
function resolves(page, link) {
  const [path, anchor = ''] = link.split('#').map(decodeURIComponent);
  // A page from the disk has no server that would answer for a folder with the page in it.
  if (path.endsWith('/')) return false;
  const target = path === '' ? page : join(dirname(page), path);
  if (!isPage(target)) return files.includes(target);
  const found = pages.get(target);
  return found !== undefined && (anchor === '' || found.anchors.has(anchor));
}
