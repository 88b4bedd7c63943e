import * as fs from 'node:fs';
import type { BigIntStats } from 'node:fs';
import {
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  close,
  descriptorGivenBack,
  fstat,
  fileSystemOf,
  futimes,
  hasCode,
  lstat,
  open,
  read,
  readNames,
  readText,
  rename,
  writeAll,
} from './local.system-calls.js';

/** At once, where that can be; so a caller awaits it, and does not chain on it. */
type Awaitable<T> = T | Promise<T>;

/** The calls that a small file needs. What is not there is `undefined`, where it may be missing. */
export interface DiskCalls {
  open(path: string, flags: string | number, permissions?: number): Awaitable<number>;
  fstat(descriptor: number): Awaitable<BigIntStats>;
  close(descriptor: number): Awaitable<void>;
  /** The number of bytes read; 0 at the end of the file. */
  read(descriptor: number, buffer: Uint8Array, offset: number, position: number): Awaitable<number>;
  /** Writes all of the bytes at the descriptor's position. */
  writeAll(descriptor: number, bytes: Uint8Array): Awaitable<void>;
  futimes(descriptor: number, seconds: number): Awaitable<void>;
  rename(from: string, to: string): Awaitable<void>;
  lstat(path: string): Awaitable<BigIntStats | undefined>;
  /** The names in a folder. */
  namesIn(path: string): Awaitable<string[] | undefined>;
  /** A small file as text. A link is not followed, a FIFO not waited for. */
  readText(path: string): Awaitable<string | undefined>;
}

/** By the threads of Node.js: as slow as a disk may be, it holds up nobody else. */
const BY_THREADS: DiskCalls = {
  open,
  fstat,
  close,
  read,
  writeAll,
  futimes,
  rename,
  readText,
  lstat: (path) => orUndefined(lstat(path), 'ENOENT', 'ENOTDIR'),
  namesIn: (path) => orUndefined(readNames(path), 'ENOENT'),
};

/** Bytes: more are for a thread, and a stream. */
const SMALL = 64 * 1024;
/** Milliseconds of one turn of the event loop, after which others come to their turn. */
const TURN = 0.5;
/** Milliseconds: a kernel that has the answer in its memory needs a tenth of it. */
const SLOW = 0.2;
/** A disk that was waited for is left to the threads for so many times as long: it holds up the process for 2 % of the time at most. */
const CAUTION = 50;
/**
 * Slow calls one after the other, with fewer calls than this between them, are the disk's fault. One alone may only have lost the
 * processor to another program, unless the process has read from a disk.
 */
const APART = 8;

/**
 * On the thread of JavaScript, as long as the kernel answers from its memory: to hand a call to another thread costs many
 * times what most of them take. A disk that has to be waited for is asked by threads from then on, for a while. Calls that
 * follow one another without an end wait for the next turn of the event loop now and then.
 */
class PromptCalls implements DiskCalls {
  #turn: { readonly began: number; readonly over: Promise<void> } | undefined;
  #slowUntil = 0;
  #suspicion = 0;
  #blocksRead = process.resourceUsage().fsRead;

