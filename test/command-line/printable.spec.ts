import { printable } from '../../lib/command-line/printable.js';

describe('what is printed of a name', () => {
  test.each([
    ['colours', 'a\u001b[31m', 'a\\u001b[31m'],
    ['commands of eight bits', 'a\u009b2J', 'a\\u009b2J'],
    ['a line of its own', 'a\nfailed b', 'a\\u000afailed b'],
    ['another line separator', 'a\u2028b', 'a\\u2028b'],
    ['the other direction', 'gpj\u202eexe', 'gpj\\u202eexe'],
  ])('is no command to the terminal: %s', (_what, name, printed) => {
    expect(printable(name)).toBe(printed);
  });

  test('is otherwise what it is', () => {
    const name = 'äöü/日本\t👍 \\n';
    expect(printable(name)).toBe(name);
  });
});
