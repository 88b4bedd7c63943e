import * as fs from 'node:fs';
import type { BigIntStats, Dirent } from 'node:fs';
import { DescriptorLine } from './local.descriptors.js';

// The callback API, one promise a call: `fs.promises` needs two to three times as long for small files.

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

function call<T = void>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value)));
  });
}

/** Flags that only some systems know are 0 elsewhere. */
export const {
  O_RDONLY,
  O_DIRECTORY = 0,
  O_NOFOLLOW = 0,
  O_NONBLOCK = 0,
} = fs.constants as Partial<typeof fs.constants> & Pick<typeof fs.constants, 'O_RDONLY'>;

const descriptors = new DescriptorLine((error) => hasCode(error, 'EMFILE', 'ENFILE'));

/** For calls that open something: they wait when the process or the system has no descriptor left. */
function patiently<T>(start: (done: Done<T>) => void): Promise<T> {
  return descriptors.use(() => call(start));
}

export const open = (path: string, flags: string | number, permissions?: number): Promise<number> =>
  patiently((done) => fs.open(path, flags, permissions, done));

export const close = (descriptor: number): Promise<void> =>
  call<void>((done) => fs.close(descriptor, (error) => done(error ?? null))).finally(() =>
    descriptors.givenBack(),
  );

/** The number of bytes read; 0 at the end of the file. */
export const read = (
  descriptor: number,
  buffer: Uint8Array,
  offset: number,
  position: number,
): Promise<number> =>
  call((done) =>
    fs.read(descriptor, buffer, offset, buffer.byteLength - offset, position, (error, bytes) =>
      done(error, bytes),
    ),
  );

/** Writes all of the bytes at the descriptor's position. */
export async function writeAll(descriptor: number, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.byteLength > 0;) {
    const written = await call<number>((done) =>
      fs.write(descriptor, rest, (error, count) => done(error, count)),
    );
    // Memory that was transferred meanwhile has no rest; whoever gave it is told.
    rest = rest.byteLength === 0 ? rest : rest.subarray(written);
  }
}

/** Writes all of the chunks, in few system calls, at the descriptor's position. */
export async function writeChunks(
  descriptor: number,
  chunks: readonly Uint8Array[],
): Promise<void> {
  let written = await call<number>((done) =>
    fs.writev(descriptor, chunks, (error, count) => done(error, count)),
  );
  for (const chunk of chunks) {
    if (written < chunk.byteLength) await writeAll(descriptor, chunk.subarray(written));
    written = Math.max(0, written - chunk.byteLength);
  }
}

export const stat = (path: string): Promise<BigIntStats> =>
  call((done) => fs.stat(path, { bigint: true }, done));

export const lstat = (path: string): Promise<BigIntStats> =>
  call((done) => fs.lstat(path, { bigint: true }, done));

const fstat = (descriptor: number): Promise<BigIntStats> =>
  call((done) => fs.fstat(descriptor, { bigint: true }, done));

/**
 * Calls about what is open already. The thread that a call gets costs many times what these do, where the kernel answers from its
 * memory.
 */
export interface OpenFileCalls {
  /** Whether a file that was renamed has another ctime. */
  readonly marksRenames: boolean;
  fstat(descriptor: number): BigIntStats | Promise<BigIntStats>;
  close(descriptor: number): void | Promise<void>;
}

const SYNCHRONOUS: OpenFileCalls = {
  marksRenames: true,
  fstat: (descriptor) => fs.fstatSync(descriptor, { bigint: true }),
  close(descriptor) {
    try {
      fs.closeSync(descriptor);
    } finally {
      descriptors.givenBack();
    }
  },
};

export const ASYNCHRONOUS: OpenFileCalls = { marksRenames: false, fstat, close };

/** Kinds of file systems on disks of this machine, by the numbers of statfs(2): ext, XFS, Btrfs, tmpfs, overlay, F2FS, ZFS. */
const LOCAL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0x2fc12fc1,
]);

/** The calls for files at the path. One behind a network may be silent for long, which must not hold up the process. */
export async function openFileCalls(path: string): Promise<OpenFileCalls> {
  if (process.platform !== 'linux') return ASYNCHRONOUS;
  const { type } = await call<fs.StatsFs>((done) => fs.statfs(path, done));
  return LOCAL_FILE_SYSTEMS.has(type) ? SYNCHRONOUS : ASYNCHRONOUS;
}

