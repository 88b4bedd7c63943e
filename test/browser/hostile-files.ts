/** What each of them does wherever it runs: asks the app for this path. */
export const REACHED = '/reached';

const script = `fetch('${REACHED}');new Image().src='${REACHED}';document.title='reached'`;

export interface HostileFile {
  readonly name: string;
  readonly contentType: string;
  readonly body: string;
  /** Whether it runs where nothing protects from it: then the test can tell. */
  readonly runsUnprotected: boolean;
}

const html = `<!doctype html><title>x</title><script>${script}</script>`;
const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="${script}"><script>${script}</script></svg>`;
const xhtml = `<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body><script>${script}</script></body></html>`;

/** Files that run script in the origin that shows them, or are taken for such files. */
export const HOSTILE_FILES: readonly HostileFile[] = [
  { name: 'page.html', contentType: 'text/html', body: html, runsUnprotected: true },
  {
    name: 'charset.html',
    contentType: 'TEXT/HTML; charset=utf-8',
    body: html,
    runsUnprotected: true,
  },
  { name: 'drawing.svg', contentType: 'image/svg+xml', body: svg, runsUnprotected: true },
  { name: 'page.xhtml', contentType: 'application/xhtml+xml', body: xhtml, runsUnprotected: true },
  { name: 'feed.xml', contentType: 'application/xml', body: xhtml, runsUnprotected: true },
  { name: 'text.xml', contentType: 'text/xml', body: xhtml, runsUnprotected: true },
  { name: 'atom.xml', contentType: 'application/atom+xml', body: xhtml, runsUnprotected: false },
  { name: 'picture.png', contentType: 'image/png', body: html, runsUnprotected: false },
  { name: 'note.txt', contentType: 'text/plain', body: html, runsUnprotected: false },
  { name: 'film.mp4', contentType: 'video/mp4', body: html, runsUnprotected: false },
  { name: 'odd.video', contentType: 'video/x+xml', body: xhtml, runsUnprotected: false },
  { name: 'nothing', contentType: 'application/octet-stream', body: html, runsUnprotected: false },
  {
    name: 'polyglot.gif',
    contentType: 'image/gif',
    body: `GIF89a/*${html}*/`,
    runsUnprotected: false,
  },
  {
    name: 'paper.pdf',
    contentType: 'application/pdf',
    body: `%PDF-1.4\n${html}\n%%EOF`,
    runsUnprotected: false,
  },
  {
    name: 'mail.mhtml',
    contentType: 'multipart/related',
    body: `MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n${html}\r\n--b--`,
    runsUnprotected: false,
  },
  { name: 'script.js', contentType: 'text/javascript', body: script, runsUnprotected: false },
];
