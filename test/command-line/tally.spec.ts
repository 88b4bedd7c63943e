import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { ProgressLine } from '../../lib/command-line/progress-line.js';
import { tally } from '../../lib/command-line/tally.js';
import { createStorage } from '../../lib/drivers/open-storage.js';

/** What a run that copies the first of two files shows when all are counted. */
async function shownOn(output: { isTTY: boolean }): Promise<{ shown: string; listings: number }> {
  const storage = createStorage('files', { driver: 'memory' });
  await storage.put('a', 'hello');
  await storage.put('b', 'hello');
  let listings = 0;
  const list = storage.list.bind(storage);
  storage.list = (...args) => {
    listings++;
    return list(...args);
  };
  const stderr = Object.assign(new PassThrough(), output);
  const { signal } = new AbortController();
  const invocation = {
    values: {},
    operands: [],
    stdin: Readable.from([]),
    stdout: new PassThrough(),
    stderr,
    signal,
    open: () => ({ storage, configuration: { driver: 'memory' as const }, path: '' }),
    openFolder: () => ({ storage, configuration: { driver: 'memory' as const }, path: '' }),
    progress: new ProgressLine(stderr),
    print: async () => {},
  };
  await tally(invocation, storage, { prefix: '', signal }, 'copied', async (report) => {
    await setImmediate();
    await report({ action: 'copy', key: 'a', size: 5 });
  });
  stderr.end();
  await storage.close();
  return { shown: (await text(stderr)).replaceAll('\r\x1b[K', '|'), listings };
}

describe('a run over many files', () => {
  test('tells on a terminal how much is done of all, and how long the rest takes', async () => {
    const { shown } = await shownOn({ isTTY: true });
    expect(shown).toMatch(
      /^\| 50 % {2}1 copy {2}5 B {2}[\d.]+ K?B\/s {2}0:0\d left {2}a\|1 copy; 5 bytes copied\n$/,
    );
  });

  test('counts nothing where nobody sees it', async () => {
    const { shown, listings } = await shownOn({ isTTY: false });
    expect({ shown, listings }).toEqual({ shown: '1 copy; 5 bytes copied\n', listings: 0 });
  });
});
