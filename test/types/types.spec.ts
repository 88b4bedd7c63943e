import { join } from 'node:path';
import ts from 'typescript';

const repository = join(import.meta.dirname, '../..');
const anyNames = compile('any-names.ts');

test('what an app may write compiles, and what it may not does not', () => {
  expect(faults(anyNames, 'any-names.ts')).toEqual([]);
});

test('the names that an app adds to StorageNames are the only ones that compile', () => {
  const ownNames = compile('own-names.ts', anyNames);
  expect(faults(ownNames, 'own-names.ts')).toEqual([]);
});

test('every field of every public option says what it is', () => {
  expect(undocumentedOptions(anyNames)).toEqual([]);
});

/** A program of its own, as the names hold for all of it; the library's sources in it are those of the other one. */
function compile(file: string, other?: ts.Program): ts.Program {
  const { config } = ts.readConfigFile(join(repository, 'tsconfig.json'), (path) =>
    ts.sys.readFile(path),
  );
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, repository);
  return ts.createProgram(
    [join(import.meta.dirname, file)],
    { ...options, noEmit: true },
    undefined,
    other,
  );
}

/** What the compiler says of the file. Of the library it would say more than its users see, who have its declarations. */
function faults(program: ts.Program, file: string): string[] {
  const source = program.getSourceFile(join(import.meta.dirname, file))!;
  return [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source),
  ].map(
    ({ messageText, start = 0 }) =>
      `${file}:${source.getLineAndCharacterOfPosition(start).line + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
  );
}

/** The fields without a doc comment, of what the package exports and whose name tells that users of storages write it. */
function undocumentedOptions(program: ts.Program): string[] {
  const checker = program.getTypeChecker();
  const index = checker.getSymbolAtLocation(
    program.getSourceFile(join(repository, 'lib/index.ts'))!,
  )!;
  const options = checker
    .getExportsOfModule(index)
    .filter(({ name }) =>
      /^(?!Driver).*(Options|Configuration|Settings|Behaviour|Rules|Feature|Limits)$/.test(name),
    )
    .map((symbol) =>
      symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
    );
  expect(options.length).toBeGreaterThan(20);
  const bare = new Set<string>();
  const seen = new Set<ts.Type>();
  for (const symbol of options) {
    addBareFields(checker.getDeclaredTypeOfSymbol(symbol), symbol.name);
  }
  return [...bare].sort();

  /** Of the type and of the types of its fields, which users write too, down to what is not declared here. */
  function addBareFields(type: ts.Type, name: string): void {
    if (seen.has(type)) return;
    seen.add(type);
    if (type.isUnion()) return type.types.forEach((member) => addBareFields(member, name));
    // What users only hold, such as a storage, has methods in classes.
    if (type.isClass()) return;
    for (const field of checker.getPropertiesOfType(type).filter(isOurs)) {
      const path = `${name}.${field.name}`;
      if (field.getDocumentationComment(checker).length === 0) bare.add(path);
      addBareFields(checker.getTypeOfSymbol(field), path);
    }
  }
}

/** Whether it is declared in the sources, rather than in a package or by a mapped type. */
function isOurs(field: ts.Symbol): boolean {
  const files = (field.declarations ?? []).map((each) => each.getSourceFile().fileName);
  return files.some((file) => file.startsWith(join(repository, 'lib')));
}
