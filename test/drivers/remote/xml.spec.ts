import { isErrorDocument } from '../../../lib/drivers/s3/s3.service-error.js';
import { escapeXml, parseXml, textOf } from '../../../lib/drivers/remote/xml.js';

test('reads elements, entities, references, CDATA and prefixes', () => {
  const root = parseXml(
    '\uFEFF<?xml version="1.0"?>\n<!-- a page --><s3:List xmlns:s3="x">\n' +
      '  <Key>a &amp; b &lt;&#x20AC;&#8364;&quot;</Key><Empty/><s3:Raw a="b" ><![CDATA[<&>]]></s3:Raw>\n</s3:List>\n',
  );
  expect(root.name).toBe('List');
  expect(textOf(root, 'Key')).toBe('a & b <€€"');
  expect(textOf(root, 'Empty')).toBe('');
  expect(textOf(root, 'Raw')).toBe('<&>');
  expect(textOf(root, 'Missing')).toBeUndefined();
});

test('ends a tag where none of its attributes is open', () => {
  const root = parseXml(`<a b='"&>' c="it's>"><Key foo="x>y">abc</Key><Key foo="x>/"/><Key/></a>`);
  expect(root.children.map(({ text }) => text)).toEqual(['abc', '', '']);
});

test.each([
  ['nothing', ''],
  ['text alone', 'Bad gateway'],
  ['an element that is not ended', '<a><b></b>'],
  ['an end of another element', '<a><b></a></b>'],
  ['an end without a start', '</a>'],
  ['two roots', '<a/><b/>'],
  ['text behind the root', '<a/>b'],
  ['a document type', '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
  ['an entity that nobody defined', '<a>&x;</a>'],
  ['an entity without end', '<a>&amp</a>'],
  ['a reference beyond Unicode', '<a>&#x110000;</a>'],
  ['a comment without end', '<a/><!-- '],
  ['a tag without end', '<a'],
  ['a tag that is known without end', '<ab><ab/><abX'],
  ['an attribute without end', '<a b="></a>'],
  ['an element without a name', '< a></a>'],
  ['a web page', '<!doctype html><html><br></html>'],
])('refuses %s', (_, xml) => {
  expect(() => parseXml(xml)).toThrow(SyntaxError);
});

test('reads again what it escapes', () => {
  const text = `a&b<c>"d"'e'\r\n\u0085\u2028ü€😀`;
  expect(textOf(parseXml(`<a><b>${escapeXml(text)}</b></a>`), 'b')).toBe(text);
});

test('tells an error by its root, whatever precedes it', () => {
  const error = '<Error><Code>SlowDown</Code></Error>';
  for (const before of [
    '',
    '\uFEFF<?xml version="1.0"?>\n',
    '<!-- > -->',
    '<?a <b>?> <!----> ',
    ' ',
  ]) {
    expect([before, isErrorDocument(before + error)]).toEqual([before, true]);
  }
  for (const body of [
    '',
    'x<Error/>',
    '<a><Error/></a>',
    '<Errors/>',
    '<!-- <Error/>',
    '<!-- --> ',
  ]) {
    expect([body, isErrorDocument(body)]).toEqual([body, false]);
  }
});
