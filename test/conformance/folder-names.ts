import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackendNames } from '../../lib/testing/conformance/index.js';

/** What folders below the system's temporary one have names for. */
export async function namesOfFolders(): Promise<BackendNames> {
  if (process.platform === 'win32') return 'windows';
  const folder = await mkdtemp(join(tmpdir(), 'names-'));
  try {
    await writeFile(join(folder, 'a'), '');
    return await access(join(folder, 'A')).then(
      () => 'caseless' as const,
      () => 'any' as const,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}
