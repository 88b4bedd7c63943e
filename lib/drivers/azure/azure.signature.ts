/** What a signature covers, besides the account. */
export interface SignedRequest {
  readonly method: string;
  /** Encoded, as it is sent. */
  readonly path: string;
  /** By name, in the order of the names, and not encoded. */
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names, `x-ms-date` among them. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The account's key. As the SDK's credential has it, so that nobody else holds it. */
export interface AccountKey {
  readonly accountName: string;
  computeHMACSHA256(text: string): string;
}

/** Headers that stand in the text by their place. `x-ms-date` is sent, so that there is no `date`. */
const PLACES = [
  'content-language',
  'content-encoding',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
] as const;

/**
 * The `Authorization` header of the request, by Shared Key.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
 */
export function sharedKeySignature(
  { method, path, query, headers }: SignedRequest,
  account: AccountKey,
): string {
  let text = method;
  for (const name of PLACES) {
    const value = headers[name] ?? '';
    // The length of nothing is left out.
    text += name === 'content-length' && value === '0' ? '\n' : `\n${value}`;
  }
  text += '\n';
  const names = Object.keys(headers).filter((name) => name.startsWith('x-ms-'));
  for (const name of names.sort(compareNames)) text += `${name}:${headers[name]!.trim()}\n`;
  text += `/${account.accountName}${path}`;
  for (const name of Object.keys(query)) text += `\n${name}:${query[name]!}`;
  return `SharedKey ${account.accountName}:${account.computeHMACSHA256(text)}`;
}

/** The service sorts by the culture of its words: dashes count for nothing, and an underscore comes before digits and letters. */
function compareNames(left: string, right: string): number {
  return weighed(left) < weighed(right) ? -1 : 1;
}

function weighed(name: string): string {
  return name.replaceAll('-', '').replaceAll('_', '!');
}
