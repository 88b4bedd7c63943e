import { StoragePreconditionFailedError } from '../../core/errors.js';
import { infoIfThere } from '../../core/info-if-there.js';
import type { Storage } from '../../core/storage.js';
import type { StoredFile } from '../../core/stored-file.js';
import type { Command } from '../command.js';
import { isSameFile, isSameStorage } from '../place-comparison.js';
import { printStored } from '../file-lines.js';
import { assertFile, type Place } from '../place.js';
import { isSameVersion, MAX_COPIES, transfer } from '../transfer.js';
import { UsageError } from '../usage-error.js';

export const mv: Command = {
  summary: 'Moves one file: the source goes when the copy is confirmed.',
  synopsis: '<from> <to>',
  operands: [2, 2],
  async run(invocation) {
    const { open, operands, signal } = invocation;
    const from = open(operands[0]!);
    const to = open(operands[1]!, 'target');
    assertFile(from, operands[0]!, 'mv');
    assertFile(to, operands[1]!, 'mv');
    if (isSameStorage(from, to)) {
      const file = await from.storage.move(from.path, to.path, { signal });
      await printStored(invocation, file);
      return true;
    }
    // One that is not there fails before anything is made for it.
    await from.storage.info(from.path, { signal });
    if (await isSameFile(from, to, signal)) {
      throw new UsageError('mv: both addresses lead to the same file, which stays as it is');
    }
    await printStored(invocation, await moveAcross(from, to, signal));
    return true;
  },
};

/** What is deleted at the source is the version that was copied; one that replaced it meanwhile is copied, too. */
async function moveAcross(from: Place, to: Place, signal: AbortSignal): Promise<StoredFile> {
  for (let copies = 1; copies <= MAX_COPIES; copies++) {
    const { source, target } = await transfer(from.storage, from.path, to.storage, to.path, {
      signal,
    });
    if (await deleteVersion(from.storage, source, signal)) return target;
  }
  throw new Error(
    `${from.path} was replaced as often as it was copied (${MAX_COPIES} times): it stays, and the copy is of a version before it`,
  );
}

/** Answers whether the version is gone; another one stays. Where the service cannot decide it, it is looked at directly before. */
async function deleteVersion(
  storage: Storage,
  version: StoredFile,
  signal: AbortSignal,
): Promise<boolean> {
  const { key, etag } = version;
  const isDecided = storage.capabilities.conditionalDelete && etag !== undefined;
  if (!isDecided) {
    const current = await infoIfThere(storage, key, { signal });
    if (!current) return true;
    if (!isSameVersion(version, current)) return false;
  }
  try {
    await storage.delete(key, { signal, ...(isDecided && { ifMatch: etag }) });
    return true;
  } catch (error) {
    if (error instanceof StoragePreconditionFailedError) return false;
    throw error;
  }
}
