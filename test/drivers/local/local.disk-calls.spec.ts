import { setImmediate as nextTurn } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { diskCalls, type DiskCalls } from '../../../lib/drivers/local/local.disk-calls.js';
import { cleanUp, openDriver, put, signal, temporaryFolder } from './local-fixture.js';

const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('calls to the disk', () => {
  let folder: string;
  let disk: DiskCalls;

  beforeEach(async () => {
    folder = await temporaryFolder();
    readFromDisk(0);
    disk = await diskCalls(folder);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await cleanUp();
  });

  function readFromDisk(blocks: number): void {
    const usage = process.resourceUsage();
    jest.spyOn(process, 'resourceUsage').mockReturnValue({ ...usage, fsRead: blocks });
  }

  /** Whether a call is answered at once, and not by a thread; the clock says how long it takes, in milliseconds. */
  async function isPrompt(takes = 0): Promise<boolean> {
    await nextTurn();
    const started = performance.now();
    const clock = jest.spyOn(performance, 'now');
    clock.mockReturnValueOnce(started).mockReturnValue(started + takes);
    const answer = disk.lstat(folder);
    clock.mockRestore();
    await answer;
    return !(answer instanceof Promise);
  }

  it('are made by threads once the disk was slow twice, for a while', async () => {
    expect(await isPrompt()).toBe(true);
    expect(await isPrompt(4000)).toBe(true);
    expect(await isPrompt(4000)).toBe(true);
    expect(await isPrompt()).toBe(false);
    const now = performance.now();
    jest.spyOn(performance, 'now').mockReturnValue(now + 300_000);
    expect(disk.lstat(folder)).not.toBeInstanceOf(Promise);
  });

  it('are made by threads once one had to read from the disk', async () => {
    readFromDisk(8);
    expect(await isPrompt(4000)).toBe(true);
    expect(await isPrompt()).toBe(false);
  });

  it('take one that lost the processor for no slow disk', async () => {
    for (let round = 0; round < 3; round++) {
      expect(await isPrompt(4000)).toBe(true);
      for (let call = 0; call < 8; call++) expect(await isPrompt()).toBe(true);
    }
  });

  it('let others come to their turn while they follow one another', async () => {
    const { driver } = await openDriver();
    await put(driver, 'k');
    let turns = 0;
    let reading = true;
    const others = (async () => {
      for (; reading; turns++) await nextTurn();
    })();
    for (let call = 0; call < 1000; call++) await driver.info('k', { signal });
    const seen = turns;
    reading = false;
    await others;
    expect(seen).toBeGreaterThan(1);
  });
});
