import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onTmpfs, Program, whyNoTmpfs, withDescriptors } from '../../crash/programs.js';
import {
  asNobody,
  cleanUp,
  failure,
  openDriver,
  posix,
  put,
  signal,
  temporaryFiles,
  temporaryFolder,
  text,
} from './local-fixture.js';

const MiB = 1024 * 1024;
const whyNot = whyNoTmpfs();
if (whyNot !== undefined) console.warn(`Skipped: the tests with a disk that is full: ${whyNot}`);

afterEach(cleanUp);

// The two run out of different things: of blocks, and of inodes.
(whyNot === undefined ? describe : describe.skip).each([
  ['bytes', 'size=1m', MiB],
  ['inodes', 'size=8m,nr_inodes=60', 8 * MiB],
])('a disk that has no %s left', (_what, options, size) => {
  it('fails writes as a full one, keeps what it had, leaves nothing, and works again when files are deleted', async () => {
    await using program = await Program.of('full-disk');
    const root = await temporaryFolder();
    expect(await program.run(onTmpfs(root, options), root, String(size))).toEqual({
      tooLarge: {
        bytes: 'QUOTA_EXCEEDED',
        stream: 'QUOTA_EXCEEDED',
        'create-only': 'QUOTA_EXCEEDED',
        'compare-and-set': 'QUOTA_EXCEEDED',
        part: 'QUOTA_EXCEEDED',
      },
      leftByTooLarge: [],
      noRoom: {
        'with metadata': 'QUOTA_EXCEEDED',
        'compare-and-set': 'QUOTA_EXCEEDED',
        copy: 'QUOTA_EXCEEDED',
        multipart: 'QUOTA_EXCEEDED',
      },
      leftByNoRoom: [],
      intact: true,
      notDeleted: 0,
      afterwards: 'done',
      // The same file system, mounted again without the right to write.
      readOnly: {
        put: 'PERMISSION_DENIED',
        delete: 'PERMISSION_DENIED',
        copy: 'PERMISSION_DENIED',
        open: 'done',
        get: 'new',
      },
    });
  });
});

posix.it(
  'stores, reads, copies, moves, deletes and lists 500 files at once where 64 can be open',
  async () => {
    await using program = await Program.of('few-descriptors');
    const root = await temporaryFolder();
    expect(await program.run(withDescriptors(64), root, '500')).toEqual({
      failures: {
        streams: [],
        others: [],
        bytes: [],
        reads: [],
        copies: [],
        moves: [],
        apart: [],
        deletions: [],
        listings: [],
      },
      held: 0,
    });
  },
);

posix.it(
  'says that access is denied to a file and a folder of somebody else, and harms neither',
  async () => {
    const { root, driver } = await asNobodyOwns();
    await chmod(join(root, 'closed'), 0o500);
    await chmod(join(root, 'open/secret'), 0);
    await asNobody(async () => {
      const codes = {
        read: (await failure(driver.get('open/secret', { signal }))).code,
        write: (await failure(put(driver, 'closed/file', 'new', { metadata: { a: 'b' } }))).code,
        create: (await failure(put(driver, 'closed/new', 'new', { ifNoneMatch: '*' }))).code,
        copy: (await failure(driver.copy('open/secret', 'copy', { signal, move: false }))).code,
      };
      expect(new Set(Object.values(codes))).toEqual(new Set(['PERMISSION_DENIED']));
      const { failed } = await driver.deleteMany(['closed/file'], { signal });
      expect(failed.map(({ error }) => error.code)).toEqual(['PERMISSION_DENIED']);
      expect(await text(driver, 'closed/file')).toBe('old');
    });
    expect(await temporaryFiles(root)).toEqual([]);
  },
);

/** A storage that nobody opened, and to whom all of it belongs: root may do everything. */
async function asNobodyOwns(): ReturnType<typeof openDriver> {
  const above = await temporaryFolder();
  const root = join(above, 'root');
  await chmod(above, 0o777);
  return asNobody(async () => {
    await mkdir(root);
    const opened = await openDriver({ root });
    await put(opened.driver, 'closed/file', 'old');
    await put(opened.driver, 'open/secret', 'secret');
    return opened;
  });
}