export const fchmod = (descriptor: number, permissions: number): Promise<void> =>
  call((done) => fs.fchmod(descriptor, permissions, (error) => done(error)));

export const chmod = (path: string, permissions: number): Promise<void> =>
  call((done) => fs.chmod(path, permissions, (error) => done(error)));

export const futimes = (descriptor: number, seconds: number): Promise<void> =>
  call((done) => fs.futimes(descriptor, seconds, seconds, (error) => done(error)));

export const fsync = (descriptor: number): Promise<void> =>
  call((done) => fs.fsync(descriptor, (error) => done(error)));

export const rename = (from: string, to: string): Promise<void> =>
  call((done) => fs.rename(from, to, (error) => done(error)));

export const link = (from: string, to: string): Promise<void> =>
  call((done) => fs.link(from, to, (error) => done(error)));

export const unlink = (path: string): Promise<void> =>
  call((done) => fs.unlink(path, (error) => done(error)));

export const rmdir = (path: string): Promise<void> =>
  call((done) => fs.rmdir(path, (error) => done(error)));

const mkdir = (path: string, permissions: number): Promise<void> =>
  call((done) => fs.mkdir(path, permissions, (error) => done(error)));

/** Whether more than the owner is let in: then the umask has its say when something is created. */
export function isSharedMode(permissions: number): boolean {
  return (permissions & 0o077) !== 0;
}

/** Answers whether it was created now. The mode holds whatever the umask: if need be it is set afterwards. */
export async function makeFolder(path: string, permissions: number): Promise<boolean> {
  try {
    await mkdir(path, permissions);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
  if (!isSharedMode(permissions)) return true;
  const { mode } = await lstat(path);
  if (Number(mode & 0o777n) !== permissions) await chmod(path, permissions);
  return true;
}

export const readlink = (path: string): Promise<string> => call((done) => fs.readlink(path, done));

/** What `/proc` says: no disk is asked. */
export const readProcLink = (path: string): string => fs.readlinkSync(path);

export const realpath = (path: string): Promise<string> =>
  call((done) => fs.realpath.native(path, done));

export const readNames = (path: string): Promise<string[]> =>
  patiently((done) => fs.readdir(path, done));

export const readEntries = (path: string): Promise<Dirent[]> =>
  patiently((done) => fs.readdir(path, { withFileTypes: true }, done));

/** Fails when `to` exists. Shares the blocks with `from` where the file system can, else the kernel copies. */
export const copyFile = (from: string, to: string): Promise<void> =>
  patiently((done) =>
    fs.copyFile(from, to, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE, (error) =>
      done(error),
    ),
  );

/** Removes a folder with all that is in it; links are removed, not followed. */
export const removeTree = (path: string): Promise<void> =>
  call((done) => fs.rm(path, { recursive: true, force: true }, (error) => done(error)));

/** A small file as text, `undefined` when it is not there. A link is not followed, a FIFO not waited for. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    const flag = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    return await patiently<string>((done) =>
      // Node takes numbers here as it does in open(); the types know the names only.
      fs.readFile(path, { encoding: 'utf8', flag: flag as unknown as string }, done),
    );
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** The same of a file whose size is told, as it is not in `/proc`: with half as many calls that get a thread. */
export async function readStoredText(
  path: string,
  openFiles: OpenFileCalls,
): Promise<string | undefined> {
  let descriptor: number;
  try {
    descriptor = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
  try {
    const { size } = await openFiles.fstat(descriptor);
    const bytes = Buffer.allocUnsafe(Number(size));
    let filled = 0;
    while (filled < bytes.byteLength) {
      const count = await read(descriptor, bytes, filled, filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.toString('utf8', 0, filled);
  } finally {
    await openFiles.close(descriptor);
  }
}

/** For paths of which it does not matter whether they are there. */
export async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
  }
}

/** Makes a folder's names survive a power cut. Windows has no such call, and does it by itself. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const descriptor = await open(path, O_RDONLY | O_DIRECTORY);
  try {
    await fsync(descriptor);
  } finally {
    await close(descriptor);
  }
}

/** By what it has, not by its class: the system's errors may come from another realm. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(codeOf(error) ?? '');
}

export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return String(error.code);
}
