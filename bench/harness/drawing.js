import { mkdirSync, writeFileSync } from 'node:fs';

/** Writes shapes as an SVG file on white. */
export function writeDrawing(url, { title, width, height, shapes }) {
  mkdirSync(new URL('.', url), { recursive: true });
  writeFileSync(
    url,
    [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
      `<title>${escaped(title)}</title>`,
      `<rect width="${width}" height="${height}" fill="#fff"/>`,
      ...shapes,
      '</svg>',
      '',
    ].join('\n'),
  );
}

export function text(x, y, content, attributes) {
  return `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${escaped(content)}</text>`;
}

function escaped(content) {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
