export type XmlElement = readonly [name: string, content: string | readonly XmlElement[]];

/** A document of plain elements, as S3 answers. */
export function xmlDocument(name: string, content: readonly XmlElement[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element([name, content])}`;
}

function element([name, content]: XmlElement): string {
  const inner = typeof content === 'string' ? escaped(content) : content.map(element).join('');
  return `<${name}>${inner}</${name}>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
