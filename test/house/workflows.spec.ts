import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repository } from '../docs/markdown.js';

const folder = '.github/workflows';
const workflows = (await readdir(join(repository, folder))).map((name) => `${folder}/${name}`);
const read = (path: string) => readFile(join(repository, path), 'utf8');
const { scripts } = JSON.parse(await read('package.json')) as { scripts: object };
const whatChecks = Object.keys(scripts).filter((name) => /^(test|check|fuzz)\b/.test(name));

function scriptsIn(text: string): string[] {
  const named = [...text.matchAll(/\bnpm (?:run ([\w:-]+)|(test)\b)/g)];
  return named.map(([, script, test]) => script ?? test!);
}

test.each([...workflows, '.ci/run'])('the npm scripts that %s runs exist', async (path) => {
  const missing = scriptsIn(await read(path)).filter((each) => !(each in scripts));
  expect(missing).toEqual([]);
});

test('every npm script that checks something is run by one of them', async () => {
  const texts = await Promise.all([...workflows, '.ci/run'].map(read));
  expect(scriptsIn(texts.join('\n'))).toEqual(expect.arrayContaining(whatChecks));
});

test('every npm script that checks something is in the table of CONTRIBUTING.md', async () => {
  const rows = (await read('CONTRIBUTING.md')).match(/^\| `npm [^`]+`/gm) ?? [];
  expect(scriptsIn(rows.join('\n'))).toEqual(expect.arrayContaining(whatChecks));
});

test.each(workflows)('%s may only read, and what it uses is pinned to a commit', async (path) => {
  const text = await read(path);
  expect(text).toMatch(/^permissions:\n {2}contents: read\n\n/m);
  const used = [...text.matchAll(/uses: (.+)/g)].map(([, action]) => action!);
  expect(used.length).toBeGreaterThan(0);
  // The version stands beside the commit, which Dependabot moves together with it.
  const unpinned = used.filter((action) => !/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action));
  expect(unpinned).toEqual([]);
});

test('one job may publish, and of all packages it runs TypeScript alone', async () => {
  const texts = await Promise.all(workflows.map(read));
  const jobs = texts.flatMap((text) => text.split(/^(?= {2}[\w-]+:$)/m));
  const mayPublish = jobs.filter((job) => /^ +[\w-]+: write$/m.test(job));
  expect(mayPublish).toHaveLength(1);
  const [job] = mayPublish;
  expect(job).toMatch(/^ {2}publish:\n {4}needs: check\n/);
  expect(job).toContain('\n    environment: npm\n');
  const commands = job!
    .split('\n')
    .filter((line) => /\b(npm|npx|node) |\.ci\//.test(line))
    .map((line) => line.trim().replace('- run: ', ''));
  expect(commands).toEqual([
    'npm ci --no-audit --ignore-scripts',
    'node node_modules/typescript/bin/tsc -p tsconfig.build.json',
    'npm run build:cjs',
    'sha512=$(.ci/pack "$RUNNER_TEMP")',
    'npm publish --provenance --ignore-scripts "$RUNNER_TEMP"/nestjs-storages-*.tgz',
  ]);
});

test('Dependabot looks at every package-lock.json', async () => {
  const config = await read('.github/dependabot.yml');
  const looksAt = [...config.matchAll(/^ +director(?:y: (.+)|ies: \[(.+)\])$/gm)].flatMap(
    ([, one, several]) => (one ?? several!).split(', '),
  );
  const folders = (await readdir(repository, { withFileTypes: true })).filter(
    (entry) => entry.isDirectory() && !/^(\.|node_modules)/.test(entry.name),
  );
  const below = await Promise.all(
    folders.map(async ({ name }) =>
      (await readdir(join(repository, name))).map((each) => `/${name}/${each}`),
    ),
  );
  const candidates = ['/', ...folders.map(({ name }) => `/${name}`), ...below.flat()];
  const locked = candidates.filter((path) =>
    existsSync(join(repository, path, 'package-lock.json')),
  );
  expect(locked.length).toBeGreaterThan(1);
  expect(looksAt).toEqual(expect.arrayContaining(locked));
});
