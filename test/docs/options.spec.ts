import { createStorage } from '../../lib/drivers/open-storage.js';
import { DirectUploadsModule, ServedFile, StorageModule } from '../../lib/index.js';
import { TusModule } from '../../lib/tus/index.js';
import { planUploads } from '../../lib/uploads/upload-plan.js';
import { readPage } from './markdown.js';

const unknown = { bogus: true } as never;
const storage = createStorage('files', { driver: 'memory' });

/** The options that there are, as the refusal of one that is none lists them. */
function known(configure: () => unknown): string[] {
  try {
    configure();
  } catch (error) {
    const [, list] = /(?:known are|takes|there are) ([\w, ]+)/.exec((error as Error).message) ?? [];
    if (list !== undefined) return list.trim().split(', ').sort();
    throw error;
  }
  throw new Error('An option that is none was taken');
}

function optionsOf(driver: string): string[] {
  return known(() => createStorage('files', { driver, bogus: true } as never));
}

/** The first names of what is code in the text: of `ifNoneMatch: '*'`, `ifNoneMatch`. */
function namesIn(text: string): string[] {
  return [...text.matchAll(/`(\w+)[^`]*`/g)].map(([, name]) => name!);
}

/** What the first column names of the first table that has this heading there. */
async function namedIn(page: string, heading: string): Promise<string[]> {
  const tables = (await readPage(page)).split(/\n(?!\|)/).map((table) => table.trim().split('\n'));
  const [, , ...rows] = tables.find(([head]) => head?.split('|')[1]?.trim() === heading)!;
  return rows.flatMap((row) => namesIn(row.split('|')[1]!)).sort();
}

const GENERAL = [
  'concurrency',
  'expiresIn',
  'maxObjectSize',
  'prefix',
  'publicUrl',
  'retry',
  'timeout',
  'totalTimeout',
  'uploadMemory',
];

describe('the options that the pages name are those that there are', () => {
  test.each(['memory', 'local', 's3', 'gcs', 'azure'])('of the driver %s', async (driver) => {
    const own = optionsOf(driver).filter((name) => !GENERAL.includes(name));
    expect(await namedIn(`docs/backends/${driver}.md`, 'option')).toEqual(own);
    const [row] = (await readPage('README.md'))
      .split('\n')
      .filter((line) => line.startsWith(`| [\`${driver}\`]`));
    expect(namesIn(row!.split('|')[2]!).sort()).toEqual(own);
  });

  test('of every storage', async () => {
    expect(optionsOf('memory').filter((name) => GENERAL.includes(name))).toEqual(GENERAL);
    const tables = await namedIn('docs/getting-started.md', 'option');
    expect(tables).toEqual(GENERAL);
    const sentence = /^Every storage also takes .*$/m.exec(await readPage('README.md'))![0];
    expect(namesIn(sentence).sort()).toEqual(GENERAL);
  });

  test.each([
    // `imports` is told with what factories need.
    [
      'docs/getting-started.md',
      'option of `forRoot`',
      () => StorageModule.forRoot(unknown),
      ['imports'],
    ],
    ['docs/uploads.md', 'option', () => planUploads(unknown), []],
    ['docs/serving.md', 'option', () => new ServedFile(storage, 'a', unknown), []],
    [
      'docs/serving.md',
      'option of `routes`',
      () => StorageModule.forRoot({ storages: { files: { driver: 'memory' } }, routes: unknown }),
      [],
    ],
    ['docs/direct-uploads.md', 'option', () => DirectUploadsModule.forRoot(unknown), ['imports']],
    ['docs/tus.md', 'option', () => TusModule.forRoot(unknown), []],
  ])('of %s, %s', async (page, heading, configure, elsewhere) => {
    const names = [...(await namedIn(page, heading)), ...elsewhere].sort();
    expect(names).toEqual(known(configure));
  });
});
