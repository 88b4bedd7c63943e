import type { BigIntStats } from 'node:fs';
import type { Identity } from './local.identity.js';
import type { KnownMetadata } from './local.known-metadata.js';
import { nameOfVersion, type MetadataFolder, type Recorded } from './local.metadata.js';
import { close, link, open, unlinkIfThere } from './local.system-calls.js';
import type { TemporaryFiles } from './local.temporary-files.js';

interface IntentsContext {
  readonly metadata: MetadataFolder;
  readonly known: KnownMetadata;
  readonly temporary: TemporaryFiles;
}

/**
 * What a task is about to do to the metadata of versions, for the case that its process ends before it is done: a name in
 * the temporary folder, by which the sweep finds metadata whose version was not published, or is gone.
 */
export class Intents {
  readonly #noted: string[] = [];
  readonly #names = new Map<string, readonly string[]>();

  private constructor(
    private readonly metadata: MetadataFolder,
    private readonly known: KnownMetadata,
    private readonly temporary: TemporaryFiles,
  ) {}

  static async during<T>(
    { metadata, known, temporary }: IntentsContext,
    task: (intents: Intents) => Promise<T>,
  ): Promise<T> {
    const intents = new Intents(metadata, known, temporary);
    try {
      return await task(intents);
    } finally {
      for (const path of intents.#noted) await unlinkIfThere(path).catch(() => {});
    }
  }

  /** Before the version goes from the key. */
  async outdate(key: string, version: BigIntStats): Promise<void> {
    const mayHave = await this.known.mayHave(key, version);
    const names = mayHave ? await this.metadata.namesFor(key) : [];
    const note = this.temporary.noteOf(key, version);
    this.#names.set(note, names);
    if (!names.includes(nameOfVersion(version))) return;
    // A second name of what is there costs less than a file.
    await this.#note(note, () => link(this.metadata.pathOf(key, version), note));
  }

  /** Removes the metadata, after the version is gone. */
  async remove(key: string, gone: Identity, current?: Identity): Promise<void> {
    const names = this.#names.get(this.temporary.noteOf(key, gone));
    if (names?.length === 0) return;
    await this.metadata.remove(key, gone, current, names);
  }

  /** Records it for a version that exists already, and only comes to have the key. */
  async write(key: string, version: BigIntStats, recorded: Recorded): Promise<void> {
    const note = this.temporary.noteOf(key, version);
    await this.#note(note, async () => close(await open(note, 'wx', 0o600)));
    await this.metadata.write(key, version, recorded);
  }

  /** Best effort: where nothing can be created, as on a full disk, files can still be deleted. */
  async #note(path: string, create: () => Promise<void>): Promise<void> {
    if (this.#noted.includes(path)) return;
    try {
      await this.temporary.use(create);
      this.#noted.push(path);
    } catch {
      // Then only the end of the process at this very moment leaves something.
    }
  }
}
