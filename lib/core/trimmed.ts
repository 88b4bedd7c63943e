/** The text without these characters at its ends, in linear time: a regular expression for the end tries each run anew at each of its characters. */
export function trimmed(text: string, characters: string): string {
  const isTrimmed = (index: number): boolean => characters.includes(text[index]!);
  let start = 0;
  let end = text.length;
  while (start < end && isTrimmed(start)) start++;
  while (end > start && isTrimmed(end - 1)) end--;
  return text.slice(start, end);
}
