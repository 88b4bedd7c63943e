import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../../core/checksum.js';
import { StorageConfigurationError } from '../../core/errors.js';
import type { SignedUrlOptions } from '../../core/signed-url.js';

/**
 * A folder on a disk of this machine.
 *
 * A key is the path of a plain file below `root`: any program may read the files, and put files there itself. What a
 * file system has no place for (media type, metadata, …) is kept in `root/.nestjs-storages/`, bound to the very version
 * of the file; a file that was put there by hand has the media type of its extension, and no metadata.
 *
 * Limits that object stores do not have: `a` and `a/b` cannot both be keys (`StorageInvalidKeyError` names the
 * clash), a file system that ignores case makes `A` and `a` one file, and keys that Windows takes for something else,
 * such as `a.txt:x`, `a.` and `NUL`, are refused there with `StorageInvalidKeyError`.
 *
 * Conditions of a write hold as follows. `ifNoneMatch: '*'` is decided by the file system: of all writers, in whatever
 * process, one wins. `ifMatch` is decided under a lock that all writers of the same process share, and all writers with
 * `ifMatch` in every process that uses the same root; only an unconditional write or a deletion by *another* process
 * may come between the check and the publishing.
 */
export interface LocalStorageOptions extends SignedUrlOptions {
  /** Absolute, or relative to the working directory of the process. */
  root: string;
  /** Create `root` when it is missing. Default true. */
  createRoot?: boolean;
  /** Mode of the files, whatever the umask. Default `0o600`. */
  permissions?: number;
  /** Mode of the folders that are created, whatever the umask. Default `0o700`. */
  directoryPermissions?: number;
  /**
   * What has happened when a write resolves. `'full'` (default): the bytes, the metadata and the names are on the disk,
   * and survive a power cut. `'rename'`: they survive the end of the process, and the system writes them in its own
   * time; after a power cut a file may be the old one, or empty. `'none'`: as `'rename'`, and reserved for
   * whatever is cheaper still. Readers never see half a file with any of them.
   */
  durability?: 'full' | 'rename' | 'none';
  /**
   * `'deny'` (default): a symbolic link below the root is never followed, and not listed. `'follow-inside'`: links are
   * followed as long as they end inside the root; writing or deleting a key that is a link is about the link itself.
   */
  symlinks?: 'deny' | 'follow-inside';
  /**
   * What a file is stored with, computed while it is written, when `put` is given no checksum: so that every file can be read with
   * `verify: true`. Default: nothing. `'crc32'` costs the least; it finds damage by accident, `'sha256'` also that of a
   * forger who cannot write to `root/.nestjs-storages/`.
   */
  checksum?: ChecksumAlgorithm;
}

export interface ParsedLocalOptions extends Required<
  Omit<LocalStorageOptions, keyof SignedUrlOptions | 'checksum'>
> {
  readonly checksum: ChecksumAlgorithm | undefined;
}

/** @throws StorageConfigurationError naming the option. */
export function parseLocalOptions(options: LocalStorageOptions): ParsedLocalOptions {
  const { root } = options;
  if (typeof root !== 'string' || root === '' || root.includes('\0')) {
    refuse('root must be the path of a folder');
  }
  return {
    root,
    createRoot: options.createRoot ?? true,
    permissions: mode('permissions', options.permissions ?? 0o600, 0o600),
    directoryPermissions: mode(
      'directoryPermissions',
      options.directoryPermissions ?? 0o700,
      0o700,
    ),
    durability: oneOf('durability', options.durability ?? 'full', ['full', 'rename', 'none']),
    symlinks: oneOf('symlinks', options.symlinks ?? 'deny', ['deny', 'follow-inside']),
    checksum:
      options.checksum === undefined
        ? undefined
        : oneOf('checksum', options.checksum, CHECKSUM_ALGORITHMS),
  };
}

function mode(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= 0o777 && (value & least) === least) {
    return value;
  }
  return refuse(
    `${name} must be a mode such as 0o${least.toString(8)} that lets the process itself in`,
  );
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  return refuse(`${name} must be one of ${allowed.join(', ')}`);
}

function refuse(reason: string): never {
  throw new StorageConfigurationError(reason);
}
