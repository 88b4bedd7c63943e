/** What was typed cannot be meant: the command has done nothing. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** ` (did you mean …?)` with the known word that is nearest, or nothing when none is near. */
export function nearest(word: string, known: readonly string[]): string {
  const ranked = known
    .map((each) => ({ each, distance: editDistance(word, each) }))
    .sort((one, other) => one.distance - other.distance);
  const best = ranked[0];
  return best && best.distance <= Math.max(1, word.length / 3)
    ? ` (did you mean ${best.each}?)`
    : '';
}

/** Levenshtein's: letters to insert, delete or replace. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
      next[j] = Math.min(replaced, row[j]! + 1, next[j - 1]! + 1);
    }
    row = next;
  }
  return row[other.length]!;
}
