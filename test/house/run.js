// `npm run check:house`: what nobody uses (knip), imports in a circle, and the largest files and functions of the library.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { npm } from '../package/npm.js';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '../..');
const lib = join(repository, 'lib');

/** Lines; a larger one needs its place in `EXCUSED` or `EXCUSED_FUNCTIONS`. */
const LARGEST = { file: 420, function: 60 };

/** What may be larger, and why. */
const EXCUSED = {
  'core/storage.ts': 'the class that users hold: each method with its contract as a doc comment',
  'core/storage-view.ts': 'what the methods of that class share, in one place',
};
const EXCUSED_FUNCTIONS = {
  'testing/conformance/copy-move.ts: both':
    'a list: what holds for copy and for move, case by case',
  'command-line/commands/sync.ts: run':
    'the checks in the order in which they must pass before anything is made, then one call',
  'testing/s3-server/signature-v4.ts: verifyQuery':
    'what S3 checks of a signed URL, in the order that decides which error it tells',
  'testing/s3-server/aws-chunked.ts: decodeAwsChunked':
    'one pass over the bytes: the chunks, then the trailers',
};

async function sources() {
  const entries = await readdir(lib, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    paths.map(async (path) => {
      const text = await readFile(path, 'utf8');
      return {
        path: relative(lib, path).replaceAll('\\', '/'),
        lines: text.split('\n').length - 1,
        tree: ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true),
      };
    }),
  );
}

/** The modules that a file needs when it is loaded: no types, and no `import()`, which waits until it is called. */
function importsOf({ path, tree }) {
  return tree.statements
    .filter((each) => ts.isImportDeclaration(each) || ts.isExportDeclaration(each))
    .filter((each) => each.moduleSpecifier?.text.startsWith('.') && !isTypeOnly(each))
    .map((each) => join(dirname(path), each.moduleSpecifier.text).replace(/\.js$/, '.ts'));
}

function isTypeOnly(declaration) {
  if (ts.isExportDeclaration(declaration)) return declaration.isTypeOnly;
  const clause = declaration.importClause;
  if (!clause) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = clause.namedBindings;
  return !clause.name && names && ts.isNamedImports(names) && names.elements.length > 0
    ? names.elements.every((each) => each.isTypeOnly)
    : false;
}

/** Every circle once, as the way around it. */
function circles(files) {
  const imports = new Map(files.map((file) => [file.path, importsOf(file)]));
  const done = new Set();
  const found = [];
  const visit = (path, way) => {
    const at = way.indexOf(path);
    if (at >= 0) return void found.push([...way.slice(at), path].join(' → '));
    if (done.has(path)) return;
    for (const next of imports.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  return found;
}

/** The functions with the lines that are their own: those of the functions in them are not. */
function functionsOf({ path, tree }) {
  const found = [];
  const lineOf = (position) => tree.getLineAndCharacterOfPosition(position).line;
  const visit = (node, outer) => {
    let inner = outer;
    if (ts.isFunctionLike(node) && node.body) {
      const lines = lineOf(node.end) - lineOf(node.getStart()) + 1;
      const name = node.name?.getText() ?? node.parent.name?.getText() ?? 'a function';
      inner = { name: `${path}: ${name}`, lines };
      found.push(inner);
      // The line on which an inner function begins is the outer one's, too.
      if (outer) outer.lines -= lines - 1;
    }
    ts.forEachChild(node, (child) => visit(child, inner));
  };
  visit(tree);
  return found;
}

function largest(list, count = 3) {
  return list.sort((one, other) => other.lines - one.lines).slice(0, count);
}

const problems = [];

try {
  await run(...npm('exec', '--', 'knip', '--no-progress'), { cwd: repository });
  console.log('Files, exports and dependencies that nobody uses: none (knip)');
} catch (error) {
  problems.push(`knip:\n${error.stdout || error.stderr || error}`);
}

const files = await sources();
const found = circles(files);
if (found.length === 0) console.log(`Imports in a circle, of ${files.length} files: none`);
problems.push(...found.map((circle) => `A circle of imports: ${circle}`));

judge(
  'files',
  files.map(({ path, lines }) => ({ name: path, lines })),
  { most: LARGEST.file, excused: EXCUSED },
);
judge('functions', files.flatMap(functionsOf), {
  most: LARGEST.function,
  excused: EXCUSED_FUNCTIONS,
});

/** Prints the largest with why they may be so large, and notes those of which nobody says it. */
function judge(what, all, { most, excused }) {
  console.log(`\nThe largest ${what}:`);
  for (const { name, lines } of largest([...all], 5)) {
    const why = excused[name] ? `: ${excused[name]}` : '';
    console.log(`  ${String(lines).padStart(4)}  ${name}${why}`);
  }
  const tooLarge = all.filter(({ lines }) => lines > most);
  for (const { name, lines } of tooLarge.filter((each) => !excused[each.name])) {
    problems.push(`lib/${name} has ${lines} lines, more than ${most}`);
  }
  for (const name of Object.keys(excused)) {
    if (!tooLarge.some((each) => each.name === name)) {
      problems.push(`lib/${name} needs no excuse any more`);
    }
  }
}

for (const problem of problems) console.error(`\n${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
