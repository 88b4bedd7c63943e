/** Query parameters in the order they came, decoded. */
export class Query {
  constructor(readonly pairs: readonly (readonly [string, string])[]) {}

  get(name: string): string | undefined {
    return this.pairs.find(([key]) => key === name)?.[1];
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }
}

/** Percent-encodes everything but A-Z a-z 0-9 - . _ ~ (RFC 3986 §2.3). */
export function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** As {@link encodeStrictly}, keeping slashes. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeStrictly).join('/');
}
