/** An element of an answer, with its text when it holds no others. Namespaces say nothing that is needed. */
export interface XmlElement {
  readonly name: string;
  /** The start tag as it stands between its brackets, attributes and all. */
  readonly tag: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface OpenElement {
  readonly name: string;
  readonly tag: string;
  text: string;
  children: XmlElement[];
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['apos', "'"],
  ['gt', '>'],
  ['lt', '<'],
  ['quot', '"'],
]);

/** Most elements hold text: a listing has six of them for each file. */
const NO_CHILDREN: XmlElement[] = [];

/**
 * Reads what S3 and Azure answer: elements, text, the five entities and character references. A document type is refused, so that
 * no entity can be defined.
 *
 * @returns the root element
 * @throws SyntaxError when it is not well-formed
 */
export function parseXml(xml: string): XmlElement {
  const document = openElement('', '');
  const open: OpenElement[] = [];
  const names = new Map<string, string>();
  let current = document;
  let at = 0;
  for (;;) {
    const start = xml.indexOf('<', at);
    if (start < 0) break;
    if (start > at) current.text += decodeText(xml.slice(at, start));
    const next = xml.charCodeAt(start + 1);
    if (next === EXCLAMATION_MARK || next === QUESTION_MARK) {
      at = skipMarkup(xml, start, current);
      continue;
    }
    if (next === SLASH) {
      at = endOf(xml, start, current);
      if (open.length === 0) throw malformed(`an end of another element than <${current.name}>`);
      current = open.pop()!;
      continue;
    }
    let end = xml.indexOf('>', start);
    if (end < 0) throw malformed('an element that does not end');
    let tag = startTag(xml, start, end);
    let name = names.get(tag);
    if (name === undefined) {
      // Only here, for what ends within an attribute is no tag that is known.
      end = endOfTag(xml, start);
      tag = startTag(xml, start, end);
      names.set(tag, (name = localName(tag)));
    }
    const isEmpty = xml.charCodeAt(end - 1) === SLASH;
    at = end + 1;
    const element = openElement(name, tag);
    if (current.children === NO_CHILDREN) current.children = [element];
    else current.children.push(element);
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

const EXCLAMATION_MARK = 0x21;
const SLASH = 0x2f;
const GREATER_THAN = 0x3e;
const QUESTION_MARK = 0x3f;

function openElement(name: string, tag: string): OpenElement {
  return { name, tag, text: '', children: NO_CHILDREN };
}

/** What stands between the brackets, of an element without content without its slash. */
function startTag(xml: string, start: number, end: number): string {
  return xml.slice(start + 1, xml.charCodeAt(end - 1) === SLASH ? end - 1 : end);
}

const QUOTE_OR_END = /["'>]/g;

/** Where the bracket is that ends the start tag: the value of an attribute may hold others. */
function endOfTag(xml: string, start: number): number {
  let at = start;
  for (;;) {
    QUOTE_OR_END.lastIndex = at;
    const found = QUOTE_OR_END.exec(xml);
    if (found?.[0] === '>') return found.index;
    const closing = found ? xml.indexOf(found[0], found.index + 1) : -1;
    if (closing < 0) throw malformed('an element that does not end');
    at = closing + 1;
  }
}

/** Where it goes on behind the end tag of the element, which begins at `start`. */
function endOf(xml: string, start: number, { name, tag }: OpenElement): number {
  const after = start + 2 + tag.length;
  if (xml.charCodeAt(after) === GREATER_THAN && xml.startsWith(tag, start + 2)) return after + 1;
  // The start tag had attributes, or the end tag has a space.
  const end = xml.indexOf('>', start);
  if (end < 0) throw malformed('an element that does not end');
  if (localName(xml.slice(start + 2, end)) !== name) {
    throw malformed(`an end of another element than <${name}>`);
  }
  return end + 1;
}

/** The name of the root, of whatever follows; `undefined` when it does not begin as a document does. */
export function rootName(xml: string): string | undefined {
  let at = 0;
  for (;;) {
    const start = xml.indexOf('<', at);
    if (start < 0 || xml.slice(at, start).trim() !== '') return undefined;
    const after = afterMarkup(xml, start, '<!--', '-->') ?? afterMarkup(xml, start, '<?', '?>');
    if (after === undefined) {
      NAME.lastIndex = start + 1;
      return NAME.exec(xml)?.[1];
    }
    at = after;
  }
}

const NAME = /(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)(?=[\s/>])/y;

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
  const afterText = afterMarkup(xml, start, '<![CDATA[', ']]>');
  if (afterText !== undefined) {
    current.text += xml.slice(start + '<![CDATA['.length, afterText - ']]>'.length);
    return afterText;
  }
  const after = afterMarkup(xml, start, '<!--', '-->') ?? afterMarkup(xml, start, '<?', '?>');
  if (after === undefined) throw malformed('a document type');
  return after;
}

/** Where it goes on behind markup of that kind; `undefined` when it is of another. */
function afterMarkup(xml: string, start: number, from: string, to: string): number | undefined {
  if (!xml.startsWith(from, start)) return undefined;
  const end = xml.indexOf(to, start + from.length);
  if (end < 0) throw malformed(`${from} without ${to}`);
  return end + to.length;
}

/** Of a start tag or an end tag, without prefix and attributes. */
function localName(tag: string): string {
  const space = tag.search(/\s/);
  const name = space < 0 ? tag : tag.slice(0, space);
  if (!/^[A-Za-z_][\w.:-]*$/.test(name)) throw malformed('an element without a name');
  return name.slice(name.indexOf(':') + 1);
}

function decodeText(text: string): string {
  let start = text.indexOf('&');
  if (start < 0) return text;
  let decoded = '';
  let at = 0;
  for (; start >= 0; start = text.indexOf('&', at)) {
    const end = text.indexOf(';', start);
    const reference = end < 0 ? '' : text.slice(start + 1, end);
    decoded += text.slice(at, start) + (ENTITIES.get(reference) ?? characterOf(reference));
    at = end + 1;
  }
  return decoded + text.slice(at);
}

function characterOf(reference: string): string {
  const [, hex, decimal] = /^#(?:x([\dA-Fa-f]{1,6})|(\d{1,7}))$/.exec(reference) ?? [];
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
  if (!(code <= 0x10ffff)) throw malformed('an unknown entity');
  return String.fromCodePoint(code);
}

function malformed(what: string): SyntaxError {
  return new SyntaxError(`The XML has ${what}`);
}
