// `npm run check:dependencies`: what is installed with the package and beside it, what it weighs, whether the licences let
// anybody use it, and whether docs/dependencies.md says so. Needs `npm ci` and a build.
import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { npm } from '../package/npm.js';
import { licenceProblems, rowProblems, rowsOf, sentenceProblems } from './page.js';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '../..');
const KB = 1000;

/** Licences that ask for no more than to be named. */
const LICENCES = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
]);

/** Bytes: more needs a reason, and this line to say so. */
const MOST = { tarball: 1000 * KB, unpacked: 6000 * KB, dependencies: 2000 * KB };

const readJson = async (path) => JSON.parse(await readFile(join(repository, path), 'utf8'));
const manifest = await readJson('package.json');
const { packages } = await readJson('package-lock.json');

/** Where the package that a folder of node_modules asks for lies, as Node.js looks for it. */
function resolve(name, from) {
  for (let folder = from; ; folder = folder.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, '')) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`;
    if (packages[path]) return path;
    if (folder === '') return undefined;
  }
}

/** The package and all that is installed with it. */
function closure(name) {
  const found = new Set();
  const visit = (path) => {
    if (path === undefined || found.has(path)) return;
    found.add(path);
    const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = packages[path];
    const peers = Object.keys(peerDependencies).filter(
      (peer) => !peerDependenciesMeta[peer]?.optional,
    );
    for (const each of [...Object.keys(dependencies), ...peers]) visit(resolve(each, path));
  };
  visit(resolve(name, ''));
  return found;
}

/** Bytes of the files in a folder, without the packages in it. */
async function weigh(folder) {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    bytes += entry.isDirectory() ? await weigh(path) : (await stat(path)).size;
  }
  return bytes;
}

const weights = new Map();
async function weightOf(paths) {
  let bytes = 0;
  for (const path of paths) {
    if (!weights.has(path)) weights.set(path, await weigh(join(repository, path)));
    bytes += weights.get(path);
  }
  return bytes;
}

const problems = [];
const shown = (bytes) => `${Math.round(bytes / KB).toLocaleString('en')} kB`;

const page = await readFile(join(repository, 'docs/dependencies.md'), 'utf8');
const described = rowsOf(page);
const tell = (name, found) =>
  problems.push(...found.map((problem) => `docs/dependencies.md: ${name} ${problem}`));
const shipped = Object.keys(manifest.dependencies);
const peers = Object.keys(manifest.peerDependencies);
const rows = [];
for (const name of [...shipped, ...peers]) {
  const all = closure(name);
  if (all.size === 0) {
    problems.push(`${name} is not installed`);
    continue;
  }
  const licences = new Set();
  for (const path of all) {
    const licence = packages[path].license ?? (await licenceIn(path));
    licences.add(licence);
    if (!isAllowed(licence)) problems.push(`${path} (of ${name}) has the licence ${licence}`);
  }
  const bytes = await weightOf(all);
  const measured = { bytes, packages: all.size, licence: packages[resolve(name, '')].license };
  const row = described.get(name);
  tell(name, row ? rowProblems(row, measured) : ['is in no table']);
  rows.push({
    package: name,
    kind: kindOf(name),
    alone: shown(await weightOf([resolve(name, '')])),
    'with all it needs': shown(bytes),
    packages: all.size,
    licences: [...licences].sort((one, other) => one.localeCompare(other)).join(', '),
  });
}

for (const name of Object.keys(manifest.devDependencies)) {
  const row = described.get(name);
  const licence = packages[`node_modules/${name}`]?.license;
  tell(name, row ? licenceProblems(row, licence) : ['is in no table']);
}

/** What a package says that predates the field of today. */
async function licenceIn(path) {
  const { license, licenses } = await readJson(`${path}/package.json`);
  return license ?? licenses?.map(({ type }) => type).join(' OR ');
}

/** `(MIT OR GPL-3.0)` is what one makes of it. */
function isAllowed(licence) {
  return String(licence)
    .replace(/[()]/g, '')
    .split(' OR ')
    .some((each) => each.split(' AND ').every((part) => LICENCES.has(part)));
}

function kindOf(name) {
  if (shipped.includes(name)) return 'dependency';
  return manifest.peerDependenciesMeta[name]?.optional ? 'optional peer' : 'peer';
}

console.table(rows);
const together = new Set(shipped.flatMap((name) => [...closure(name)]));
const weight = await weightOf(together);
console.log(`Installed with the package: ${together.size} packages, ${shown(weight)}`);
if (weight > MOST.dependencies)
  problems.push(`The dependencies weigh more than ${shown(MOST.dependencies)}`);

const { stdout } = await run(...npm('pack', '--dry-run', '--json', '--ignore-scripts'), {
  cwd: repository,
  maxBuffer: 64 * 1024 * 1024,
});
const [{ size, unpackedSize, files }] = Object.values(JSON.parse(stdout));
console.log(
  `\nThe tarball: ${shown(size)}, unpacked ${shown(unpackedSize)}, ${files.length} files`,
);
for (const problem of sentenceProblems(page, {
  together: { packages: together.size, bytes: weight },
  tarball: size,
  unpacked: unpackedSize,
}))
  tell('measured', [problem]);
for (const [part, bytes] of Object.entries(partsOf(files)).sort(([, a], [, b]) => b - a)) {
  console.log(`  ${shown(bytes).padStart(9)}  ${part}`);
}
if (!files.some(({ path }) => path.startsWith('dist/cjs/')))
  problems.push('There is no build: npm run build');
if (size > MOST.tarball) problems.push(`The tarball is larger than ${shown(MOST.tarball)}`);
if (unpackedSize > MOST.unpacked)
  problems.push(`Unpacked it is larger than ${shown(MOST.unpacked)}`);

/** Bytes by build and kind of file; `nestjs-storages/testing` by itself, as no app loads it. */
function partsOf(entries) {
  const parts = {};
  for (const { path, size: bytes } of entries) {
    const build = path.startsWith('dist/cjs/') ? 'CommonJS' : 'ES modules';
    const kind = path.endsWith('.d.ts') ? 'types' : 'code';
    const inner = path.replace(/^dist\/(cjs\/)?/, '');
    let part = 'other';
    if (path.startsWith('dist/'))
      part = `${build}, ${inner.startsWith('testing/') ? 'testing, ' : ''}${kind}`;
    parts[part] = (parts[part] ?? 0) + bytes;
  }
  return parts;
}

for (const problem of problems) console.error(`\n${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
