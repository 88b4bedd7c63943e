import { randomBytes } from 'node:crypto';
import { StorageFileNotFoundError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';

const TAKEN_SUFFIX = /^\.[0-9a-f]{16}$/;

/**
 * Names of what was taken out of the reach of who sent it, by requests of which some may have come to no end. They begin
 * with that of the upload, so that whoever goes on with it finds them, and a sweep spares them as long.
 */
export async function takenOut(staging: Storage, name: string): Promise<string[]> {
  const taken: string[] = [];
  for await (const { key } of staging.list(`${name}.`)) {
    if (TAKEN_SUFFIX.test(key.slice(name.length))) taken.push(key);
  }
  return taken;
}

/**
 * Moves the file to a name that no URL is for; each time another one, as who sent the file can send another after it.
 *
 * @returns the name; `undefined` when there is no file
 */
export async function takeOut(staging: Storage, name: string): Promise<string | undefined> {
  const taken = `${name}.${randomBytes(8).toString('hex')}`;
  try {
    await staging.move(name, taken);
    return taken;
  } catch (error) {
    if (error instanceof StorageFileNotFoundError) return undefined;
    throw error;
  }
}
