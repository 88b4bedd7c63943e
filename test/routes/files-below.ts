import { type Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Every file below a folder of the root, which is there only when something was written. */
export async function filesBelow(root: string, folder: string): Promise<Dirent[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const start = join(root, folder);
  return entries.filter((entry) => entry.isFile() && entry.parentPath.startsWith(start));
}
