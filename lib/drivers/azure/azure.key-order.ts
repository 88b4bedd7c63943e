import { compareKeys } from '../../core/key.js';

const SURROGATE = /[\uD800-\uDFFF]/;

/**
 * Puts names in the order of their UTF-8 bytes that come in the order of their UTF-16 units, as Azurite's do; what
 * the service's order is, is not documented. The two differ only where one name has a character beyond U+FFFF and another
 * one of U+E000 to U+FFFF in its place: so only names with the former are held back, until no such other one can come.
 */
export class KeyOrder<Item extends { readonly name: string }> {
  #held: Item[] = [];
  /** The last names that came, each of its own sequence. */
  #last: readonly string[] = [];

  /** @param start the characters before it are the same in all names */
  constructor(private readonly start: number) {}

  /** Those that were not taken. */
  get held(): readonly Item[] {
    return this.#held;
  }

  /** @param last the names that came last, each of a sequence of its own: they tell what may still come */
  add(items: readonly Item[], last: readonly string[]): void {
    this.#held = [...this.#held, ...items]
      .sort((left, right) => compareKeys(left.name, right.name))
      // A prefix comes again with each segment that has keys below it.
      .filter(({ name }, index, all) => name !== all[index - 1]?.name);
    if (last.length > 0) this.#last = last;
  }

  /** @param whole whether no more will come */
  take(most: number, whole: boolean): Item[] {
    const blocked = whole ? -1 : this.#held.findIndex(({ name }) => this.#mayFollow(name));
    return this.#held.splice(0, Math.min(most, blocked < 0 ? this.#held.length : blocked));
  }

  /** Whether a name may still come that belongs before this one. */
  #mayFollow(name: string): boolean {
    const index = name.slice(this.start).search(SURROGATE);
    if (index < 0) return false;
    const before = name.slice(0, this.start + index);
    return this.#last.some((last) => last.startsWith(before));
  }
}
