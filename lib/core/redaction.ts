import { withoutKnownSecrets } from './known-secrets.js';

/** Characters of somebody else's text that an error shows. */
const MAX_LENGTH = 500;

const MARK = '…';

/** Of an escape of a URL, which may be escaped again, as often as it likes. */
const ESCAPE = '%(?:25)*';
const SPACE = `(?:\\s|\\+|${ESCAPE}20)`;
/** Of a text, of JSON within JSON, of XML and of a URL. */
const QUOTE = `(?:\\\\*["']|&(?:amp;)*(?:quot|apos|#3[49]|#x2[27]);|(?:${ESCAPE}5C)*${ESCAPE}2[27])`;
const LESS_THAN = `(?:<|&(?:amp;)*lt;|${ESCAPE}3C)`;
const GREATER_THAN = `(?:>|&(?:amp;)*gt;|${ESCAPE}3E)`;
const ASSIGNMENT = `(?:${QUOTE}?${SPACE}*(?:=>?|:=?|${ESCAPE}3[AD])|${GREATER_THAN})`;

/** Headers of which every part may be the secret. */
const HEADERS = '(?:authorization|security-token|cookie)';
/** What is also said of what is wrong: "invalid token: expected a number". */
const SPOKEN = '(?:signature(?:provided)?|credential|token|assertion)';
/** Not the end of another word; an escape before them may end in a letter. */
const SHORT = `(?:(?<![a-z])|(?<=${ESCAPE}[\\da-f]{2}))(?:sig|pwd)`;
const NAMES = `(?:${SHORT}|secret[\\w-]*|passw(?:or)?d|passphrase|upload_id|(?:account|access|api|customer|private)[_-]?key)`;
const ANY_NAME = `(?:${HEADERS}|${SPOKEN}|${NAMES})`;

/** A value without quotes: a comma in it is followed by no other field. */
const PLAIN = `(?:[^&\\s"',;<]|,(?![\\s"'\\\\]|[\\w.-]+[=:]))+`;
/** What goes on in words tells no secret. */
const SENTENCE = '[a-z]{1,15} +[a-z]';

/** What schemes are named with: "Bearer token is required". */
const SCHEME = '(?:token|authentication|authorization|credential|scheme)s?(?![^\\s.,;])';

const pattern = (source: string): RegExp => new RegExp(source, 'gi');

/** What is replaced by the mark; the first group stays. */
const SECRETS: readonly RegExp[] = [
  /()-----BEGIN [^-]*-----(?:[^-]|-(?!----END))*(?:-----END [^-]*-----)?/g,
  pattern(
    `(${LESS_THAN}[\\w:.-]*${ANY_NAME}(?:\\s[^<>]*)?${GREATER_THAN}(?:<!\\[CDATA\\[)?)(?:(?!${LESS_THAN})[^])+`,
  ),
  // Up to the quote that is escaped as the first one: others are of the secret.
  pattern(
    `(${ANY_NAME}(?:${ASSIGNMENT}|${QUOTE}\\s*,)${SPACE}*(${QUOTE}))(?:(?!(?<!\\\\|${ESCAPE}5C)\\2)[^])+`,
  ),
  pattern(`(${HEADERS}${ASSIGNMENT}(?!${SPACE}*${QUOTE})${SPACE}*)[^\\r\\n<]+`),
  pattern(`(${SPOKEN}${ASSIGNMENT}(?!${SPACE}*${QUOTE})(?!(?<=:) +${SENTENCE})${SPACE}*)${PLAIN}`),
  pattern(`(${NAMES}${ASSIGNMENT}(?!${SPACE}*${QUOTE})${SPACE}*)${PLAIN}`),
  pattern(`((?:Bearer|SharedKey(?:Lite)?)${SPACE}+(?!${SCHEME}))${PLAIN}`),
  new RegExp(`([Bb]asic${SPACE}+)(?=[\\w+/%-]*(?:[\\d%=]|[a-z][A-Z]))[\\w+/%-]{8,}=*`, 'g'),
  /(\bya29\.)[\w-]+/g,
  // A password may hold a slash, unless what precedes it is a port.
  /(:\/\/)(?:[^\s/?#]*(?=@)|[^\s/?#@]*:(?!\d{1,5}[/?#])[^\s@"'<>]*(?=@))/g,
  pattern(
    `(${ESCAPE}3A(?:${ESCAPE}2F){2})(?:(?!${ESCAPE}2F)\\S)*?(?:${ESCAPE}3A(?!\\d{1,5}%)\\S*?)?(?=${ESCAPE}40)`,
  ),
];

/** What may be a secret that nothing names. */
const TOKENS = /(?<![\w+/%-])[\w+/%-]{32,}=*/g;

/** Most of what comes: nothing in it is named or long enough. */
const ERROR_CODE = /^\w{0,31}$/;

/** What the end of a text may have of a secret that is cut through. */
const LAST_TOKEN = /[^\s"'<>]*$/;

/**
 * Text of a service, an SDK or whoever else answered, as an error may show it: short, without the secrets that storages
 * were configured with, and without what looks like a credential, a token or a signature. Some services, and the proxies
 * before them, repeat the request that they refuse.
 */
export function redacted(given: string): string {
  const text = withoutKnownSecrets(given, MARK);
  if (ERROR_CODE.test(text)) return text;
  // What is thrown away is not looked at, and what is cut through is thrown away: it may no longer look like a secret.
  const isCut = text.length > 2 * MAX_LENGTH;
  const head = isCut ? text.slice(0, 2 * MAX_LENGTH).replace(LAST_TOKEN, '') : text;
  const clean = SECRETS.reduce((rest, secret) => rest.replace(secret, `$1${MARK}`), head).replace(
    TOKENS,
    (token) => (isRandom(token) ? MARK : token),
  );
  return isCut || clean.length > MAX_LENGTH ? clean.slice(0, MAX_LENGTH) + MARK : clean;
}

/** A version at the end, a word, an abbreviation or a number. */
const WORDS = /[A-Za-z]\d(?![A-Za-z\d])|[A-Z]?[a-z]+|[A-Z]+|\d+/g;
/** So many of them in 32 characters are not what a path, an address or a name has. */
const RANDOM_WORDS = 9;

/**
 * Whether it is as long and as mixed as access keys and tokens are. Neither words nor UUIDs nor sums in hexadecimal are, and
 * paths have longer words.
 */
function isRandom(token: string): boolean {
  const plain = token.replace(/%(?:25)*[\da-f]{2}/gi, '/');
  if (!/[a-z]/.test(plain) || !/[A-Z]/.test(plain) || !/\d/.test(plain)) return false;
  const starts = Array.from(plain.matchAll(WORDS), ({ index }) => index);
  return starts.some((start, n) => start - (starts[n - RANDOM_WORDS + 1] ?? -Infinity) < 32);
}

/** A key as an error may show it: of a signed URL that was taken for one, without the query. */
export function redactedKey(key: string): string {
  return SIGNED.test(key) ? `${key.slice(0, key.indexOf('?') + 1)}${MARK}` : key;
}

const SIGNED = /[?&](?:X-Amz-|X-Goog-|AWSAccessKeyId=|GoogleAccessId=|Signature=|sig=)/i;
