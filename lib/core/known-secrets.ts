/** Shorter ones are words like others: without every "test" an error would tell nothing. */
const MIN_LENGTH = 8;

/** How many storages hide each. */
const holders = new Map<string, number>();
let forms: RegExp | undefined;

/**
 * Hides what a storage was configured with from every text of others that an error shows, whatever stands beside it. Secrets of
 * less than eight characters are hidden only where something names them.
 *
 * @param secrets as they are, or as a URL escapes them
 *
 * @returns what ends it, when the storage is closed
 */
export function hideSecrets(secrets: readonly (string | undefined)[]): () => void {
  const given = secrets.filter((secret) => secret !== undefined);
  const hidden = new Set([...given, ...given.map(unescaped)].filter(isLongEnough));
  let isHidden = true;
  for (const secret of hidden) count(secret, 1);
  return () => {
    if (!isHidden) return;
    isHidden = false;
    for (const secret of hidden) count(secret, -1);
  };
}

/** The text with the mark in the place of every secret that some storage hides. */
export function withoutKnownSecrets(text: string, mark: string): string {
  if (holders.size === 0) return text;
  // The longest first: a shorter one may be the beginning of it.
  forms ??= new RegExp(
    Array.from(holders.keys())
      .sort((one, other) => other.length - one.length)
      .map((secret) => Array.from(secret, formsOf).join(''))
      .join('|'),
    'g',
  );
  return text.replace(forms, mark);
}

function count(secret: string, change: 1 | -1): void {
  const left = (holders.get(secret) ?? 0) + change;
  if (left > 0) holders.set(secret, left);
  else holders.delete(secret);
  forms = undefined;
}

function isLongEnough(secret: string): boolean {
  return secret.length >= MIN_LENGTH;
}

/** What an escape stands for; what is none stays. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': 'amp',
  '<': 'lt',
  '>': 'gt',
  '"': 'quot',
  "'": 'apos',
};

/** The character as it is, and as URLs, JSON and XML escape it: again and again, but not without end. */
function formsOf(character: string): string {
  if (/^\w$/.test(character)) return character;
  const code = character.codePointAt(0)!;
  const bytes = Array.from(Buffer.from(character), (byte) => `%(?:25){0,8}${hex(byte, 2)}`);
  const name = ENTITIES[character];
  return `(?:${[
    `\\\\{0,8}${character.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&')}`,
    `\\\\{1,8}u${hex(code, 4)}`,
    bytes.join(''),
    `&(?:amp;){0,8}(?:#0*${code}|#x0*${hex(code, 1)}${name ? `|${name}` : ''});`,
    ...(character === ' ' ? ['\\+'] : []),
  ].join('|')})`;
}

/** A pattern of the number, in lower and in upper case. */
function hex(number: number, digits: number): string {
  const small = number.toString(16).padStart(digits, '0');
  return small.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}
