import { infoIfThere } from '../core/info-if-there.js';
import type { Storage } from '../core/storage.js';
import { pickAttributes, type StoredFile } from '../core/stored-file.js';

/** How often a file is copied whose source is replaced meanwhile. */
export const MAX_COPIES = 3;

/** A file that was copied. */
export interface Transfer {
  /** The version that was read. */
  readonly source: StoredFile;
  readonly target: StoredFile;
}

/**
 * Copies one file with everything that it is stored with; the bytes pass through here.
 *
 * @throws StorageIntegrityError when they do not have the checksum that the source keeps, whatever the target keeps
 */
export async function transfer(
  from: Storage,
  fromKey: string,
  to: Storage,
  toKey: string,
  options: { signal: AbortSignal },
): Promise<Transfer> {
  await using download = await from.get(fromKey, { signal: options.signal });
  const source = download.file;
  const { size, checksum } = source;
  const target = await to.put(toKey, download.stream, {
    ...options,
    ...pickAttributes(source),
    size,
    ...(checksum && { checksum }),
  });
  return { source, target };
}

/**
 * Copies a file under its key until the source still has what was copied when the copy is stored, and answers that version. A copy of
 * older bytes would be later than the source that was replaced meanwhile, and pass for the same ever after.
 *
 * @throws Error when the source is replaced as often as it is copied
 */
export async function transferLatest(
  from: Storage,
  to: Storage,
  key: string,
  signal: AbortSignal,
): Promise<StoredFile> {
  for (let copies = 1; copies <= MAX_COPIES; copies++) {
    const { source } = await transfer(from, key, to, key, { signal });
    const current = await infoIfThere(from, key, { signal });
    // One that is gone was copied before it went.
    if (!current || isSameVersion(source, current)) return source;
  }
  throw new Error(
    `The file was replaced as often as it was copied (${MAX_COPIES} times), so that the copy may be of an older version: ` +
      'when nobody replaces it any more, sync --checksum tells',
  );
}

/** Of one key of one storage, at two times. */
export function isSameVersion(one: StoredFile, other: StoredFile): boolean {
  return one.size === other.size && one.etag === other.etag && one.version === other.version;
}
