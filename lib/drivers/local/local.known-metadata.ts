import type { BigIntStats } from 'node:fs';
import { isSameVersion } from './local.identity.js';
import type { Recorded } from './local.metadata.js';

interface Known {
  readonly version: BigIntStats;
  readonly recorded: Recorded | undefined;
  readonly until: number;
}

/** Milliseconds: a backup may bring metadata back later than the file, which does not change that. */
const LIFETIME = 1000;
/** Milliseconds. The kernel's clock stands still for some of them: of what changed just now, not every change is told. */
const SETTLED = 2000;
const FILES = 1000;

/**
 * What was found for versions a moment ago, so that the metadata of a file that is read often is looked for once a second.
 *
 * A version has other metadata only after it was moved away and back, and a renamed file has another ctime.
 */
export class KnownMetadata {
  readonly #known = new Map<string, Known>();

  /** @param marksRenames whether the file system does so; otherwise nothing is kept */
  constructor(private readonly marksRenames: boolean) {}

  find(key: string, version: BigIntStats): Known | undefined {
    const known = this.#known.get(key);
    const isCurrent =
      known !== undefined &&
      isSameVersion(known.version, version) &&
      known.version.ctimeNs === version.ctimeNs &&
      performance.now() < known.until;
    return isCurrent ? known : undefined;
  }

  /** @param version as it was before the metadata was looked for */
  keep(key: string, version: BigIntStats, recorded: Recorded | undefined): void {
    const age = Date.now() - Number(version.ctimeNs / 1_000_000n);
    if (!this.marksRenames || age < SETTLED) return;
    this.#known.delete(key);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size >= FILES) this.#known.delete(oldest);
    this.#known.set(key, { version, recorded, until: performance.now() + LIFETIME });
  }
}