  open(path: string, flags: string | number, permissions?: number): Awaitable<number> {
    return this.#call(
      () => fs.openSync(path, flags, permissions),
      () => open(path, flags, permissions),
    );
  }

  // What is open has been looked at already, so that these two never wait for a disk.

  fstat(descriptor: number): BigIntStats {
    return fs.fstatSync(descriptor, { bigint: true });
  }

  close(descriptor: number): void {
    try {
      fs.closeSync(descriptor);
    } finally {
      descriptorGivenBack();
    }
  }

  read(
    descriptor: number,
    buffer: Uint8Array,
    offset: number,
    position: number,
  ): Awaitable<number> {
    const length = buffer.byteLength - offset;
    const byThread = (): Promise<number> => read(descriptor, buffer, offset, position);
    if (length > SMALL) return byThread();
    return this.#call(() => fs.readSync(descriptor, buffer, offset, length, position), byThread);
  }

  writeAll(descriptor: number, bytes: Uint8Array): Awaitable<void> {
    const byThread = (): Promise<void> => writeAll(descriptor, bytes);
    if (bytes.byteLength > SMALL) return byThread();
    return this.#call(() => {
      for (let rest = bytes; rest.byteLength > 0;) {
        rest = rest.subarray(fs.writeSync(descriptor, rest));
      }
    }, byThread);
  }

  futimes(descriptor: number, seconds: number): Awaitable<void> {
    return this.#call(
      () => fs.futimesSync(descriptor, seconds, seconds),
      () => futimes(descriptor, seconds),
    );
  }

  rename(from: string, to: string): Awaitable<void> {
    return this.#call(
      () => fs.renameSync(from, to),
      () => rename(from, to),
    );
  }

  lstat(path: string): Awaitable<BigIntStats | undefined> {
    return this.#call(
      () => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }),
      () => BY_THREADS.lstat(path),
    );
  }

  namesIn(path: string): Awaitable<string[] | undefined> {
    return this.#call(
      () => namesNow(path),
      () => BY_THREADS.namesIn(path),
    );
  }

  readText(path: string): Awaitable<string | undefined> {
    return this.#call(
      () => textNow(path),
      () => readText(path),
    );
  }

  #call<T>(now: () => T, byThread: () => Awaitable<T>): Awaitable<T> {
    const started = performance.now();
    if (started < this.#slowUntil) return byThread();
    const turn = (this.#turn ??= this.#beginTurn(started));
    if (started - turn.began > TURN) return turn.over.then(() => this.#call(now, byThread));
    try {
      return now();
    } catch (error) {
      // For a descriptor there is a line to wait in; any other failure is an answer.
      if (hasCode(error, 'EMFILE', 'ENFILE')) return byThread();
      throw error;
    } finally {
      this.#judge(started);
    }
  }

  #beginTurn(began: number): { began: number; over: Promise<void> } {
    const over = new Promise<void>((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        resolve();
      });
    });
    return { began, over };
  }

  #judge(started: number): void {
    const ended = performance.now();
    const took = ended - started;
    if (took <= SLOW) {
      if (this.#suspicion > 0) this.#suspicion--;
      return;
    }
    const isSuspected = this.#suspicion > 0;
    this.#suspicion = APART;
    if (this.#hasReadBlocks() || isSuspected) this.#slowUntil = ended + CAUTION * took;
  }

  /** Since the last time that this was asked. The kernel counts what comes from a disk, not what it had in memory. */
  #hasReadBlocks(): boolean {
    const before = this.#blocksRead;
    this.#blocksRead = process.resourceUsage().fsRead;
    return this.#blocksRead > before;
  }
}

/** Most often there is no such folder, which readdir() would tell by an error, and those cost. */
function namesNow(path: string): string[] | undefined {
  if (!fs.lstatSync(path, { throwIfNoEntry: false })) return undefined;
  return unless(['ENOENT'], () => fs.readdirSync(path));
}

function textNow(path: string): string | undefined {
  // Node takes numbers here as it does in open(); the types know the names only.
  const options = { encoding: 'utf8', flag: READ_PLAIN as unknown as string } as const;
  return unless(['ENOENT', 'ENOTDIR'], () => fs.readFileSync(path, options));
}

function unless<T>(codes: readonly string[], call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (hasCode(error, ...codes)) return undefined;
    throw error;
  }
}

const READ_PLAIN = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

/** Kinds of file systems on disks of this machine, by the numbers of statfs(2): ext, XFS, Btrfs, tmpfs, overlay, F2FS, ZFS. */
const LOCAL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0x2fc12fc1,
]);

/** The calls for files at the path. One behind a network may be silent for long, which must not hold up the process. */
export async function diskCalls(path: string): Promise<DiskCalls> {
  if (process.platform !== 'linux') return BY_THREADS;
  return LOCAL_FILE_SYSTEMS.has(await fileSystemOf(path)) ? new PromptCalls() : BY_THREADS;
}

async function orUndefined<T>(promise: Promise<T>, ...codes: string[]): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (hasCode(error, ...codes)) return undefined;
    throw error;
  }
}
