/** An element of an answer, with its text when it holds no others. Attributes and namespaces say nothing that is needed. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface OpenElement {
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  gt: '>',
  lt: '<',
  quot: '"',
};

/**
 * Reads what S3 answers: elements, text, the five entities and character references. A document type is refused, so that
 * no entity can be defined.
 *
 * @returns the root element
 * @throws SyntaxError when it is not well-formed
 */
export function parseXml(xml: string): XmlElement {
  const document: OpenElement = { name: '', text: '', children: [] };
  const open: OpenElement[] = [];
  let current = document;
  let at = 0;
  for (;;) {
    const start = xml.indexOf('<', at);
    if (start < 0) break;
    if (start > at) current.text += decodeText(xml.slice(at, start));
    const next = xml[start + 1];
    if (next === '!' || next === '?') {
      at = skipMarkup(xml, start, current);
      continue;
    }
    const end = xml.indexOf('>', start);
    if (end < 0) throw malformed('an element that does not end');
    at = end + 1;
    if (next === '/') {
      if (localName(xml.slice(start + 2, end)) !== current.name || open.length === 0) {
        throw malformed(`an end of another element than <${current.name}>`);
      }
      current = open.pop()!;
      continue;
    }
    const isEmpty = xml[end - 1] === '/';
    const element: OpenElement = {
      name: localName(xml.slice(start + 1, isEmpty ? end - 1 : end)),
      text: '',
      children: [],
    };
    current.children.push(element);
    if (isEmpty) continue;
    open.push(current);
    current = element;
  }
  const [root] = document.children;
  if (open.length > 0 || !root || document.children.length > 1) {
    throw malformed('not one whole element');
  }
  if ((document.text + xml.slice(at)).trim() !== '') throw malformed('text outside of elements');
  return root;
}

/** The first child of that name. */
function childOf(element: XmlElement, name: string): XmlElement | undefined {
  return element.children.find((child) => child.name === name);
}

/** The text of the child of that name; absent when there is no such child. */
export function textOf(element: XmlElement, name: string): string | undefined {
  return childOf(element, name)?.text;
}

const ESCAPED = /[&<>"'\r\n\u0085\u2028]/g;

/** The text as it stands in an element: line ends as references, since a parser would change them. */
export function escapeXml(text: string): string {
  return text.replace(ESCAPED, (character) => `&#x${character.charCodeAt(0).toString(16)};`);
}

/** Comments, processing instructions and the declaration are skipped, and CDATA is text. Answers where it goes on. */
function skipMarkup(xml: string, start: number, current: OpenElement): number {
  const skip = (from: string, to: string): number | undefined => {
    if (!xml.startsWith(from, start)) return undefined;
    const end = xml.indexOf(to, start + from.length);
    if (end < 0) throw malformed(`${from} without ${to}`);
    return end + to.length;
  };
  const afterText = skip('<![CDATA[', ']]>');
  if (afterText !== undefined) {
    current.text += xml.slice(start + '<![CDATA['.length, afterText - ']]>'.length);
    return afterText;
  }
  const after = skip('<!--', '-->') ?? skip('<?', '?>');
  if (after === undefined) throw malformed('a document type');
  return after;
}

/** Of a start tag or an end tag, without prefix and attributes. */
function localName(tag: string): string {
  const space = tag.search(/\s/);
  const name = space < 0 ? tag : tag.slice(0, space);
  if (!/^[A-Za-z_][\w.:-]*$/.test(name)) throw malformed('an element without a name');
  return name.slice(name.indexOf(':') + 1);
}

function decodeText(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;]*;?)/g, (_, reference: string) => {
    const name = reference.slice(0, -1);
    const entity = reference.endsWith(';') && Object.hasOwn(ENTITIES, name) && ENTITIES[name];
    return entity || characterOf(reference);
  });
}

function characterOf(reference: string): string {
  const [, hex, decimal] = /^#(?:x([\dA-Fa-f]{1,6})|(\d{1,7}));$/.exec(reference) ?? [];
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
  if (!(code <= 0x10ffff)) throw malformed('an unknown entity');
  return String.fromCodePoint(code);
}

function malformed(what: string): SyntaxError {
  return new SyntaxError(`The XML has ${what}`);
}
