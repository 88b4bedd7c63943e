import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '../..');

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
  readonly help?: string;
}

/** What oxlint finds in `lib` below the folder, by the configuration that lies there. */
async function lint(folder: string): Promise<Diagnostic[]> {
  const oxlint = join(repository, 'node_modules/oxlint/bin/oxlint');
  const output = await run(process.execPath, [oxlint, '--format=json', 'lib'], {
    cwd: folder,
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: { stdout: string }) => error);
  return (JSON.parse(output.stdout) as { diagnostics: Diagnostic[] }).diagnostics;
}

const IMPORTS = 'eslint(no-restricted-imports)';
const CIRCLE = 'import(no-cycle)';

const OFFENCES: readonly (readonly [what: string, file: string, code: string, rule: string])[] = [
  [
    'core imports Nest',
    'core/a.ts',
    "import { Logger } from '@nestjs/common'; export default Logger;",
    IMPORTS,
  ],
  ['core imports an SDK', 'core/b.ts', "export { S3Client } from '@aws-sdk/client-s3';", IMPORTS],
  ['core imports a driver', 'core/c.ts', "export * from '../drivers/s3/s3.driver.js';", IMPORTS],
  ['core imports the Nest layer', 'core/d.ts', "export * from '../storage.registry.js';", IMPORTS],
  [
    'a driver imports Nest',
    'drivers/local/a.ts',
    "import { Logger } from '@nestjs/common'; export default Logger;",
    IMPORTS,
  ],
  [
    'a driver imports the Nest layer',
    'drivers/local/b.ts',
    "export * from '../../uploads/storage.engine.js';",
    IMPORTS,
  ],
  [
    'a driver imports what Nest is told by',
    'drivers/local/f.ts',
    "export * from '../../storage.exceptions.js';",
    IMPORTS,
  ],
  [
    'a driver imports resumable uploads',
    'drivers/local/g.ts',
    "export * from '../../tus/index.js';",
    IMPORTS,
  ],
  [
    'a driver imports another driver',
    'drivers/local/c.ts',
    "export * from '../s3/s3.driver.js';",
    IMPORTS,
  ],
  [
    'a driver imports another driver by a long way',
    'drivers/local/d.ts',
    "export * from '../../drivers/s3/s3.driver.js';",
    IMPORTS,
  ],
  [
    'a driver imports the loader',
    'drivers/local/e.ts',
    "export * from '../open-storage.js';",
    IMPORTS,
  ],
  [
    'somebody beside the loader imports a driver',
    'drivers/a.ts',
    "export * from './s3/s3.driver.js';",
    IMPORTS,
  ],
  [
    'uploads import a driver',
    'uploads/a.ts',
    "export * from '../drivers/s3/s3.driver.js';",
    IMPORTS,
  ],
  [
    'uploads load a driver at run time',
    'uploads/b.ts',
    "export const load = () => import('../drivers/s3/s3.driver.js');",
    IMPORTS,
  ],
  [
    'serving imports a driver',
    'serving/a.ts',
    "export * from '../drivers/local/local.driver.js';",
    IMPORTS,
  ],
  ['serving imports uploads', 'serving/b.ts', "export * from '../uploads/form-body.js';", IMPORTS],
  ['serving imports a module', 'serving/c.ts', "export * from '../storage.module.js';", IMPORTS],
  ['uploads import serving', 'uploads/c.ts', "export * from '../serving/send-file.js';", IMPORTS],
  ['uploads import routes', 'uploads/d.ts', "export * from '../routes/route-path.js';", IMPORTS],
  [
    'the command line imports Nest',
    'command-line/a.ts',
    "import { Logger } from '@nestjs/common'; export default Logger;",
    IMPORTS,
  ],
  [
    'the command line imports what imports Nest',
    'command-line/commands/a.ts',
    "export * from '../../storage.exceptions.js';",
    IMPORTS,
  ],
  [
    'the testing kit imports a driver',
    'testing/conformance/a.ts',
    "export * from '../../drivers/memory/memory.driver.js';",
    IMPORTS,
  ],
  [
    'the Nest layer imports a driver',
    'a.ts',
    "export * from './drivers/s3/s3.driver.js';",
    IMPORTS,
  ],
  [
    'two modules import each other',
    'core/e.ts',
    "import { f } from './f.js'; export const e = () => f;",
    CIRCLE,
  ],
];

describe('the arrows of the house', () => {
  let folder: string;
  let found: Diagnostic[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lint-rules-'));
    await cp(join(repository, 'lib'), join(folder, 'lib'), { recursive: true });
    await cp(join(repository, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
    await writeFile(
      join(folder, 'lib/core/f.ts'),
      "import { e } from './e.js'; export const f = () => e;",
    );
    for (const [, file, code] of OFFENCES) await writeFile(join(folder, 'lib', file), code);
    found = await lint(folder);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(OFFENCES)('the lint refuses that %s', (_, file, _code, rule) => {
    const codes = found
      .filter(({ filename }) => filename === `lib/${file}`)
      .map(({ code }) => code);
    expect(codes).toContain(rule);
  });

  test('the lint says of an arrow which way it runs', () => {
    const told = found.find(({ filename }) => filename === 'lib/uploads/a.ts')?.help;
    expect(told).toBe('Nothing but the loader (lib/drivers/open-storage.ts) imports a driver.');
  });

  test('the sources as they are break no arrow', async () => {
    const broken = (await lint(repository)).filter(({ code }) => [IMPORTS, CIRCLE].includes(code));
    expect(broken).toEqual([]);
  });
});
