import type { BackendNames } from './behaviour.js';

const OF_EVERY_SYSTEM: readonly string[] = [
  'plain.txt',
  'Straße und Größe.txt',
  '日本語/ファイル.txt',
  'مرحبا.txt',
  '😀🌍.txt',
  '🇩🇪/flag.txt',
  '\uFF5E full width.txt',
  'with spaces/in  all   places .txt',
  'plus+and-minus',
  '[0]/{name}/(round)',
  '~tilde $dollar @at !bang ;semicolon ,comma',
  'caret^backtick`',
  '100%',
  '%Q.parquet',
  '%48%45%4C%4C%4F',
  'b%2Fc',
  '%25',
  '%2e%2e',
  '.hidden/.file',
  '..txt',
  'file..name',
  '12345',
  '-rf',
  '=cmd()',
  '__proto__/constructor',
  'UPPER/lower/MiXeD',
];

/** Names that Windows takes for something else. */
export const NOT_OF_WINDOWS: readonly string[] = [
  ' leading and trailing ',
  'hash#mark?question&and=equals',
  `apostrophe's and "quotes"`,
  'less<greater>pipe|colon:star*',
  "I'm a < & weird > path",
  '...',
  'a./b.',
  'CON',
  ` !"#$%&'()*+,-.:;<=>?@[]^_\`{|}~`,
  'a.txt:stream',
  'nul.txt',
  'LONGFI~1.TXT',
];

/** Names that must come back exactly as they went in. */
export function keyNames(names: BackendNames = 'any'): readonly string[] {
  return names === 'windows' ? OF_EVERY_SYSTEM : [...OF_EVERY_SYSTEM, ...NOT_OF_WINDOWS];
}

/** In the order of their UTF-8 bytes, which is neither that of UTF-16 units nor that of words. */
const ORDERED = [
  ' space',
  '!',
  '%',
  '-/a',
  '0',
  '10',
  '9',
  'A',
  'Z',
  '_',
  'a',
  'a!',
  'a-/x',
  'aa',
  'b-',
  'b.c',
  't!/a',
  't-/a',
  't/a',
  't0/a',
  'ta',
  'z',
  'ä',
  '日本',
  '\uD55C',
  '\uFF5E',
  '😀',
  '😁',
];

/** In the order of their UTF-8 bytes, none but for the case another one where that is ignored. */
export function orderedNames(names: BackendNames = 'any'): readonly string[] {
  if (names === 'any') return ORDERED;
  return ORDERED.filter(
    (name) => !ORDERED.includes(name.toLowerCase()) || name === name.toLowerCase(),
  );
}
