import type { ChildProcess } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashOf } from '../../lib/drivers/local/local.metadata.js';
import type { Storage } from '../../lib/core/storage.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import type { Program } from './programs.js';
import type { Finding } from './run.js';

const WRITERS = 4;
const KILLS = 200;
/** Milliseconds that a writer lives at most, from its first file on. */
const LONGEST_LIFE = 250;

/** Four processes write to one root, and one after the other is killed and started again. */
export async function kills(writer: Program): Promise<Finding> {
  const root = await mkdtemp(join(tmpdir(), 'crash-kills-'));
  const audit = new Audit(root);
  let left = KILLS;
  const keepKilling = async (name: string): Promise<void> => {
    let stored = 0;
    while (left-- > 0) stored = await liveAndDie(writer, root, name, stored, audit);
  };
  const reading = new AbortController();
  const read = audit.readUntil(reading.signal);
  await Promise.all(Array.from({ length: WRITERS }, (_, index) => keepKilling(`writer-${index}`)));
  reading.abort();
  await read;
  await audit.startAgain();
  await rm(root, { recursive: true, force: true });
  const { reads, written, left: unpublished, problems } = audit;
  return {
    figures: `${KILLS} kills of ${WRITERS} writers, ${written} files stored for good, ${reads} whole files read, ${unpublished} unpublished ones swept`,
    problems,
  };
}

/** @returns how many files it has said to be stored for good */
async function liveAndDie(
  program: Program,
  root: string,
  name: string,
  stored: number,
  audit: Audit,
): Promise<number> {
  const child: ChildProcess = program.start(root, name, String(stored + 1));
  const ended = once(child, 'close');
  let last = stored;
  let isDying = false;
  for await (const line of createInterface(child.stdout!)) {
    if (!/^\d+$/.test(line)) {
      audit.problems.push(`${name}: ${line}`);
      continue;
    }
    last = Number(line);
    if (isDying) continue;
    isDying = true;
    void sleep(randomInt(LONGEST_LIFE)).then(() => child.kill('SIGKILL'));
  }
  await ended;
  if (child.signalCode !== 'SIGKILL') audit.problems.push(`${name} ended by itself`);
  audit.written += last - stored;
  await audit.startAfter(child.pid!);
  await audit.assertStored(name, last);
  return last;
}

/** Looks at what is stored, meanwhile and afterwards. */
class Audit {
  readonly problems: string[] = [];
  reads = 0;
  written = 0;
  /** Unpublished files of those that were killed. */
  left = 0;

  constructor(private readonly root: string) {}

  /** The next start removes what the killed process has left. That the living miss nothing, they say themselves. */
  async startAfter(pid: number): Promise<void> {
    const path = join(this.root, '.nestjs-storages/tmp');
    const isOwn = (name: string): boolean => name.split(',')[3] === String(pid);
    // Nobody has come to write yet when there is none.
    const names = await readdir(path).catch(() => []);
    for (const name of names.filter(isOwn)) {
      // Another start may be at it already.
      const files = await readdir(join(path, name)).catch(() => []);
      this.left += files.filter((file) => file !== 'owner').length;
    }
    await (await this.#open()).close();
    const still = await readdir(path).catch(() => []);
    if (still.some(isOwn)) this.problems.push(`a folder of process ${pid} is left`);
  }

  /** What was said to be stored is, or a later one that nobody came to say. */
  async assertStored(name: string, last: number): Promise<void> {
    await using storage = await this.#open();
    const text = (await storage.getBytes(`own/${name}`)).toString();
    if (Number.parseInt(text) < last)
      this.problems.push(`${name}: ${last} is lost, there is ${text}`);
  }

  /** Reads every file, over and over. */
  async readUntil(signal: AbortSignal): Promise<void> {
    await using storage = await this.#open();
    while (!signal.aborted) {
      await this.#readAll(storage);
      await sleep(20);
    }
  }

  /** As the next start of an app does, when all writers are gone. */
  async startAgain(): Promise<void> {
    const own = join(this.root, '.nestjs-storages');
    const storage = await this.#open();
    await this.#readAll(storage);
    const { failed } = await storage.sweep({ olderThan: 1 });
    await storage.close();
    for (const folder of ['tmp', 'locks', 'uploads']) {
      const names = await readdir(join(own, folder));
      if (names.length > 0) this.problems.push(`left in ${folder}: ${names.join(' ')}`);
    }
    if (failed.length > 0) this.problems.push(`${failed.length} uploads were not swept`);
    await this.#assertOneRecordEach(own);
  }

  /** Files that one process at a time has written: what several did at once may leave more for an hour. */
  async #assertOneRecordEach(own: string): Promise<void> {
    for (const name of await readdir(join(this.root, 'own'))) {
      const hash = hashOf(`own/${name}`);
      const records = await readdir(join(own, 'meta', hash.slice(0, 2), hash.slice(2)));
      if (records.length !== 1) this.problems.push(`own/${name} has metadata ${records.join(' ')}`);
    }
  }

  #open(): Promise<Storage> {
    return openStorage('files', { driver: 'local', root: this.root, createRoot: true });
  }

  async #readAll(storage: Storage): Promise<void> {
    for await (const { key } of storage.list()) {
      try {
        const download = await storage.get(key);
        const bytes = await download.bytes();
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        this.reads++;
        if (download.file.metadata['sha256'] !== sha256) {
          this.problems.push(`${key}: torn, or with the metadata of another version`);
        }
      } catch (error) {
        if ((error as { code?: string }).code !== 'FILE_NOT_FOUND') {
          this.problems.push(`${key}: ${String(error)}`);
        }
      }
    }
  }
}
