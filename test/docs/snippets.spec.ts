import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { openStorage } from '../../lib/index.js';
import { type Block, codeBlocks, repository } from './markdown.js';

// What a snippet may use without saying where it comes from: a storage. Anything else it imports or declares.
const AMBIENT = `import type { Storage } from 'nestjs-storages';
declare global {
  const storage: Storage;
}
`;

const blocks = await codeBlocks();
const snippets = blocks.filter(({ info }) => /^(ts|typescript|tsx|js|javascript)\b/.test(info));

describe('the TypeScript in the documentation', () => {
  test('is marked as `ts`, or as `ts run` when the tests run it', () => {
    const others = snippets.filter(({ info }) => info !== 'ts' && info !== 'ts run').map(place);
    expect(others).toEqual([]);
    expect(snippets.length).toBeGreaterThan(20);
  });

  test('compiles as strictly as the library', () => {
    expect(compile(snippets)).toEqual([]);
  });

  test('would not compile with a mistake in it', () => {
    const wrong = { page: 'x.md', line: 7, info: 'ts', code: "await storage.putt('a', 'b');\n" };
    expect(compile([wrong])).toEqual([expect.stringMatching(/^x\.md:7: .*putt/)]);
  });
});

describe('the TypeScript in the documentation that is marked as runnable', () => {
  const runnable = snippets.filter(({ info }) => info === 'ts run');
  let folder: string;

  beforeAll(async () => {
    await mkdir(join(repository, 'var'), { recursive: true });
    folder = await mkdtemp(join(repository, 'var/snippets-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(runnable.map((block) => [place(block), block] as const))(
    '%s runs',
    async (_, block) => {
      await using storage = await openStorage('files', { driver: 'memory' });
      Object.assign(globalThis, { storage });
      const file = join(folder, `${block.page.replaceAll('/', '-')}-${block.line}.ts`);
      await writeFile(file, asModule(block.code));
      await expect(import(file)).resolves.toBeDefined();
    },
  );
});

/** What the compiler says, with the place in the page. What a snippet adds to the package's types is not there for the others. */
function compile(given: readonly Block[]): string[] {
  const adding = given.filter(({ code }) => code.includes("declare module 'nestjs-storages'"));
  const others = given.filter((block) => !adding.includes(block));
  return [others, ...adding.map((block) => [block])].flatMap(compileTogether);
}

function compileTogether(given: readonly Block[]): string[] {
  const { config } = ts.readConfigFile(join(repository, 'tsconfig.json'), (path) =>
    ts.sys.readFile(path),
  );
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, repository);
  const virtual = new Map<string, string>([[join(repository, 'docs/ambient.ts'), AMBIENT]]);
  const places = new Map<string, Block>();
  for (const block of given) {
    const file = join(repository, dirname(block.page), `snippet-${places.size}.ts`);
    virtual.set(file, asModule(block.code));
    places.set(file, block);
  }
  const base = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...base,
    fileExists: (file) => virtual.has(file) || base.fileExists(file),
    readFile: (file) => virtual.get(file) ?? base.readFile(file),
    getSourceFile(file, ...rest) {
      const text = virtual.get(file);
      return text === undefined
        ? base.getSourceFile(file, ...rest)
        : ts.createSourceFile(file, text, rest[0]);
    },
  };
  const program = ts.createProgram({
    rootNames: [...virtual.keys()],
    // A snippet may show a constructor whose parameter the next snippet uses.
    options: { ...options, noEmit: true, noUnusedLocals: false, noUnusedParameters: false },
    host,
  });
  return [...places.keys()].flatMap((file) => {
    const source = program.getSourceFile(file)!;
    const found = [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ];
    return found.map((diagnostic) => {
      const { page, line } = places.get(file)!;
      const offset = source.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line;
      const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n');
      return `${page}:${line + offset}: ${message}`;
    });
  });
}

/** `await` at the top is for modules only. */
function asModule(code: string): string {
  return `${code}\nexport {};\n`;
}

function place({ page, line }: Block): string {
  return `${relative('.', page)}:${line}`;
}
