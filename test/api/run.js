// `npm run api:check`: whether the public surface, as built, is the one in the reports beside this file. `npm run api:update`
// writes them anew, so that what changed is seen in review.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';

const repository = join(import.meta.dirname, '../..');
const { values } = parseArgs({ options: { update: { type: 'boolean', default: false } } });

const ENTRY_POINTS = {
  'nestjs-storages': 'dist/index.d.ts',
  'nestjs-storages.opentelemetry': 'dist/opentelemetry/index.d.ts',
  'nestjs-storages.testing': 'dist/testing/index.d.ts',
  'nestjs-storages.tus': 'dist/tus/index.d.ts',
};

/** Makes the report of one entry point in the folder, and resolves to its text. */
async function report(name, types, folder) {
  const silent = { logLevel: ExtractorLogLevel.None, addToApiReportFile: false };
  const configuration = ExtractorConfig.prepare({
    configObject: {
      projectFolder: repository,
      mainEntryPointFilePath: join(repository, types),
      newlineKind: 'lf',
      compiler: { tsconfigFilePath: join(repository, 'tsconfig.build.json') },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: folder,
        reportTempFolder: folder,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: silent },
        extractorMessageReporting: { default: silent },
        tsdocMessageReporting: { default: silent },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(repository, 'package.json'),
  });
  Extractor.invoke(configuration, {
    localBuild: true,
    messageCallback: (message) => (message.handled = true),
  });
  return readFile(join(folder, `${name}.api.md`), 'utf8');
}

const folder = await mkdtemp(join(tmpdir(), 'nestjs-storages-api-'));
try {
  for (const [name, types] of Object.entries(ENTRY_POINTS)) {
    const made = await report(name, types, folder);
    const kept = join(import.meta.dirname, `${name}.api.md`);
    const before = await readFile(kept, 'utf8').catch(() => '');
    if (made === before) {
      console.log(`${name}: as reported`);
    } else if (values.update) {
      await writeFile(kept, made);
      console.log(`${name}: the report is written`);
    } else {
      console.error(`${name}: differs from test/api/${name}.api.md`);
      console.error(firstDifference(before, made));
      process.exitCode = 1;
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
if (process.exitCode) {
  console.error('Where the change is meant: npm run build && npm run api:update, and CHANGELOG.md');
}

function firstDifference(before, after) {
  const [old, now] = [before.split('\n'), after.split('\n')];
  const at = now.findIndex((line, index) => line !== old[index]);
  return `  line ${at + 1}\n  - ${old[at] ?? ''}\n  + ${now[at] ?? ''}`;
}
