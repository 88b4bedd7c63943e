import type { BigIntStats } from 'node:fs';
import { isSameVersion } from './local.identity.js';
import type { MetadataFolder, Recorded } from './local.metadata.js';

interface Known {
  readonly version: BigIntStats;
  readonly recorded: Recorded | undefined;
  readonly until: number;
}

/** Which keys can have metadata, as it was at that time, in milliseconds since 1970. */
interface Listing {
  readonly at: number;
  readonly mayHave: (key: string) => boolean;
}

/** Milliseconds: a backup may bring metadata back later than the file, which does not change that. */
const LIFETIME = 1000;
/** Milliseconds. The kernel's clock stands still for some of them: of what changed just now, not every change is told. */
const SETTLED = 2000;
const FILES = 1000;

/**
 * What was found a moment ago, so that the metadata of a file that is read often is looked for once a second, and that of many files
 * without any not file by file.
 *
 * A version has other metadata only after it was moved away and back, and a renamed file has another ctime.
 */
export class KnownMetadata {
  readonly #known = new Map<string, Known>();
  #listing: Promise<Listing> | undefined;
  #listedUntil = 0;

  /** @param marksRenames whether the file system does so; otherwise nothing is kept */
  constructor(
    private readonly metadata: Pick<MetadataFolder, 'read' | 'keysWithAny'>,
    private readonly marksRenames: boolean,
  ) {}

  /** What was recorded for the version. @param version as it is now */
  async read(key: string, version: BigIntStats): Promise<Recorded | undefined> {
    if (!this.marksRenames || !hasSettled(version, Date.now())) {
      return this.metadata.read(key, version);
    }
    const known = this.#known.get(key);
    if (known && isCurrent(known, version)) return known.recorded;
    if (!(await this.mayHave(key, version))) return undefined;
    const recorded = await this.metadata.read(key, version);
    this.#keep(key, version, recorded);
    return recorded;
  }

  /** Whether anything can have been recorded for the version: it was, before the version was there. @param version as it is now */
  async mayHave(key: string, version: BigIntStats): Promise<boolean> {
    if (!this.marksRenames || !hasSettled(version, Date.now())) return true;
    const now = performance.now();
    if (now >= this.#listedUntil) {
      this.#listedUntil = now + LIFETIME;
      this.#listing = this.#list();
    }
    const { at, mayHave } = await this.#listing!;
    // By a clock that was set back, a younger version would look older.
    return at > Date.now() || !hasSettled(version, at) || mayHave(key);
  }

  async #list(): Promise<Listing> {
    const at = Date.now();
    // What is wrong with the folder is told by who looks for the metadata of a file.
    const mayHave = await this.metadata.keysWithAny().catch(() => () => true);
    return { at, mayHave };
  }

  #keep(key: string, version: BigIntStats, recorded: Recorded | undefined): void {
    this.#known.delete(key);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size >= FILES) this.#known.delete(oldest);
    this.#known.set(key, { version, recorded, until: performance.now() + LIFETIME });
  }
}

function isCurrent(known: Known, version: BigIntStats): boolean {
  return (
    isSameVersion(known.version, version) &&
    known.version.ctimeNs === version.ctimeNs &&
    performance.now() < known.until
  );
}

/** @param at milliseconds since 1970 */
function hasSettled({ ctimeNs }: BigIntStats, at: number): boolean {
  return at - Number(ctimeNs / 1_000_000n) >= SETTLED;
}
