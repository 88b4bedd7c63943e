import { readFileSync } from 'node:fs';
import { COMMANDS } from '../../lib/command-line/commands.js';
import { command } from './command.js';

const page = readFileSync('docs/command-line.md', 'utf8');

/** Long options, as `--name`. */
function optionsIn(text: string): Set<string> {
  return new Set(text.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? []);
}

/** What the page says of the command: its rows of the table, and its section. */
function saidOf(name: string): string {
  const rows = page
    .split('\n')
    .filter((line) => new RegExp(`^\\| .*\`${name}[ \`].*\\|`).test(line));
  const section = new RegExp(`^## ${name}\n[^]*?(?=^## |(?![^]))`, 'm').exec(page)?.[0] ?? '';
  return [...rows, section].join('\n');
}

describe('the page of the command line', () => {
  test('names every command, in the order in which they are told', () => {
    const named = [...page.matchAll(/^\| `(\w+)[ `][^|]*\|/gm)].map(([row]) =>
      [...row.matchAll(/`(\w+)(?= |`)/g)].map(([, name]) => name!),
    );
    expect([...new Set(named.flat())]).toEqual(Object.keys(COMMANDS));
  });

  test('has no option that no command has', () => {
    const known = Object.values(COMMANDS).flatMap(({ options = {} }) => Object.keys(options));
    const common = ['config', 'json', 'help', 'version'];
    const all = new Set([...known, ...common].map((name) => `--${name}`));
    expect([...optionsIn(page)].filter((option) => !all.has(option))).toEqual([]);
    expect(common.filter((name) => !page.includes(`--${name}`))).toEqual([]);
  });

  test.each(Object.keys(COMMANDS))('names the options of %s, as its --help does', async (name) => {
    const { options = {}, synopsis } = COMMANDS[name]!;
    const own = Object.keys(options).map((option) => `--${option}`);
    const { stdout } = await command([name, '--help']);
    const listed = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option]) => option);
    expect(listed).toEqual([...own, '--config', '--json', '--help']);
    expect([...optionsIn(synopsis)].filter((option) => !own.includes(option))).toEqual([]);
    const said = saidOf(name);
    const missing = Object.entries(options).filter(
      ([option, { short }]) =>
        !said.includes(`\`--${option}`) && !(short && said.includes(`\`-${short}\``)),
    );
    expect(missing.map(([option]) => option)).toEqual([]);
  });
});
