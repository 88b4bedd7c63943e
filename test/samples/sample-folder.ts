import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder in which a sample stores, in place of that of its start script. */
export class SampleFolder {
  private constructor(readonly path: string) {}

  /** Made before the sample is imported, which reads its configuration from the environment then. */
  static async create(environment: NodeJS.ProcessEnv = {}): Promise<SampleFolder> {
    const path = await mkdtemp(join(tmpdir(), 'sample-'));
    Object.assign(process.env, { STORAGE_ROOT: path, ...environment });
    return new SampleFolder(path);
  }

  /** Paths of the files that the sample has stored, without what the driver keeps beside them. */
  async files(): Promise<string[]> {
    const entries = await readdir(this.path, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.path.length + 1))
      .filter((path) => !path.startsWith('.nestjs-storages/'))
      .sort();
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
