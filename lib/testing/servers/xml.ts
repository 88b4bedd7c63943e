const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

/** One element holding text. `undefined` writes nothing. */
export function element(name: string, text: string | number | boolean | undefined): string {
  return text === undefined ? '' : `<${name}>${escapeText(String(text))}</${name}>`;
}

/** One element holding elements. */
export function elements(name: string, children: readonly string[]): string {
  return `<${name}>${children.join('')}</${name}>`;
}

export function xmlDocument(
  root: string,
  children: readonly string[],
  { namespace = true }: { namespace?: boolean } = {},
): string {
  const attribute = namespace ? ` xmlns="${NAMESPACE}"` : '';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${children.join('')}</${root}>`;
}

// Control characters are written as references although XML 1.0 forbids them:
// so does S3, which is why listings offer encoding-type=url.
function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(
      // oxlint-disable-next-line no-control-regex
      /[\u0000-\u001f\u007f]/g,
      (character) => `&#x${character.charCodeAt(0).toString(16)};`,
    );
}

export interface XmlNode {
  readonly name: string;
  readonly children: XmlNode[];
  text: string;
}

/**
 * Parses the small documents clients send. Comments and the declaration are
 * skipped, attributes are dropped; a doctype, CDATA or unbalanced tags throw,
 * for S3 takes them for malformed too.
 *
 * @throws SyntaxError
 */
export function parseXml(source: string): XmlNode {
  const document: XmlNode = { name: '', children: [], text: '' };
  const open: XmlNode[] = [document];
  const token =
    /<\?[^]*?\?>|<!--[^]*?-->|<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;
  while (token.lastIndex < source.length) {
    const match = token.exec(source);
    if (!match) throw new SyntaxError('Malformed XML');
    const [, closing, name, , selfClosing, text] = match;
    const parent = open.at(-1) ?? document;
    if (text !== undefined) {
      parent.text += unescapeText(text);
    } else if (name !== undefined && closing === '/') {
      if (open.length < 2 || parent.name !== localName(name)) {
        throw new SyntaxError(`Unexpected </${name}>`);
      }
      open.pop();
    } else if (name !== undefined) {
      const node: XmlNode = { name: localName(name), children: [], text: '' };
      parent.children.push(node);
      if (selfClosing !== '/') open.push(node);
    }
  }
  const [root] = document.children;
  if (open.length > 1 || !root || document.children.length > 1 || document.text.trim()) {
    throw new SyntaxError('Malformed XML');
  }
  return root;
}

export function childText(node: XmlNode, name: string): string | undefined {
  return node.children.find((child) => child.name === name)?.text;
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

function unescapeText(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-fA-F]+)|#([0-9]+)|(\w+));|&/g,
    (_, hex?: string, decimal?: string, name?: string) => {
      if (hex) return String.fromCodePoint(Number.parseInt(hex, 16));
      if (decimal) return String.fromCodePoint(Number(decimal));
      const character = name === undefined ? undefined : ENTITIES[name];
      if (character === undefined) throw new SyntaxError('Unknown entity');
      return character;
    },
  );
}
