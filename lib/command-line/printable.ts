/** What a terminal obeys, or what breaks or turns a line; a tab is between columns. */
const UNPRINTABLE = /(?!\t)[\p{Cc}\u2028\u2029\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu;

/** The text as one line that nobody can forge, escaped as in JSON: whoever may store a file may name it. */
export function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );
}
